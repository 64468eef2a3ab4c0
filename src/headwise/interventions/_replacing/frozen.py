"""Frozen parts: norm scales and MLP outputs held at their values in another run.

A norm divides by how large its input is, so that whatever is added to the stream makes all else smaller. To isolate one addition, the scale is held
at its value in the clean model; the norm is then a linear map. A frozen MLP returns its clean output, whatever its input.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from torch import Tensor, nn

from headwise.activations.norms import final_norm, norms_of, scale_of
from headwise.errors import HeadwiseError
from headwise.model.model import Model


class Frozen:
    """Records parts of one pass and holds them in others; each pass of a model calls a part once.

    Attributes:
        model: The model.
        norms: Norms that keep their scale.
        mlps: Last linear maps of MLPs that keep what they gave.
        kept_of: Scale, or output, of each at every position, of the pass that was recorded.
        n_rows: Rows of that pass.
    """

    def __init__(self, model: Model, mlps: Sequence[nn.Module] = ()) -> None:
        self.model = model
        self.norms = norms_of(model)
        last = None
        with suppress(HeadwiseError):  # something else than one norm has no scale to hold
            last = final_norm(model)
        if last is not None and last not in self.norms:
            raise HeadwiseError(
                f"The norm before the output head of {model.name}, a {type(last).__name__}, is none whose scale can be held, so there is no effect by itself, "
                "without what the norm makes of it. headwise.ablate gives the total effect."
            )
        self.mlps = list(mlps)
        self.kept_of: dict[nn.Module, Tensor] = {}
        self.n_rows = 0

    @contextmanager
    def recorded(self) -> Generator[None]:
        """Remembers while the body runs the model."""

        def count(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            self.n_rows = args[0].shape[0]

        seen: set[nn.Module] = set()

        def see_scale(norm: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            if norm in seen:
                raise HeadwiseError(
                    f"A {type(norm).__name__} of {self.model.name} runs more than once in a pass, so it has no one scale to hold and there is no effect of a "
                    "head by itself. headwise.ablate gives the total effect."
                )
            seen.add(norm)
            self.kept_of[norm] = scale_of(norm, args[0])

        def see_output(mlp: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            self.kept_of[mlp] = output

        embedding: nn.Module = self.model.hf.get_input_embeddings()
        with ExitStack() as stack:
            stack.callback(embedding.register_forward_pre_hook(count).remove)
            _hook(stack, self.norms, see_scale)
            _hook(stack, self.mlps, see_output)
            yield

    @contextmanager
    def kept(self, n: int) -> Generator[None]:
        """Keeps them while the body runs every row `n` times, one after the other."""

        def scale(norm: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            bias: Any = getattr(norm, "bias", None)
            bias = 0 if bias is None else bias.detach()
            before = self._repeated(norm, n)
            return ((output - bias) * scale_of(norm, args[0]) / before + bias).to(output.dtype)

        def give(mlp: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            return self._repeated(mlp, n)

        with ExitStack() as stack:
            _hook(stack, self.norms, scale)
            _hook(stack, self.mlps, give)
            yield

    def _repeated(self, part: nn.Module, n: int) -> Tensor:
        """Every row `n` times; some models (OPT) lay all tokens of a batch in one row before a norm or an MLP."""
        kept = self.kept_of[part]
        if kept.dim() > 2:
            return kept.repeat_interleave(n, dim=0)
        by_row = kept.unflatten(0, (self.n_rows, -1))
        return by_row.repeat_interleave(n, dim=0).flatten(0, 1)


def _hook(stack: ExitStack, modules: Sequence[nn.Module], see: Callable[..., Any]) -> None:
    for module in modules:
        stack.callback(module.register_forward_hook(see).remove)
