"""Queries and keys before their rotary embedding, which is a function of a file and is given neither module nor model.

So each thread keeps which hooked layer it is in, from the start of the layer to its dot products.
"""

import inspect
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

from torch import Tensor

BEFORE_ROTARY = ("q_before_rotary", "k_before_rotary")

Show = Callable[[str, Tensor], Tensor]  # site and tensor, and what goes on in its place


class _Running(threading.local):
    """What shows queries and keys of the hooked layer that this thread is in, if it is in one."""

    show: Show | None = None


_running = _Running()
_lock = threading.Lock()
_users: dict[Any, int] = {}  # how many blocks watch the rotary embedding of a file


def entered(show: Show | None) -> None:
    """This thread has entered a hooked layer, or, with None, its rotary embedding is over."""
    _running.show = show


def turns_queries_and_keys(modeling: Any) -> bool:
    """Whether a file's rotary embedding is a function of queries and keys together."""
    rotate = getattr(modeling, "apply_rotary_pos_emb", None)
    return rotate is not None and _takes_both(getattr(rotate, "headwise_original", rotate))


@cache
def _takes_both(rotate: Callable[..., Any]) -> bool:
    return list(inspect.signature(rotate).parameters)[:2] == ["q", "k"]


@contextmanager
def watched(modeling: Any) -> Generator[None]:
    """Shows queries and keys before the file's own rotary embedding turns them; blocks may end in any order."""
    if not turns_queries_and_keys(modeling):
        yield
        return
    with _lock:
        if not _users.get(modeling):
            modeling.apply_rotary_pos_emb = _watching(modeling.apply_rotary_pos_emb)
        _users[modeling] = _users.get(modeling, 0) + 1
    try:
        yield
    finally:
        with _lock:
            _users[modeling] -= 1
            if not _users[modeling]:
                del _users[modeling]
                modeling.apply_rotary_pos_emb = modeling.apply_rotary_pos_emb.headwise_original


def _watching(rotate: Any) -> Any:
    def watching(query: Tensor, key: Tensor, *args: Any, **kwargs: Any) -> Any:
        show = _running.show
        if show is not None:
            query, key = (
                show(site, tensor) for site, tensor in zip(BEFORE_ROTARY, (query, key), strict=True)
            )
        return rotate(query, key, *args, **kwargs)

    cast(Any, watching).headwise_original = rotate
    return watching
