"""Metrics: the tensors that one needs from a pass, and the number computed from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from headwise.data.suite import Suite
from headwise.interventions.prompts import Prompts
from headwise.model.model import Model


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen of a pass over some rows, each of them in several copies.

    Attributes:
        rows: Numbers of the rows.
        first: Position of the first of the log probabilities.
        log_p: Log probabilities of every next token, from `first` on, if they were requested.
        sites: By name and layer, with `row copy` as first axes.
        clean: The same rows in the clean model, in one copy; None in their own pass.
    """

    rows: tuple[int, ...]
    first: int
    log_p: Float[Tensor, "row copy read entry"] | None
    sites: Mapping[tuple[str, int], Float[Tensor, "row copy *rest"]]
    clean: "Seen | None"


@dataclass(frozen=True, eq=False)
class Reading:
    """A metric: one number per sentence.

    Attributes:
        name: Name of the metric.
        read: What each row adds to the number of its sentence, in each copy.
        says: What it is.
        first: The first position of each row at which log probabilities are read; None where none are.
        sites: What else must be seen: site and layer.
        rises: Whether damage makes it larger.
        flips: Whether its sign gives the preferred continuation.
        has_sign: Whether a change of it can go either way by chance; of a distance it cannot.
    """

    name: str
    read: Callable[[Seen], Float[Tensor, "row copy"]]
    says: str
    first: Callable[[int], int | None] = lambda row: None
    sites: tuple[tuple[str, int], ...] = ()
    rises: bool = False
    flips: bool = False
    has_sign: bool = True


Maker = Callable[[Model, Suite, Prompts], Reading]
