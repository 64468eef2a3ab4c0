"""Types of weights and devices, by name."""

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
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise HeadwiseError(
            f"Cannot use device {device!r} here: {str(error).splitlines()[0]} "
            "Use 'auto', 'cpu' or a device that torch finds on this machine."
        ) from error
    return resolved
