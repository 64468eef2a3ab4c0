"""A hypothesis: read from a file or made in Python, and tested on a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from headwise._files import reason
from headwise._validate import as_path, check_counts
from headwise.data import shipped
from headwise.data.reading import read_suite
from headwise.data.suite import Suite
from headwise.data.toml import suite_of_values
from headwise.errors import HeadwiseError
from headwise.model.model import Model
from headwise.report.schema import Report

from . import file as files
from .file import HypothesisFile
from .registration import status
from .testing import Question, check, report_on

N_GENERATED, N_PAIRS = (
    400,
    200,
)  # sentences and pairs of burrow's English, where a file names a phenomenon
Sentences = str | Path | Suite


@dataclass(frozen=True)
class Hypothesis:
    """A claim, the sentences in which it is tested, and the kinds of evidence.

    Attributes:
        file: What the file says; `docs/hypotheses.md` lists its keys.
        path: Where it was read; None if it was made in Python.
        given: Sentences that were given as suites, by kind; `""` is the main one.
    """

    file: HypothesisFile
    path: Path | None = None
    written: str = ""
    given: Mapping[str, Suite] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> "Hypothesis":
        """Reads a file.

        Raises:
            HeadwiseError: It is no hypothesis: the file and the line, and the nearest key that is known.
        """
        path = as_path(path)
        found, written = files.read(path)
        return cls(found, path, written)

    @classmethod
    def of(
        cls,
        name: str,
        question: str,
        claim: str,
        suite: Sentences,
        *,
        pairs: Suite | None = None,
        **more: Any,
    ) -> "Hypothesis":
        """The same in Python.

        Args:
            name: Of its reports.
            question: In plain words.
            claim: In a sentence.
            suite: The sentences, or the name or path of them.
            pairs: Minimal pairs for `matters`.
            more: Tables of the kinds of evidence, as `looks={"relation": "amod"}`, and `burrow`.

        Raises:
            HeadwiseError: A key that is not known, or a value out of range.
        """
        if "format" in more:
            raise HeadwiseError(
                "Not a hypothesis: format is that of a file, and Python needs none."
            )
        named = suite.name if isinstance(suite, Suite) else str(suite)
        given = {"": suite} if isinstance(suite, Suite) else {}
        if pairs is not None:
            given["matters"] = pairs
        try:
            found = HypothesisFile(format=1, name=name, question=question, claim=claim, suite=named, **more)  # fmt: skip
        except ValidationError as error:
            raise HeadwiseError(f"Not a hypothesis: {reason(error)}.") from error
        return cls(found, given=given)

    @property
    def name(self) -> str:
        """Of its reports."""
        return self.file.name

    def suites(
        self,
        *,
        model: str = "",
        data: Sentences | None = None,
        seed: int = 0,
    ) -> dict[str, Suite]:
        """The sentences of each tested kind of evidence.

        Args:
            model: Name of the model; burrow is tested in the English of its own grammar where the file names a phenomenon.
            data: Sentences in place of the main ones, and their pairs in place of the pairs.
            seed: Fixes generated sentences.

        Raises:
            HeadwiseError: Sentences cannot be found or read.
        """
        is_burrow = model.split()[:1] == ["burrow"]
        other = data if isinstance(data, Suite) or data is None else read_suite(data)
        main = other or self._main(is_burrow, seed)
        found: dict[str, Suite] = {}
        for kind in self.file.kinds:
            own = getattr(getattr(self.file, kind), "suite", "")
            found[kind] = self.given.get(kind) or (self._read(own) if own and not other else main)
        if self.file.matters and other is None and "matters" not in self.given:
            found["matters"] = self._pairs(main, is_burrow, seed)
        return found

    def test(
        self,
        model: Model,
        *,
        data: Sentences | None = None,
        seed: int = 0,
        smoke: bool = False,
    ) -> Report:
        """Tests every kind of evidence on every head.

        Args:
            model: The model.
            data: Sentences in place of the hypothesis's own.
            seed: Fixes every figure.
            smoke: Whether to use a few sentences and controls only, to see that everything runs.

        Raises:
            HeadwiseError: Sentences cannot be read, or lack what a kind of evidence reads in them; or nothing could be tested.
        """
        check_counts(seed=seed)
        suites = self.suites(model=model.name, data=data, seed=seed)
        return self.test_on(model, suites, seed=seed, smoke=smoke)

    def test_on(
        self, model: Model, suites: Mapping[str, Suite], *, seed: int = 0, smoke: bool = False
    ) -> Report:
        """As `test`, in given sentences of each kind of evidence."""
        question = Question(self.file, suites, seed, smoke)
        self.check(suites)
        if smoke:
            question = replace(question, suites={k: _few(k, s) for k, s in suites.items()})
        return report_on(model, question, status(self, suites))

    def check(self, suites: Mapping[str, Suite]) -> None:
        """Makes sure that sentences have what each kind of evidence reads in them.

        Raises:
            HeadwiseError: They lack it.
        """
        check(Question(self.file, suites))

    def _main(self, is_burrow: bool, seed: int) -> Suite:
        if is_burrow and self.file.burrow:
            from headwise.burrow.grammar.sentences import burrow_sentences

            return burrow_sentences(self.file.burrow, N_GENERATED, seed=seed)
        if "" in self.given:
            return self.given[""]
        if isinstance(self.file.suite, str):
            return self._read(self.file.suite)
        values = {"format": 1, "name": self.name, "question": self.file.question}
        return suite_of_values(self.path or Path(self.name), values | self.file.suite, self.written)

    def _pairs(self, main: Suite, is_burrow: bool, seed: int) -> Suite:
        asked = self.file.matters
        assert asked is not None
        if is_burrow and asked.burrow:
            from headwise.burrow.grammar.pairs import burrow_pairs

            return burrow_pairs(asked.burrow, N_PAIRS, seed=seed, held_out=True)
        return self._read(asked.pairs) if asked.pairs else main

    def _read(self, name: str) -> Suite:
        """A suite beside the file, at a path, or by its name."""
        beside = as_path(self.path.parent / name if self.path else Path(name))
        if beside.exists():
            return read_suite(beside)
        return read_suite(name if name not in shipped.names("probes") else shipped.find_suite(name))


def _few(kind: str, suite: Suite) -> Suite:
    if kind == "matters":
        return suite.sample_groups(8, 2)
    return suite.sample_groups(40, 1) if suite.pairs else suite.sample_groups(24, 3)
