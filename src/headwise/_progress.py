"""Progress bars for slow work: shown after two seconds, on a terminal or in a notebook, and removed at the end."""

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from tqdm.auto import tqdm

T = TypeVar("T")
PATIENCE = 2.0
is_silent = False  # in a process whose output is not its own


def _one(_: object) -> int:
    return 1


def track(
    items: Iterable[T], total: int, description: str, size: Callable[[T], int] = _one
) -> Iterator[T]:
    """Passes items on and shows how far it is.

    Args:
        items: What to go through.
        total: Sum of the items' sizes.
        description: What is being done, in a few words.
        size: How much of the total an item is.
    """
    with tqdm(
        total=total, desc=description, delay=PATIENCE, leave=False, disable=not _is_watched()
    ) as bar:
        for item in items:
            yield item
            bar.update(size(item))
            del item  # or it would stay while the next one is made


def _is_watched() -> bool:
    """Whether somebody can see a bar: on a terminal or in a notebook."""
    return not is_silent and ("ipykernel" in sys.modules or sys.stderr.isatty())


@contextmanager
def waiting(description: str) -> Generator[None]:
    """Shows that something of unknown length goes on."""
    console = Console(stderr=True)
    if is_silent or not console.is_terminal:
        yield
        return
    with console.status(description):
        yield
