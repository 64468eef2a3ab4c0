"""Files: text and hashes, and small frozen objects as numbers and plain text (safetensors with JSON in its header), nothing that could run."""

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy import ndarray
from pydantic import BaseModel, ValidationError

from .errors import HeadwiseError

Header = TypeVar("Header", bound=BaseModel)


def write(
    path: str | Path, kind: str, version: str, header: BaseModel, arrays: Mapping[str, ndarray]
) -> Path:
    """Writes a file; one that is there is replaced only once the new one is whole.

    Args:
        path: The file; folders are made.
        kind: What it is, e.g. `probe`.
        version: Of the format.
        header: What it says of itself.
        arrays: Numbers, kept in double precision.

    Raises:
        HeadwiseError: It cannot be written.
    """
    from safetensors.numpy import save_file

    path = Path(path)
    # In C order: the file takes memory as it lies.
    plain = {name: np.ascontiguousarray(x, dtype=np.float64) for name, x in arrays.items()}
    described = {"format": version, kind: header.model_dump_json()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as partial:
            save_file(plain, partial, metadata=described)
    except OSError as error:
        raise HeadwiseError(f"{path}: cannot be written: {error}.") from error
    return path


def read(
    path: str | Path, kind: str, version: str, header: type[Header]
) -> tuple[Header, dict[str, ndarray]]:
    """Reads what `write` wrote.

    Raises:
        HeadwiseError: Nothing is there, it is something else, or it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise HeadwiseError(f"There is no saved {kind} {str(path)!r}.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != version:
                raise HeadwiseError(f"{path}: not a {kind} saved by Headwise.")
            found = header.model_validate(json.loads(metadata[kind]))
            return found, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError, ValidationError) as error:
        raise HeadwiseError(f"{path}: a damaged {kind}: {error}.") from error


def write_text(path: Path, text: str) -> Path:
    """Writes a text file into a folder that is there, whole or not at all.

    Raises:
        HeadwiseError: It cannot be written.
    """
    try:
        with whole(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HeadwiseError(f"{path}: cannot be written: {error.strerror}.") from error
    return path


@contextmanager
def whole(path: Path) -> Generator[Path]:
    """A file beside another to write, which takes its place once it is written; until then, and if anything fails, the old one is untouched."""
    partial = path.with_name(f".{path.name[:100]}-{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing(folder: Path) -> Generator[Path]:
    """A fresh folder to fill, which takes a folder's place once it is whole; until then, and if anything fails, the old one is untouched.

    Raises:
        HeadwiseError: It cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        workspace = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:100]}-"))
    except OSError as error:
        raise HeadwiseError(f"Cannot write {str(folder)!r}: {error.strerror}. Choose another folder.") from error  # fmt: skip
    try:
        fresh = workspace / "fresh"
        fresh.mkdir()
        yield fresh
        if folder.exists():
            folder.rename(workspace / "replaced")
        fresh.rename(folder)
    except OSError as error:
        raise HeadwiseError(f"Cannot write {str(folder)!r}: {error.strerror}. Choose another folder.") from error  # fmt: skip
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def read_text(path: Path) -> str:
    """Text of a file of the user's, with a clear error where it cannot be had."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise HeadwiseError(
            f"{path}: not UTF-8 at byte {error.start}. Save it as UTF-8."
        ) from error
    except OSError as error:
        raise HeadwiseError(f"{path}: cannot be read ({error.strerror}).") from error


def hash_files(paths: Iterable[Path]) -> str:
    """SHA-256 over the contents of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
