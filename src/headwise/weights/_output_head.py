"""What the output head of a model is given, and other vectors in its place."""

from collections.abc import Callable
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from headwise.activations._skip_blocks import replaced_forward
from headwise.errors import HeadwiseError
from headwise.model import evaluating
from headwise.model.model import Model


@dataclass(frozen=True, eq=False)
class Body:
    """The module whose output the output head is given.

    Attributes:
        module: The module.
        output: What it gave for one token, whose last hidden state is exchanged for other vectors.
    """

    module: nn.Module
    output: Any

    @staticmethod
    def of(model: Model) -> "Body":
        """Found by running the model on one token.

        Raises:
            HeadwiseError: Its output head is called in a way that is not known.
        """
        candidates = [model.hf.base_model] if len(model.stacks) == 1 else []
        if hasattr(model.hf, "get_decoder"):
            candidates.append(model.hf.get_decoder())
        given: dict[nn.Module, Any] = {}
        with ExitStack() as stack, torch.no_grad(), evaluating(model.hf):
            for module in candidates:
                # The body's forward may be called past the module itself, so calls of it are met and not the module's hooks.
                stack.enter_context(replaced_forward(module, _kept(given, module, module.forward)))
            model.hf(
                **inputs_of(
                    model,
                    torch.zeros((1, 1, model.d_model), dtype=model.dtype, device=model.device),
                )
            )
        outer = [module for module in candidates if hasattr(given.get(module), "last_hidden_state")]
        if not outer:
            raise HeadwiseError(
                f"{model.name} ({type(model.hf).__name__}) does not run its blocks as transformers' language models do, so vectors cannot be put before its output head."
            )
        return Body(outer[0], given[outer[0]])

    def giving(self, vectors: Float[Tensor, "batch pos d_model"]) -> Callable[..., Any]:
        """A forward function that gives these."""
        output = copy(self.output)
        output.last_hidden_state = vectors
        return lambda *args, **kwargs: output


def _kept(
    given: dict[nn.Module, Any], module: nn.Module, forward: Callable[..., Any]
) -> Callable[..., Any]:
    def keep(*args: Any, **kwargs: Any) -> Any:
        given[module] = forward(*args, **kwargs)
        return given[module]

    return keep


def inputs_of(model: Model, vectors: Float[Tensor, "batch pos d_model"]) -> dict[str, Any]:
    """What the whole model is called with: any ids do, as the blocks that would read them are left out."""
    from transformers.modeling_outputs import BaseModelOutput

    ids = torch.zeros(vectors.shape[:2], dtype=torch.long, device=model.device)
    inputs: dict[str, Any] = {"input_ids": ids}
    if len(model.stacks) == 2:
        source: Any = torch.zeros_like(vectors[:, :1])
        inputs = {
            "decoder_input_ids": ids,
            "encoder_outputs": BaseModelOutput(last_hidden_state=source),
        }
    return inputs | ({"use_cache": False} if model.is_causal else {})
