"""The files of a folder that a model's weights are read from."""

import json
from pathlib import Path

from headwise.errors import HeadwiseError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def weight_files(folder: Path) -> list[Path]:
    """The files that a folder's weights are read from: `model.safetensors`, or those that its index names.

    Raises:
        HeadwiseError: There are none, or one is no safetensors file of this folder.
    """
    if (folder / SINGLE).is_file():
        return [_of_folder(folder, SINGLE)]
    index = folder / INDEX
    if not index.is_file():
        raise HeadwiseError(
            f"{folder}: no {SINGLE} (nor {INDEX}). Headwise reads weights from safetensors only; convert "
            "other formats with save_pretrained(..., safe_serialization=True)."
        )
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HeadwiseError(f"{index}: not the index of a checkpoint.") from error
    if not names:
        raise HeadwiseError(f"{index}: names no file.")
    return [_of_folder(folder, name) for name in sorted(names, key=str)]


def _of_folder(folder: Path, name: object) -> Path:
    """A safetensors file of a folder; a link only to the blobs of the hub cache that the folder is part of."""
    if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
        raise HeadwiseError(
            f"{folder}: {INDEX} names {name!r}. Weights are read from .safetensors files of the folder itself only."
        )
    path = folder / name
    if not path.is_file():
        raise HeadwiseError(f"{path}: named by {INDEX}, and not there.")
    real, own = path.resolve(), folder.resolve()
    if real.parent not in (own, own.parent.parent / "blobs"):
        raise HeadwiseError(
            f"{path}: a link that leads out of the folder, to {real}. Copy the file."
        )
    return path
