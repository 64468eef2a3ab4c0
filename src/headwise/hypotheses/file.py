"""A hypothesis as a file: what is claimed, in which sentences, and by which kinds of evidence it is tested.

    format = 1
    name = "subject_verb"
    question = "Do some heads let verbs attend to their subjects?"
    claim = "In some head a verb attends to its subject."
    suite = "subject_verb.toml"

    [looks]
    relation = "nsubj"
    order = "governor->dependent"

    [matters]
    pairs = "gender_pairs"
    smallest = 0.1

Sentences are named (a suite that comes with Headwise, or a path beside the file), or stand in the file as `[suite]` with `labels` and `groups`, as in a
suite of its own.
"""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from headwise._files import read_text
from headwise._formatting import brief
from headwise.attention.questions import AttentionOrder
from headwise.data._toml_text import values_of
from headwise.errors import HeadwiseError
from headwise.probing.classifiers import HEADLINE, Classifier
from headwise.stats.deciding import SMALLEST

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,59}$")]
NonEmpty = Annotated[str, Field(pattern=r"\S")]
Smallest = Annotated[float, Field(gt=0, lt=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Evidence(_Table):
    """What every kind of evidence may say.

    Attributes:
        smallest: Smallest effect of interest: points of hit rate or accuracy, a share of the clean metric, a share of the distance of the classes.
    """

    smallest: Smallest = SMALLEST


class Looks(_Evidence):
    """Attention from one word of a relation to the other.

    Attributes:
        relation: A relation of the suite, in the notation of `headwise.attention.relation_query`, without a direction.
        order: Who attends: `governor->dependent`, `dependent->governor` or `column`.
        suite: Sentences of its own.
    """

    relation: NonEmpty
    order: AttentionOrder = "governor->dependent"
    suite: str = ""


class Carries(_Evidence):
    """A label that can be decoded from a head's output.

    Attributes:
        label: `mark`, the label of every mark, or `part of speech`.
        labels: Some of the labels; all by default.
        at: The word that is read: 0 is the marked one, -1 the one before it; or a relation.
        classifier: The one that decides.
        suite: Sentences of its own.
    """

    label: Literal["mark", "part of speech"] = "mark"
    labels: list[NonEmpty] = []
    at: Annotated[int, Field(ge=-100, le=100)] | NonEmpty = 0
    classifier: Classifier = HEADLINE
    suite: str = ""


class Matters(_Evidence):
    """Loss of a behaviour when a head is ablated.

    Attributes:
        pairs: A suite of minimal pairs; by default those of the main suite.
        metrics: Of the behaviour; by default what model and pairs allow.
        methods: Of ablation; by default zero, mean and resample.
        burrow: Generated pairs for the model burrow: a phenomenon of `headwise.burrow_pairs`.
    """

    pairs: str = ""
    metrics: list[NonEmpty] = []
    methods: list[Literal["zero", "mean", "resample"]] = []
    burrow: str = ""


class Moves(_Evidence):
    """What a head's update adds along a direction.

    Attributes:
        how: `classes`, towards each label of the marks from the others; or `ov`, along the OV images of linked words.
        relation: With `ov`, the relation whose words are linked; by default that of `looks`.
        suite: Sentences of its own.
    """

    how: Literal["classes", "ov"] = "classes"
    relation: str = ""
    suite: str = ""


class HypothesisFile(_Table):
    """A hypothesis, as it stands in a file.

    Attributes:
        format: 1.
        name: Letters, digits, dashes and underscores; the name of its reports.
        question: In plain words.
        claim: In a sentence.
        suite: Name or path of the sentences, or the sentences themselves.
        burrow: Generated sentences for the model burrow, trained on its own English only: a phenomenon of `headwise.burrow_sentences`.
        looks: Attention.
        carries: Probing.
        matters: Ablation.
        moves: Direct contribution.
    """

    format: Literal[1]
    name: Name
    question: NonEmpty
    claim: NonEmpty
    suite: NonEmpty | dict[str, Any]
    burrow: str = ""
    looks: Looks | None = None
    carries: Carries | None = None
    matters: Matters | None = None
    moves: Moves | None = None

    @model_validator(mode="after")
    def _says_what_to_test(self) -> "HypothesisFile":
        if not self.kinds:
            raise ValueError(
                "no kind of evidence is named: add [looks], [carries], [matters] or [moves]"
            )
        if self.moves and self.moves.how == "ov" and not (self.moves.relation or self.looks):
            raise ValueError("[moves] with how = 'ov' needs a relation, or [looks] with one")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of evidence that are tested."""
        return tuple(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def smallest(self) -> dict[str, float]:
        """The smallest effect of interest of each tested kind."""
        return {kind: getattr(self, kind).smallest for kind in self.kinds}


KINDS = ("looks", "carries", "matters", "moves")


def read(path: Path) -> tuple[HypothesisFile, str]:
    """Reads a file, and gives its text, too.

    Raises:
        HeadwiseError: It is not TOML, or not a hypothesis: the line, and the nearest key that is known.
    """
    if not path.is_file():
        raise HeadwiseError(f"There is no hypothesis {str(path)!r}. headwise new {path.stem or 'NAME'} writes one.")  # fmt: skip
    written = read_text(path)
    return parse(path, written), written


def parse(path: Path, written: str) -> HypothesisFile:
    """A hypothesis from the text of a file.

    Raises:
        HeadwiseError: As `read`.
    """
    try:
        return HypothesisFile.model_validate(values_of(path, written))
    except ValidationError as error:
        raise HeadwiseError(_explain(path, written, error)) from error


def _explain(path: Path, written: str, error: ValidationError) -> str:
    """What is wrong first, on which line."""
    # A key that is not known explains why another is missing.
    found = sorted(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
    first = found[0]
    place = [str(part) for part in first["loc"] if not str(part).startswith(("function-", "constrained-", "str", "dict["))]  # fmt: skip
    line = _line_of(written, place)
    where = f"{path}:{line}" if line else str(path)
    name = ".".join(place)
    if first["type"] == "extra_forbidden":
        table = {"looks": Looks, "carries": Carries, "matters": Matters, "moves": Moves}.get(place[0]) if len(place) > 1 else HypothesisFile  # fmt: skip
        known = list((table or HypothesisFile).model_fields)
        close = get_close_matches(place[-1], known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return f"{where}: there is no key {brief(name)}; known are {', '.join(known)}.{hint}"
    if first["type"] == "missing":
        return f"{where}: the key {name!r} is missing."
    message = first["msg"].removeprefix("Value error, ")
    given = f", got {repr(first['input'])[:80]}" if place and first["type"] != "value_error" else ""
    return f"{where}: {f'{name}: ' if place else ''}{message[:1].lower()}{message[1:]}{given}."


def _line_of(written: str, place: list[str]) -> int | None:
    """The line of a key, or of its table; None where it is not written so."""
    table, found = "", None
    for number, text in enumerate(written.split("\n"), start=1):
        if heading := re.match(r"\s*\[+\s*([\w.\"'-]+)\s*\]+", text):
            table = heading[1]
            if place[:1] == [table]:
                found = number
        key = re.match(r"\s*([\w-]+)\s*=", text)
        if key and [part for part in (table, key[1]) if part] == place[:2]:
            return number
    return found
