"""The same question once more: what a replication runs, from an earlier report."""

from dataclasses import dataclass
from pathlib import Path

from headwise.data.suite import Suite
from headwise.errors import HeadwiseError
from headwise.hypotheses import Hypothesis, HypothesisFile
from headwise.hypotheses.file import parse
from headwise.report.schema import Report, load_report


@dataclass(frozen=True)
class Earlier:
    """An earlier report and the hypothesis that it tested.

    Attributes:
        report: The report.
        hypothesis: The hypothesis, as it was then.
    """

    report: Report
    hypothesis: Hypothesis

    @classmethod
    def read(cls, path: Path, file: Path | None) -> "Earlier":
        """Reads a report, and the hypothesis that it holds.

        Args:
            path: `results.json`, or the folder that holds it.
            file: The hypothesis, where its sentences stand beside it; by default the one of its name in the current folder.

        Raises:
            HeadwiseError: It is no report of a hypothesis, or the file is another hypothesis than that of the report.
        """
        report = load_report(path / "results.json" if path.is_dir() else path)
        origin = report.provenance
        if origin is None or not origin.hypothesis:
            raise HeadwiseError(
                f"{path}: a report of the analysis {report.analysis!r}, which holds no hypothesis. headwise replicate takes reports of headwise test; run an analysis again with headwise run --seed."
            )
        place = file or Path(origin.script or f"{report.analysis}.toml")
        try:
            then = parse(place, origin.hypothesis)
        except HeadwiseError as error:
            raise HeadwiseError(f"{path}: its hypothesis is damaged: {error}") from error
        if file is not None and Hypothesis.read(file).file != then:
            raise HeadwiseError(f"{file}: it is not the hypothesis of the report, or has changed since. Leave --file out, or test it with headwise test.")  # fmt: skip
        return cls(report, Hypothesis(then, place, origin.hypothesis))

    def check(self, model: str, data: Suite) -> None:
        """Makes sure that sentences which are to be the same are the same.

        Args:
            model: Name of the model that is tested now.
            data: The sentences that were found where the first report's should be.

        Raises:
            HeadwiseError: They are others: another file of the same name, or one that has changed since, or the first report tested data of its own.
        """
        origin = self.report.provenance
        assert origin is not None
        # What a grammar generates is other sentences with another seed, under the same name.
        is_drawn = model.split()[:1] == ["burrow"] and bool(self.file.burrow)
        before, now = (one.name if is_drawn else one.sha256 for one in (origin.data, data))
        if model == self.report.model and before != now:
            raise HeadwiseError(
                f"The first report tested {origin.data.name!r}, and what stands there now ({data.name!r}) is not the same. Name the sentences with --data: those of the first report, or others."
            )

    @property
    def file(self) -> HypothesisFile:
        """What the hypothesis says."""
        return self.hypothesis.file
