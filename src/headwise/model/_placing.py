"""Types of weights and devices, by name."""

from collections.abc import Generator
from contextlib import contextmanager

import torch

from headwise.errors import HeadwiseError

DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def parse_dtype(name: str) -> torch.dtype:
    """The torch type of a name.

    Raises:
        HeadwiseError: Not one of float32, bfloat16, float16.
    """
    if name not in DTYPES:
        raise HeadwiseError(f"Unknown dtype {name!r}; expected one of {', '.join(DTYPES)}.")
    return DTYPES[name]


def resolve_device(device: str) -> torch.device:
    """The torch device of a name; `"auto"` is a GPU where there is one.

    Raises:
        HeadwiseError: torch has no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(1, device=resolved)
        if resolved.type == "meta":
            raise RuntimeError("a meta device holds no numbers.")
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise HeadwiseError(
            f"Cannot use device {device!r} here: {str(error).splitlines()[0]} "
            "Use 'auto', 'cpu' or a device that torch finds on this machine."
        ) from error
    return resolved


@contextmanager
def usual_defaults() -> Generator[None]:
    """Makes tensors as torch does unless it was set otherwise: random weights are others in another type or on another device."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(before)
