"""Layer norms: which they are, what they divide by, and the last of them."""

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from headwise.errors import HeadwiseError
from headwise.model.architecture import TOLERANCES
from headwise.model.model import Model

from . import hooks


def norms_of(model: Model) -> list[nn.Module]:
    """Norms of vectors as wide as the stream: LayerNorm and RMSNorm of whatever name."""
    return [
        module
        for module in model.hf.modules()
        if "Norm" in type(module).__name__
        and isinstance(weight := getattr(module, "weight", None), Tensor)
        and weight.shape == (model.d_model,)
    ]


def scale_of(norm: nn.Module, x: Tensor) -> Tensor:
    """What a norm divides by: the standard deviation, or the root mean square, `[..., 1]`."""
    own: Any = norm
    eps = next(getattr(own, n) for n in ("eps", "variance_epsilon") if hasattr(own, n))
    x = x.float()
    if is_centred(norm):
        x = x - x.mean(-1, keepdim=True)
    return (x.pow(2).mean(-1, keepdim=True) + eps).sqrt()


def is_centred(norm: nn.Module) -> bool:
    """Whether a norm takes the mean away first; of one with a class of its own (Cohere) that is tried."""
    if isinstance(norm, nn.LayerNorm):
        return True
    own: Any = norm
    ramp = torch.linspace(0, 1, len(own.weight)).to(own.weight)[None]
    with torch.no_grad():  # not by calling it, as hooks of it may ask this
        plain, raised = own.forward(ramp), own.forward(ramp + 1)
    return bool(torch.allclose(plain, raised, rtol=0.05, atol=0.05 * float(plain.abs().max())))


def final_norm(model: Model) -> nn.Module | None:
    """The norm between the last block and the output head, found by watching a pass of the (last) stack.

    Returns:
        None where blocks end in norms of their own and none follows (BERT).

    Raises:
        HeadwiseError: The model does something else there than one norm.
    """
    stack = model.stacks[-1]
    site, end = f"{stack.side}.residual" if stack.side else "residual", model.n_layers
    inside = {module for block in stack.blocks for module in block.modules()}
    body: nn.Module = model.hf.base_model if len(model.stacks) == 1 else model.hf.get_decoder()
    ran: list[nn.Module] = []
    with hooks.capture(model, [site], layers=[end]) as seen, ExitStack() as exits:

        def see(norm: nn.Module, args: object, output: object) -> None:
            if (site, end) in seen:  # the last block has run
                ran.append(norm)

        for module in body.modules():
            if "Norm" in type(module).__name__ and module not in inside:
                exits.callback(module.register_forward_hook(see).remove)
        last = model.forward(torch.tensor([[0, 1]]))
    # A TransformerLens bridge's norm holds the model's own.
    ran = [norm for norm in ran if not any(norm in list(m.modules())[1:] for m in ran)]
    norm = ran[0] if ran else None
    with torch.no_grad():
        found = seen[site, end] if norm is None else norm(seen[site, end])
    assert last is not None
    same_shape = found.shape == last.shape and len(ran) < 2
    error = (found - last).abs().max() / last.abs().max().clamp(min=1) if same_shape else 1.0
    if not float(error) <= TOLERANCES[model.dtype]:
        raise HeadwiseError(
            f"{model.name} does something else than one norm between its last block and its output head, so earlier layers "
            "cannot be given to that head as the last one is. hooks.capture gives the stream itself."
        )
    return norm
