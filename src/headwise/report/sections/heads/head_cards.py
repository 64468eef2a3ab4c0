"""What stands on every head's card: kinds of evidence with their intervals and p, and the verdict."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from headwise._columns import Column
from headwise.evidence import KINDS, VERDICT_RULE, YES, rule_of
from headwise.model import heads as naming
from headwise.model.architecture import Side
from headwise.model.head import Head
from headwise.model.model import Model
from headwise.report.schema import ANSWERS, VERDICTS, Detail, Heads, Measure, Packed

from ..directions.ov_tokens import writes_of

NOT_TESTED = "-"
NAME = Column("name", "Head")


def side_shown(model: Model) -> Side:
    """The side of which cards are made: all of a model of one stack, else its encoder."""
    return naming.sides(model)[0]


def shape_shown(model: Model) -> tuple[int, int]:
    """Layers of the side of which cards are made, and heads of each."""
    return naming.shape_of(model, side_shown(model))


def heads_section(
    model: Model,
    heads: pd.DataFrame | None = None,
    details: Sequence[Detail] = (),
) -> Heads:
    """All heads of a model (of an encoder-decoder, of its encoder) with what is known of them.

    Args:
        model: The model.
        heads: What `verdicts.judge_all` gives, or for one kind of evidence its own frame; None where nothing was tested.
        details: Further numbers, see `head_details`.
    """
    side = side_shown(model)
    frame = pd.DataFrame({"layer": [], "head": []}) if heads is None else heads
    found = section(frame, details, shape_shown(model))
    writes, caption = writes_of(model, first(frame), side)
    own = {"side": side, "writes": writes, "writes_caption": caption}
    return found.model_copy(update=own)


def section(
    heads: pd.DataFrame, details: Sequence[Detail] = (), shape: tuple[int, int] | None = None
) -> Heads:
    """What is known of heads, without a model to ask; of `shape` layers and heads, by default those that the frame speaks of."""
    shape = shape or shape_of(heads)
    asked = [kind for kind in KINDS if kind in heads]
    several = len(asked) > 1 and "verdict" in heads
    return Heads(
        n_layers=shape[0],
        n_heads=shape[1],
        measures=[_measure(kind, heads, shape) for kind in asked],
        verdicts=_letters(heads, "verdict", VERDICTS, shape) if several else "",
        rules=VERDICT_RULE if several else "",
        details=[detail for detail in details if detail.rows],
    )


def first(heads: pd.DataFrame) -> list[tuple[int, int]]:
    """Heads in the order in which they deserve room: supported, then by the number of kinds with a yes, then by effect."""
    asked = [kind for kind in KINDS if kind in heads]
    if not asked:
        return []
    keys = pd.DataFrame({"supported": heads.get("verdict", pd.Series("", heads.index)) == "supported"})  # fmt: skip
    keys["yes"] = (heads[asked] == YES).sum(axis=1)
    effects = [f"{kind}_effect" for kind in ("looks", "matters", "moves", "carries")]
    effect = next((name for name in effects if name in heads), None)
    keys["effect"] = heads[effect].fillna(-np.inf) if effect else 0.0
    order = keys.sort_values(list(keys), ascending=False, kind="stable").index
    return list(heads.loc[order, ["layer", "head"]].astype(int).itertuples(index=False, name=None))


def shape_of(heads: pd.DataFrame) -> tuple[int, int]:
    """Layers and heads that a frame speaks of."""
    return 1 + int(heads["layer"].max()), 1 + int(heads["head"].max())


def named(heads: pd.DataFrame) -> pd.DataFrame:
    """A frame of single heads, maybe of several sides, with their names."""
    places = heads.reindex(columns=["layer", "head", "side"], fill_value="")
    places = places.astype({"layer": int, "head": int}).itertuples(index=False)
    return heads.assign(name=[Head(*place).name for place in places])


def grid(heads: pd.DataFrame, column: str, shape: tuple[int, int]) -> Float[ndarray, "layer head"]:
    """A column of a frame with one row per head; NaN where a head is not in it."""
    found = np.full(shape, np.nan)
    if column in heads:
        found[heads["layer"].to_numpy(int), heads["head"].to_numpy(int)] = heads[column]
    return found


def _measure(kind: str, heads: pd.DataFrame, shape: tuple[int, int]) -> Measure:
    texts = rule_of(kind, heads)
    arrays = {
        name: Packed.of(grid(heads, f"{kind}_{name}", shape))
        for name in ("effect", "low", "high", "p", "control", "detectable")
        if name in ("effect", "low", "high", "p") or f"{kind}_{name}" in heads
    }
    told = {"what": texts.what, "unit": texts.unit, "rule": texts.text, "p_over": texts.p_over}
    answers = _letters(heads, kind, ANSWERS, shape)
    return Measure.model_validate({"kind": kind, "answers": answers, **told, **arrays})


def _letters(
    heads: pd.DataFrame, column: str, letters: dict[str, str], shape: tuple[int, int]
) -> str:
    found = np.full(shape, NOT_TESTED)
    found[heads["layer"], heads["head"]] = heads[column].map(letters).fillna(NOT_TESTED)
    return "".join(found.ravel())
