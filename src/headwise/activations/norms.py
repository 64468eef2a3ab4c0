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
    """Norms of vectors as wide as the stream: LayerNorm and RMSNorm of whatever name, with weights of their own or without (OLMo)."""
    named = [
        m
        for m in model.hf.modules()
        if "Norm" in type(m).__name__
        and not any(m.children())
        and not type(m).__module__.startswith("torch.nn.utils")  # a parametrised weight's own
    ]
    weights = {norm: getattr(norm, "weight", None) for norm in named}
    bare = [norm for norm, weight in weights.items() if weight is None]
    wide = _as_wide_as_the_stream(model, bare) if bare else set[nn.Module]()
    return [
        norm
        for norm, weight in weights.items()
        if (norm in wide or (isinstance(weight, Tensor) and weight.shape == (model.d_model,)))
        and _divides(norm, model.d_model)
    ]


def _as_wide_as_the_stream(model: Model, norms: list[nn.Module]) -> set[nn.Module]:
    """Those without weights say nothing of their width, so a pass is watched."""
    found: set[nn.Module] = set()

    def see(norm: nn.Module, args: tuple[Tensor, ...]) -> None:
        if args and args[0].shape[-1] == model.d_model:
            found.add(norm)

    with ExitStack() as stack:
        for norm in norms:
            stack.callback(norm.register_forward_pre_hook(see).remove)
        model.forward(torch.tensor([[0, 1]]))
    return found


def _divides(norm: nn.Module, width: int) -> bool:
    """Whether it gives vectors of one length: what MobileBERT calls a norm only multiplies and adds."""
    if _eps(norm) is not None:
        return True
    own: Any = norm
    x = torch.linspace(-1, 2, width, device=_device(norm), dtype=torch.float32)[None]
    bias = getattr(norm, "bias", None)
    with torch.no_grad():
        one, ten = (own.forward(c * x) - (0 if bias is None else bias) for c in (1, 10))
    return bool(torch.allclose(one, ten, rtol=0.05, atol=0.05 * float(ten.abs().max())))


def _eps(norm: nn.Module) -> float | None:
    return next((getattr(norm, n) for n in ("eps", "variance_epsilon") if hasattr(norm, n)), None)


def _device(norm: nn.Module) -> torch.device | None:
    return next((parameter.device for parameter in norm.parameters()), None)


def scale_of(norm: nn.Module, x: Tensor) -> Tensor:
    """What a norm divides by: the standard deviation, or the root mean square, `[..., 1]`."""
    own: Any = norm
    eps, weight = _eps(norm), getattr(norm, "weight", None)
    x = x.float()
    if is_centred(norm):
        x = x - x.mean(-1, keepdim=True)
    if eps is None and weight is None:  # a constant of its code, so what comes out is asked
        with torch.no_grad():
            given = own.forward(x).float().norm(dim=-1, keepdim=True)
        return (x.norm(dim=-1, keepdim=True) + 1e-12) / (given + 1e-12)  # 1 for a vector of zeros
    return (x.pow(2).mean(-1, keepdim=True) + (eps or 0.0)).sqrt()


def is_centred(norm: nn.Module) -> bool:
    """Whether a norm takes the mean away first; of one with a class of its own (Cohere) that is tried."""
    if isinstance(norm, nn.LayerNorm):
        return True
    own: Any = norm
    weight = getattr(norm, "weight", None)
    width = len(weight) if weight is not None else getattr(norm, "normalized_shape", (16,))[-1]
    ramp = torch.linspace(0, 1, width, dtype=torch.float32)[None]
    ramp = ramp if weight is None else ramp.to(weight)
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
