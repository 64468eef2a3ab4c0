"""Progress on anything slow: shown after two seconds, only on a terminal, gone when done."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
PATIENCE = 2.0


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
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = progress.add_task(description, total=total)
    start = time.monotonic()
    shown = False
    try:
        for item in items:
            yield item
            progress.advance(task, size(item))
            del item  # or it would stay while the next one is made
            if not shown and time.monotonic() - start > PATIENCE:
                shown = True
                progress.start()
    finally:
        progress.stop()


@contextmanager
def waiting(description: str) -> Generator[None]:
    """Shows that something of unknown length goes on."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(description):
        yield
