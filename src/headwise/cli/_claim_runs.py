"""One hypothesis on several models: its sentences, its place among other reports, and where it came from."""

import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headwise._formatting import encodable
from headwise._progress import waiting
from headwise.data.fingerprints import fingerprints
from headwise.data.reading import read_suite
from headwise.data.suite import Suite
from headwise.hypotheses import Hypothesis
from headwise.model import loading
from headwise.model.model import Model
from headwise.report import Place
from headwise.report.schema import Report

from . import provenance


@dataclass(frozen=True)
class Run:
    """What was requested.

    Attributes:
        hypothesis: The hypothesis.
        out: Folder for reports.
        data: Sentences in place of its own.
        device: Torch device or `auto`.
        dtype: Type of the weights.
        seed: Fixes every figure.
        smoke: Whether to use a few sentences only.
        overwrite: Whether another report there may be replaced.
    """

    hypothesis: Hypothesis
    out: Path
    data: Path | None
    device: str
    dtype: str
    seed: int
    smoke: bool
    overwrite: bool

    def prepare(self, model: str) -> dict[str, Suite]:
        """The sentences for a model, all read and checked before any model is loaded.

        Raises:
            HeadwiseError: They cannot be read, or another report stands where this one would.
        """
        data = read_suite(self.data) if self.data else None
        suites = self.hypothesis.suites(model=model, data=data, seed=self.seed)
        self.hypothesis.check(suites)
        self.check(model, suites)
        return suites

    def check(self, model: str, suites: Mapping[str, Suite], weights: str = "") -> None:
        """Makes sure that no other report is replaced.

        Raises:
            HeadwiseError: One would be.
        """
        if self.overwrite:
            return
        main = next(iter(suites.values()))
        Place(
            self.out, self.hypothesis.name, model, main.name, {}, self.smoke, self.seed, self.dtype,
            self._script, weights, main.sha256,
        ).check()  # fmt: skip

    def test(self, model: str, suites: Mapping[str, Suite]) -> Report:
        """Loads a model and tests the hypothesis on it; the report is not written yet.

        Raises:
            HeadwiseError: The model cannot be loaded or tested, or another report stands where this one would.
        """
        with waiting(f"loading {model}"):
            loaded = loading.load(model, device=self.device, dtype=self.dtype)
        self.check(loaded.name, suites, loaded.weights_sha256)
        start = time.monotonic()
        report = self.hypothesis.test_on(loaded, suites, seed=self.seed, smoke=self.smoke)
        command = shlex.join(["headwise", *sys.argv[1:]])
        return self._described(report, loaded, suites, command, time.monotonic() - start)

    def _described(
        self,
        report: Report,
        model: Model,
        suites: Mapping[str, Suite],
        command: str,
        seconds: float,
    ) -> Report:
        """The report with its provenance."""
        main = next(iter(suites.values()))
        origin = provenance.collect(
            model, main, command=command, seed=self.seed, smoke=self.smoke, seconds=seconds
        )
        more = {
            "script": self._script,
            "hypothesis": encodable(self.hypothesis.written),
            "sentences": fingerprints(suites.values()),
        }
        origin = origin.model_copy(update=more)
        return report.model_copy(update={"provenance": origin})

    @property
    def _script(self) -> str:
        path = self.hypothesis.path
        return encodable(path.name) if path else ""
