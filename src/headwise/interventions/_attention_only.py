"""Whether words reach each other through attention alone: what holds all heads holds them only then."""

from contextlib import ExitStack

import torch
from torch import Tensor

from headwise.activations import hooks
from headwise.errors import UnsupportedModel
from headwise.model.architecture import TOLERANCES
from headwise.model.heads import sides
from headwise.model.model import Model


def require_attention_only(model: Model, what: str) -> None:
    """Compares two rows that differ in their first token, with every head off: nothing else may differ.

    Args:
        model: The model.
        what: What is to be measured, for the message.

    Raises:
        UnsupportedModel: A word reaches another one without any head: through a convolution or a recurrent state.
    """
    n = int(model.hf.get_input_embeddings().weight.shape[0])
    row = torch.arange(6) * 7919 % n
    rows = torch.stack([row, row])
    rows[1, 0] = (rows[1, 0] + 1) % n
    two = len(model.stacks) == 2
    with ExitStack() as stack:
        for side in sides(model):
            stack.enter_context(
                hooks.edit(model, f"{side}.z" if side else "z", lambda z, _: torch.zeros_like(z))
            )
        # A decoder is given both as source and as targets, and neither may be heard of.
        stream = model.forward(rows, None, rows if two else None)
    assert isinstance(stream, Tensor)
    first, second = stream[:, 1:].double()
    error = (first - second).abs().max() / first.abs().max().clamp(min=1e-12)
    if not bool(error <= TOLERANCES[model.dtype]):
        raise UnsupportedModel(
            f"{what} cannot be measured in {model.name}: with all heads off a word still reaches the words after it, so its blocks mix words in another way, too "
            "(a convolution or a recurrent state), and what holds the heads does not hold them."
        )
