"""The same question once more: what a replication runs, from an earlier report."""

from dataclasses import dataclass
from pathlib import Path

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
        place = file or Path(origin.script)
        then = parse(place, origin.hypothesis)
        if file is not None and Hypothesis.read(file).file != then:
            raise HeadwiseError(f"{file}: it is not the hypothesis of the report, or has changed since. Leave --file out, or test it with headwise test.")  # fmt: skip
        return cls(report, Hypothesis(then, place, origin.hypothesis))

    @property
    def file(self) -> HypothesisFile:
        """What the hypothesis says."""
        return self.hypothesis.file
