"""Functions that see a model's tensors on their way: whole tensors, rows of a pattern, and what passes through a softmax."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from headwise.errors import HeadwiseError

from .architecture import Side

INSIDE_SOFTMAX = ("scores", "pattern")


Place = tuple[Side, int]


class Stop(Exception):
    """Ends a forward pass once the last tensor that is wanted has been seen."""


@dataclass(eq=False)
class Tap:
    """A function that sees a tensor on its way and may replace it.

    Attributes:
        site: Name of the site without its side.
        place: Side and layer.
        see: Called with the tensor; what it returns, if anything, takes the tensor's place.
        edits: Whether `see` may return a replacement.
        fired: How often it was called.
    """

    site: str
    place: Place
    see: Callable[[Tensor], Tensor | None]
    edits: bool = False
    fired: int = 0

    def __call__(self, tensor: Tensor) -> Tensor:
        """Shows a tensor and gives back what goes on in its place."""
        self.fired += 1
        replacement = self.see(tensor)
        return tensor if replacement is None else replacement


@dataclass(eq=False)
class RowsTap:
    """A function that reads a pattern a few rows at a time, so that no whole pattern need exist.

    Attributes:
        place: Side and layer.
        see: Called with rows `[batch, head, row, key]` and the position of the first of them.
        starts: Positions at which rows begin, 0 first.
    """

    place: Place
    see: Callable[[Tensor, int], None]
    starts: tuple[int, ...] = (0,)

    def slices(self, n_queries: int) -> list[slice]:
        """The rows of each step."""
        return [slice(a, b) for a, b in pairwise((*self.starts, n_queries))]


def by_rows(
    attend: Callable[..., tuple[Tensor, Tensor]],
    reader: RowsTap,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    options: dict[str, Any],
) -> tuple[Tensor, None]:
    """A model's own eager attention for a few queries at a time; what a row is does not depend on others."""
    outputs: list[Tensor] = []
    for rows in reader.slices(query.shape[2]):
        own = {name: _rows_of(x, rows, query.shape[2]) for name, x in options.items()}
        output, weights = attend(
            module, query[:, :, rows], key, value, _rows_of(mask, rows, query.shape[2]), **own
        )
        reader.see(weights, rows.start)
        outputs.append(output)
        del weights  # or it would stay while the next rows are computed
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1), None


def _rows_of(option: Any, rows: slice, n_queries: int) -> Any:
    """What belongs to some queries of a mask or bias `[batch, head, query, key]`; anything else as it is."""
    is_by_query = isinstance(option, Tensor) and option.dim() == 4 and option.shape[2] == n_queries
    return option[:, :, rows] if is_by_query else option


def read_rows(reader: RowsTap | None, weights: Tensor | None) -> None:
    """Shows a pattern that exists as a whole to who reads it row by row."""
    if reader is not None and weights is not None:
        for rows in reader.slices(weights.shape[2]):
            reader.see(weights[:, :, rows], rows.start)


class AtSoftmax(TorchFunctionMode):
    """Meets the softmax inside a model's own attention: scores go in, the pattern comes out.

    Scores of masked keys are shown as minus infinity, whatever number the model's mask has in its type. A sink, one column more than there are keys,
    is neither shown nor changed.
    """

    def __init__(
        self, scores: list[Tap], pattern: list[Tap], n_keys: int, mask: Tensor | None
    ) -> None:
        self.scores, self.pattern, self.n_keys = scores, pattern, n_keys
        self.mask = mask

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is not nn.functional.softmax:
            return func(*args, **(kwargs or {}))
        logits, *rest = args
        if self.scores:
            logits = self._through(self.scores, logits, masked=True)
        weights = func(logits, *rest, **(kwargs or {}))
        return self._through(self.pattern, weights) if self.pattern else weights

    def _through(self, taps: list[Tap], tensor: Tensor, *, masked: bool = False) -> Tensor:
        own = tensor[..., : self.n_keys]
        seen = shown = self._masked(own) if masked else own
        for tap in taps:
            seen = tap(seen)
        if seen is shown:
            return tensor
        if masked:
            # A query that sees nothing, as padding may, keeps what the model gives it: a softmax of infinities is no number.
            seen = torch.where(seen.isneginf().all(-1, keepdim=True), own, seen)
        return torch.cat([seen, tensor[..., self.n_keys :]], dim=-1)

    def _masked(self, scores: Tensor) -> Tensor:
        if self.mask is None or self.mask.dtype == torch.bool:
            hidden = scores <= torch.finfo(scores.dtype).min / 2
            return scores.masked_fill(
                hidden if self.mask is None else hidden | ~self.mask, -torch.inf
            )
        least = torch.finfo(self.mask.dtype).min
        hidden = self.mask[..., : self.n_keys] <= least / 2
        if (scores.masked_fill(hidden, 0) <= least).any():
            raise HeadwiseError(
                f"Scores of attention go beyond {least:.0f}, the number that stands for masked keys in {self.mask.dtype}: these scores overflow, "
                "and masked keys are attended to. Load the model in float32."
            )
        return scores.masked_fill(hidden, -torch.inf)
