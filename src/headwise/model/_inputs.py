"""What a forward pass is given: tokens, masks and positions, checked before anything runs."""

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from headwise.errors import HeadwiseError


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the forward pass of one model takes.

    Attributes:
        name: Name of the model.
        hf: The Hugging Face model.
        has_two_stacks: Whether a decoder is given tokens of its own.
        is_causal: Whether the (last) stack keeps a cache, which is never wanted.
        n_context: Most tokens, unless positions are relative.
    """

    name: str
    hf: Any
    has_two_stacks: bool
    is_causal: bool
    n_context: int

    def of(
        self,
        tokens: object,
        mask: object = None,
        targets: object = None,
        target_mask: object = None,
    ) -> dict[str, Any]:
        """Keyword arguments of the model.

        Raises:
            HeadwiseError: No tokens [batch, pos] of the vocabulary, a mask of another shape, without a token in a row or with a gap, a row
                that is too long, or targets that do not belong.
        """
        ids = self._ids(tokens, "tokens")
        self._refuse_too_long(ids)
        seen = torch.ones_like(ids) if mask is None else self._mask(mask, ids, "mask")
        inputs: dict[str, Any] = {"attention_mask": seen}
        if self._counts_pads:
            # Positions are counted by the token, so what is masked has to be the pad.
            pad = int(self.hf.config.pad_token_id or 0)
            ids = torch.where(seen == 1, ids, pad)
        inputs["input_ids"] = ids
        if bool((seen[:, 0] == 0).any()):
            inputs |= self._left_padded_positions(seen)
        if self.has_two_stacks:
            inputs |= self._of_decoder(ids, targets, target_mask)
        elif targets is not None or target_mask is not None:
            raise HeadwiseError(f"{self.name} is a model of one stack and takes no targets.")
        if self.is_causal:
            inputs["use_cache"] = False
        device = next(self.hf.parameters()).device
        return {name: x.to(device) if isinstance(x, Tensor) else x for name, x in inputs.items()}

    def _of_decoder(
        self, tokens: Int[Tensor, "batch pos"], targets: object, target_mask: object
    ) -> dict[str, Any]:
        if targets is None:
            start = getattr(self.hf.config, "decoder_start_token_id", None)
            if start is None:
                raise HeadwiseError(
                    f"{self.name} does not say with which token its decoder starts; pass targets, or set decoder_start_token_id in its configuration."
                )
            return {"decoder_input_ids": torch.full_like(tokens[:, :1], int(start))}
        ids = self._ids(targets, "targets")
        if len(ids) != len(tokens):
            raise HeadwiseError(
                f"Every row of tokens needs one of targets; got {len(tokens)} and {len(ids)}."
            )
        if target_mask is None:
            return {"decoder_input_ids": ids}
        seen = self._mask(target_mask, ids, "target_mask")
        if bool((seen[:, 0] == 0).any()):
            raise HeadwiseError(
                "A decoder counts positions from the first target, so targets are padded on the right."
            )
        return {"decoder_input_ids": ids, "decoder_attention_mask": seen}

    def _ids(self, given: object, what: str) -> Int[Tensor, "batch pos"]:
        rule = f"{what} are a tensor [batch, pos] of token ids; "
        if not isinstance(given, Tensor):
            raise HeadwiseError(
                f"{rule}got {type(given).__name__}. model.tokenize(text) makes tokens and mask of a text."
            )
        if given.dim() != 2 or not given.numel():
            raise HeadwiseError(f"{rule}got the shape {list(given.shape)}.")
        if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool:
            raise HeadwiseError(f"{rule}got the type {str(given.dtype).removeprefix('torch.')}.")
        ids = given.long()
        low, high = int(ids.min()), int(ids.max())
        if not 0 <= low <= high < self._n_embedded:
            raise HeadwiseError(
                f"{rule}{low if low < 0 else high} is outside the vocabulary of {self.name}, 0 to {self._n_embedded - 1}."
            )
        return ids

    def _mask(
        self, given: object, ids: Int[Tensor, "batch pos"], what: str
    ) -> Int[Tensor, "batch pos"]:
        rule = f"{what} has a 1 for each token and a 0 for padding, in the shape of the tokens, {list(ids.shape)}; "
        if not isinstance(given, Tensor) or given.shape != ids.shape:
            got = list(given.shape) if isinstance(given, Tensor) else type(given).__name__
            raise HeadwiseError(f"{rule}got {got}.")
        seen = given.to(ids.device).long()
        if not bool(((seen == 0) | (seen == 1)).all() & (seen == given.to(ids.device)).all()):
            raise HeadwiseError(f"{rule}got other numbers.")
        if not bool(seen.any(dim=1).all()):
            raise HeadwiseError(f"{rule}row {int((~seen.any(dim=1)).nonzero()[0])} has no token.")
        # With a gap, what is near differs from the tokens by themselves wherever positions, windows or distances count places.
        steps = (seen.diff(dim=1) == 1).sum(dim=1) + seen[:, 0]
        if bool((steps > 1).any()):
            row = int((steps > 1).nonzero()[0])
            raise HeadwiseError(
                f"{rule}row {row} has zeros between ones. A mask may have zeros at the ends only; leave the tokens out instead."
            )
        return seen

    def _refuse_too_long(self, tokens: Int[Tensor, "batch pos"]) -> None:
        """Positions beyond the context were never learned, or do not exist."""
        if tokens.shape[1] > self.n_context and not self._has_relative_positions:
            raise HeadwiseError(
                f"{self.name} takes at most {self.n_context} tokens at a time and got {tokens.shape[1]}. Shorten the text, "
                "or divide it into several."
            )

    def _left_padded_positions(self, mask: Int[Tensor, "batch pos"]) -> dict[str, Tensor]:
        """Positions that count tokens and not padding, where the model does not see to that itself."""
        if self._has_relative_positions or self._counts_pads:
            return {}
        if "position_ids" not in inspect.signature(self.hf.base_model.forward).parameters:
            raise HeadwiseError(
                f"{self.name} numbers positions by their place in the row, so padding on the left would be "
                "seen. Pad on the right."
            )
        return {"position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}

    @cached_property
    def _n_embedded(self) -> int:
        return int(self.hf.get_input_embeddings().weight.shape[0])

    @cached_property
    def _has_relative_positions(self) -> bool:
        return any(hasattr(module, "relative_attention_bias") for module in self.hf.modules())

    @cached_property
    def _counts_pads(self) -> bool:
        """Positions counted from the tokens that are not the pad (RoBERTa)."""
        return any(hasattr(m, "create_position_ids_from_input_ids") for m in self.hf.modules())
