"""Faster kernels for repeated passes: the same formulas, other code.

In float32 on a CPU with AVX-512, matrix products go through oneDNN, which was found to be faster than
torch's usual library on AMD processors (1.1 to 1.2 times with torch 2.15) and as fast on others; GPT-2's activation, written in six steps,
is computed in one. Numbers differ from the model's own in the last digits (about 1e-6), so a sweep runs the clean model with the same kernels.
`benchmarks/ablation.py` times sweeps with and without.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from headwise.model.model import Model


@contextmanager
def fast(model: Model) -> Generator[None]:
    """Runs a model's linear maps and activations faster for the duration of the body; no gradients."""
    replaced: list[dict[str, Any]] = []
    try:
        for module in model.hf.modules():
            own = vars(module)
            forward = None if "forward" in own else _faster(module)
            if forward is not None:
                own["forward"] = forward
                replaced.append(own)
        yield
    finally:
        for own in replaced:
            del own["forward"]


def _faster(module: nn.Module) -> Callable[[Tensor], Tensor] | None:
    """Another forward function of a module, if there is a faster one."""
    from transformers.activations import NewGELUActivation
    from transformers.pytorch_utils import Conv1D

    kind: type[nn.Module] = type(module)
    if kind is NewGELUActivation:
        return lambda x: nn.functional.gelu(x, approximate="tanh")
    # Exactly these: a class of the same name or derived from them may do more than multiply (adapters, quantised layers).
    own: Any = module
    if kind not in (nn.Linear, Conv1D) or type(own.weight) is not nn.Parameter:
        return None
    if not _through_onednn(own.weight):
        return None
    outputs_first = (own.weight if kind is nn.Linear else own.weight.T).detach().contiguous()
    bias = None if own.bias is None else own.bias.detach()

    def forward(x: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, outputs_first, bias, "none", [], "")

    return forward


def _through_onednn(weight: Tensor) -> bool:
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
