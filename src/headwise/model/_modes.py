"""How a model is run: in evaluation mode, and as its modules stand, whatever was made of it."""

import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(module: nn.Module, stacklevel: int = 4) -> Generator[None]:
    """Evaluation mode for the duration of the body: no number holds dropout. Every module gets back the mode that it had. `stacklevel` is where the warning points, see `warnings.warn`."""
    training = [own for own in module.modules() if own.training]
    if training:
        warnings.warn(
            f"This {type(module).__name__} is in training mode; it is run in evaluation mode, without dropout, and put back. Call model.eval() to say so yourself.",
            stacklevel=stacklevel,
        )
    for own in training:
        own.training = False
    try:
        yield
    finally:
        for own in training:
            own.training = True


@contextmanager
def uncompiled() -> Generator[None]:
    """Runs modules as they are, whatever torch.compile made of them: a graph that was made when there were no hooks goes on without them."""
    if "torch._dynamo" not in sys.modules:  # nothing was compiled, and importing it takes seconds
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
