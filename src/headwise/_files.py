"""Files: text and hashes, and small frozen objects as numbers and plain text (safetensors with JSON in its header), nothing that could run."""

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy import ndarray
from pydantic import BaseModel, ValidationError

from ._atomic import whole
from ._validate import as_path
from .errors import HeadwiseError

Header = TypeVar("Header", bound=BaseModel)
LARGEST = float(np.finfo(np.float32).max)  # models compute in no wider range


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
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    path = as_path(path)
    # In C order: the file takes memory as it lies.
    plain = {name: np.ascontiguousarray(x, dtype=np.float64) for name, x in arrays.items()}
    written = header.model_dump_json()
    described = {"format": version, kind: written, "crc32": _sum(written, plain)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as partial:
            save_file(plain, partial, metadata=described)
    except (OSError, SafetensorError) as error:
        raise HeadwiseError(f"{path}: cannot be written: {error}.") from error
    return path


def read(
    path: str | Path, kind: str, version: str, header: type[Header]
) -> tuple[Header, dict[str, ndarray]]:
    """Reads what `write` wrote.

    Raises:
        HeadwiseError: Nothing is there, it is something else, of a newer version, or damaged: numbers that are not finite, or not those that were written.
    """
    from safetensors import SafetensorError, safe_open

    path = as_path(path)
    if not path.is_file():
        raise HeadwiseError(f"There is no saved {kind} {str(path)!r}.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        check_format(path, f"{kind} saved by Headwise", metadata.get("format"), version)
        found = header.model_validate(json.loads(metadata[kind]))
        if metadata["crc32"] != _sum(metadata[kind], arrays):
            raise ValueError("it does not hold what was written")
        for name, x in arrays.items():
            if x.dtype != np.float64 or not (np.abs(x) <= LARGEST).all():
                raise ValueError(f"{name} holds numbers that are not finite")
    except ValidationError as error:
        raise HeadwiseError(f"{path}: a damaged {kind}: {reason(error)}.") from error
    except (SafetensorError, OSError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:  # fmt: skip
        raise HeadwiseError(f"{path}: a damaged {kind}: {error}.") from error
    return found, arrays


def _sum(header: str, arrays: Mapping[str, ndarray]) -> str:
    """CRC-32 of all that a file holds: its header, and the names, shapes and bytes of its arrays."""
    shapes = [[name, str(x.dtype), *x.shape] for name, x in sorted(arrays.items())]
    found = zlib.crc32(json.dumps([header, shapes]).encode())
    for _, x in sorted(arrays.items()):
        found = zlib.crc32(_bytes(x), found)
    return str(found)


def checksum(x: ndarray) -> int:
    """CRC-32 of the bytes of an array."""
    return zlib.crc32(_bytes(x))


def _bytes(x: ndarray) -> Any:
    return np.ascontiguousarray(x).reshape(-1).view(np.uint8)


def check_format(path: Path, what: str, found: object, version: str) -> None:
    """Refuses a file of another format, and says so where another version wrote it.

    Args:
        path: The file.
        what: What it should hold.
        found: The format that it names.
        version: The format that is read: a name that ends in a number.

    Raises:
        HeadwiseError: They are not the same.
    """
    if found == version:
        return
    name, number = version[:-1], int(version[-1])
    named = str(found)
    if not (named.startswith(name) and named[len(name) :].isdecimal() and len(named) < 40):
        raise HeadwiseError(f"{path}: not a {what}.")
    if int(named[len(name) :]) > number:
        raise HeadwiseError(f"{path}: a {what} in a newer version ({named}; this one reads {version}). Update headwise.")  # fmt: skip
    raise HeadwiseError(f"{path}: a {what} in an older version ({named}; this one reads {version}). Make it again.")  # fmt: skip


def reason(error: ValidationError) -> str:
    """The first thing that is wrong with a file, in a line; what a newer version may have added is named as that."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"]))[:80]
    if first["type"] == "extra_forbidden":
        return f"it has {place!r}, which this version does not know; if a newer headwise wrote it, update this one"
    return f"{place}: {first['msg']}"[:300] if place else first["msg"][:300]


def write_text(path: Path, text: str) -> Path:
    """Writes a text file into a folder that is there, whole or not at all.

    Raises:
        HeadwiseError: It cannot be written.
    """
    try:
        with whole(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except UnicodeEncodeError as error:
        raise HeadwiseError(
            f"{path}: half of a surrogate pair ({text[error.start]!r}) cannot be encoded as UTF-8. Replace it in the text."
        ) from error
    except OSError as error:
        raise HeadwiseError(f"{path}: cannot be written: {error.strerror}.") from error
    return path


def read_text(path: Path) -> str:
    """Text of a file of the user's, without a byte order mark; CR LF is read as LF, and a CR alone stays.

    Raises:
        HeadwiseError: It cannot be read, or is not UTF-8.
    """
    try:
        written = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise HeadwiseError(
            f"{path}: not UTF-8 at byte {error.start}. Save it as UTF-8."
        ) from error
    except OSError as error:
        raise HeadwiseError(f"{path}: cannot be read ({error.strerror}).") from error
    return written.removeprefix("\ufeff").replace("\r\n", "\n")


def read_lines(path: Path) -> list[str]:
    """Lines of a file of the user's; only LF and CR LF end them, whatever else Unicode calls a line break.

    Raises:
        HeadwiseError: As `read_text`.
    """
    lines = read_text(path).split("\n")
    return lines if lines[-1] else lines[:-1]


def hash_files(paths: Iterable[Path]) -> str:
    """SHA-256 over the contents of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
