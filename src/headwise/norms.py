"""Layer norms with the scale of another run.

A norm divides by how large its input is, so that whatever is added to the stream makes all else smaller. To ask what
one addition does by itself, the scale is kept as it was in the intact model; the norm is then a linear map.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .models import Model


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
    if isinstance(norm, nn.LayerNorm):
        x = x - x.mean(-1, keepdim=True)
    return (x.pow(2).mean(-1, keepdim=True) + eps).sqrt()


class FrozenNorms:
    """Remembers the scales of one pass and keeps them in others; each pass of a model calls a norm once.

    Attributes:
        norms: The norms.
        scales: Scale of each at every position, of the pass that was recorded.
    """

    def __init__(self, model: Model) -> None:
        self.norms = norms_of(model)
        self.scales: dict[nn.Module, Tensor] = {}

    @contextmanager
    def recorded(self) -> Generator[None]:
        """Remembers scales while the body runs the model."""

        def see(norm: nn.Module, args: tuple[Tensor, ...]) -> None:
            self.scales[norm] = scale_of(norm, args[0])

        handles = [norm.register_forward_pre_hook(see) for norm in self.norms]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def kept(self, n: int) -> Generator[None]:
        """Keeps the scales while the body runs every row `n` times, one after the other."""

        def change(norm: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            bias: Any = getattr(norm, "bias", None)
            bias = torch.zeros((), device=output.device) if bias is None else bias.detach()
            before = self.scales[norm].repeat_interleave(n, dim=0)
            return ((output - bias) * scale_of(norm, args[0]) / before + bias).to(output.dtype)

        handles = [norm.register_forward_hook(change) for norm in self.norms]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
