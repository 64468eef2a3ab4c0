"""Provenance of a result: code, versions, weights, data, machine, command and time."""

import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version

from headwise import __version__
from headwise._formatting import encodable
from headwise.data import shipped
from headwise.data.fingerprints import fingerprints
from headwise.data.suite import Suite
from headwise.model.model import Model
from headwise.report.schema import Provenance, Source

PACKAGES = ("torch", "transformers", "transformer-lens", "scikit-learn", "scipy", "numpy", "pandas")


def collect(
    model: Model | str,
    suite: Suite | None,
    *,
    command: str,
    seed: int,
    smoke: bool,
    seconds: float,
) -> Provenance:
    """Describes the run that just ended, on a model or on a shape that has only a name."""
    revision, dirty = commit()
    return Provenance(
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        seconds=round(seconds, 2),
        command=encodable(command),
        seed=seed,
        smoke=smoke,
        device="cpu" if isinstance(model, str) else str(model.device),
        dtype="" if isinstance(model, str) else str(model.dtype).removeprefix("torch."),
        platform=f"{platform.system()} {platform.machine()}",
        versions={
            "headwise": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in PACKAGES},
        },
        commit=revision,
        dirty=dirty,
        model=_model(model),
        data=Source(name="") if suite is None else _data(suite),
        sentences=[] if suite is None else fingerprints([suite]),
    )


def _model(model: Model | str) -> Source:
    if isinstance(model, str):
        return Source(name=model, note="a shape: sizes only, no weights")
    return Source(
        name=encodable(model.name),
        sha256=model.weights_sha256,
        license=model.license,
        note=f"{model.n_layers} layers x {model.n_heads} heads, "
        f"{'decoder' if model.is_causal else 'encoder'}",
    )


def _data(suite: Suite) -> Source:
    return Source(
        name=encodable(suite.name),
        path=encodable(suite.path),
        sha256=suite.sha256,
        license=suite.license,
        note=f"{len(suite):,} sentences in {len(suite.groups):,} groups",
    )


def commit() -> tuple[str, bool | None]:
    """Commit of the checkout and whether it has changes; nothing outside a checkout."""
    root = shipped.checkout()
    git = shutil.which("git")
    if root is None or git is None or not (root / ".git").exists():
        return "", None
    try:
        revision, status = (
            subprocess.run(
                [git, "-C", str(root), *arguments],
                capture_output=True,
                text=True,
                check=True,
                timeout=20,
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (subprocess.SubprocessError, OSError):
        return "", None
    return revision, bool(status)
