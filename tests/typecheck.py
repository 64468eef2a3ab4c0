"""The checker that jaxtyping calls on every function of the package while tests run.

A loop that calls a function ten thousand times says no more of its shapes than the first calls do, and takes most of the time: each test checks the first
calls of every function.
"""

import functools
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

from beartype import BeartypeConf, beartype

MOST = 20  # calls of one function that are checked in a test
_calls: Counter[Callable[..., Any]] = Counter()
_resting: list[Callable[..., Any]] = []
_made: dict[Hashable, Callable[..., Any]] = {}
# An int may be given where a float is asked for, as type checkers have it.
_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(signature: Callable[..., Any]) -> Callable[..., Any]:
    """Checks arguments, and what comes back, against a signature; jaxtyping makes one function of each kind for every function of ours."""
    # A function inside another is made, and given to this, with every call of the outer one.
    key = (signature.__module__, signature.__qualname__, *signature.__annotations__.items())
    try:
        if key not in _made:
            _made[key] = _counted(signature)
        return _made[key]
    except TypeError:  # an annotation without a hash
        return _counted(signature)


def _counted(signature: Callable[..., Any]) -> Callable[..., Any]:
    checking = _checked(signature)

    @functools.wraps(signature)
    def counted(*args: Any, **kwargs: Any) -> None:
        _calls[counted] += 1
        if _calls[counted] <= MOST:
            checking(*args, **kwargs)
        elif _calls[counted] == MOST + 1 and (function := _function(signature)):
            # Where jaxtyping looks before it looks at arguments.
            function.__no_type_check__ = True
            _resting.append(function)

    return counted


def again() -> None:
    """Counts from the beginning."""
    for function in _resting:
        del function.__no_type_check__
    _resting.clear()
    _calls.clear()


def _function(signature: Callable[..., Any]) -> Any:
    """The function of ours with a name; None for one inside another, which cannot be found by it."""
    found: Any = sys.modules.get(signature.__module__)
    for name in signature.__qualname__.split("."):
        found = inspect.getattr_static(found, name, None)
    for inner in ("__func__", "fget", "func"):  # of class methods and properties
        found = getattr(found, inner, None) or found
    found = inspect.unwrap(found) if callable(found) else None
    is_known = found is not None and "__no_type_check__" not in vars(found)
    return found if is_known else None
