"""The last block at the positions that are read only.

The output of a decoder at some positions needs the keys and values of its last block everywhere, but queries, the output
matrix and the MLP only at these positions: three quarters of a block can be left out. The block is entered twice: once with
the whole stream, as far as its keys and values, and once with the end of it, whose queries meet these.

How a block treats positions differs between architectures, so who uses this compares it with the whole block first (see `sweep`).
"""

from contextlib import AbstractContextManager, suppress
from typing import Any

import torch
from torch import Tensor

from headwise.model import Place, Tap
from headwise.model.model import Model

from ._skip_blocks import replaced_forward


class _Enough(Exception):
    """Ends the first entry once values have been seen."""


def only_from(model: Model, first: int) -> AbstractContextManager[None]:
    """Runs the last block of a decoder only from a position on; what follows it is given zeros elsewhere.

    Args:
        model: A model of one stack.
        first: The first position that is read.
    """
    (stack,) = model.stacks
    block = stack.blocks[-1]
    place: Place = ("", len(stack.blocks) - 1)
    whole: Any = block.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        hidden = args[0] if args else kwargs["hidden_states"]
        n = hidden.shape[1]
        kept: dict[str, Tensor] = {}

        def keep(site: str) -> Any:
            def see(tensor: Tensor) -> None:
                kept[site] = tensor
                if site == "v":
                    raise _Enough

            return see

        looks = model.engine.tapped([Tap(site, place, keep(site)) for site in ("k", "v")])
        with looks, suppress(_Enough):
            whole(*args, **kwargs)

        def put(site: str) -> Any:
            return lambda tensor: kept[site]

        cut_args = tuple(_end(x, n, first) for x in args)
        cut_kwargs = {name: _end(x, n, first) for name, x in kwargs.items()}
        with model.engine.tapped([Tap(site, place, put(site), edits=True) for site in ("k", "v")]):
            return _whole(whole(*cut_args, **cut_kwargs), hidden, first)

    return replaced_forward(block, forward)


def _whole(output: Any, hidden: Tensor, first: int) -> Any:
    """What the block gave, in a tensor as long as before: models may fold it by the shape of their input."""
    if isinstance(output, tuple):
        return (_whole(output[0], hidden, first), *output[1:])
    filled = torch.zeros_like(hidden)
    filled[:, first:] = output
    return filled


def _end(x: Any, n: int, first: int) -> Any:
    """What belongs to the positions from the first on."""
    if isinstance(x, tuple):
        return tuple(_end(part, n, first) for part in x)
    if not isinstance(x, Tensor):
        return x
    if x.dim() == 4 and x.shape[2] == n:
        return x[:, :, first:]
    if x.dim() in (2, 3) and x.shape[1] == n:
        return x[:, first:]
    return x[first:] if x.dim() == 1 and len(x) == n else x
