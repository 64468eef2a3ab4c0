"""Files and folders that appear whole or not at all, and what killed processes left of them.

What is being written has a hidden name beside its place, with the host and the process that writes it. Once no such process runs, the next writer in that
folder takes it away, and puts back what it held of an earlier folder.
"""

import ctypes
import errno
import hashlib
import os
import platform
import re
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import HeadwiseError

HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
_OURS = re.compile(rf"\..*-{HOST}-(\d+)-[0-9a-f]{{8}}(\.part)?", re.DOTALL)
_FRESH, _EARLIER = "fresh", "earlier"
_CURRENT_FOLDER, _EXCHANGE = -100, 2  # of Linux's renameat2


@contextmanager
def whole(path: Path) -> Generator[Path]:
    """A file beside another to write, which takes its place once it is written; until then, and if anything fails, the old one is untouched.

    A link stays one: what it leads to is replaced.

    Raises:
        OSError: It cannot be written, or something stands there that is no ordinary file.
    """
    try:
        path = path.resolve() if path.is_symlink() else path
        is_else = path.exists() and not path.is_file()
    except (ValueError, RuntimeError) as error:  # a name with NUL, or links in a circle
        raise OSError(errno.EINVAL, f"no file can have this name ({error})", str(path)) from error
    if is_else or not path.name:
        raise OSError(errno.EEXIST, "something stands there that is no ordinary file", str(path))
    partial = _beside(path, ".part")
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
    workspace = _beside(folder)
    fresh = workspace / _FRESH
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent)
        workspace.mkdir()
        fresh.mkdir()
        yield fresh
        _put(fresh, folder, workspace)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        _clear(workspace)


@contextmanager
def trial(folder: Path) -> Generator[None]:
    """Makes sure that something can be written into a folder, which is made if it is not there.

    Raises:
        OSError: It cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    tried = _beside(folder / "trial", ".part")
    try:
        tried.write_bytes(b"headwise")
        yield
    finally:
        tried.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Takes away what processes that no longer run left in a folder, and puts back earlier folders that they were replacing."""
    with suppress(OSError):
        for path in folder.iterdir():
            ours = _OURS.fullmatch(path.name)
            if ours and not _runs(int(ours.group(1))):
                _clear(path) if path.is_dir() else path.unlink(missing_ok=True)


def _cannot_write(folder: Path, error: OSError) -> HeadwiseError:
    return HeadwiseError(f"Cannot write {str(folder)!r}: {error.strerror}. Choose another folder.")


def _beside(path: Path, suffix: str = "") -> Path:
    start = os.fsencode(path.name)[:100].decode(errors="ignore")  # a name has 255 bytes at most
    name = f".{start}-{HOST}-{os.getpid()}-{secrets.token_hex(4)}{suffix}"
    return path.with_name(name)


def _put(fresh: Path, folder: Path, workspace: Path) -> None:
    """The fresh folder in place of another, which the workspace then holds."""
    if not folder.exists():
        fresh.rename(folder)
    elif not _exchanged(fresh, folder):
        # Between these two steps the folder is in the workspace only, from where `_clear` puts it back, now or in a later run.
        (workspace / _EARLIER).mkdir()
        folder.rename(workspace / _EARLIER / folder.name)
        fresh.rename(folder)


def _exchanged(a: Path, b: Path) -> bool:
    """Lets two folders change places in one step, where the system can (Linux)."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    names = os.fsencode(a), os.fsencode(b)
    return rename(_CURRENT_FOLDER, names[0], _CURRENT_FOLDER, names[1], _EXCHANGE) == 0


def _clear(workspace: Path) -> None:
    """Takes a workspace away, but first puts back an earlier folder whose place is empty."""
    with suppress(OSError):
        held = workspace / _EARLIER
        for earlier in held.iterdir() if held.is_dir() else ():
            place = workspace.parent / earlier.name
            if not place.exists():
                earlier.rename(place)
        shutil.rmtree(workspace)


def _runs(process: int) -> bool:
    """Whether a process of this machine runs; where that cannot be asked, it may."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
