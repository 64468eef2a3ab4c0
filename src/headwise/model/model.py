"""A Hugging Face model with its stacks, tokenizer and licence."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from headwise.errors import HeadwiseError, UnknownName, UnsupportedModel

from ._inputs import Inputs
from ._modes import evaluating
from ._taps import Stop
from .architecture import Attention, Side, Stack, table_of, weight_of
from .attention_backend import Engine
from .head import AnyHead, Head, order_met, parse
from .projections import ByHead, check, projections

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class Model:
    """A transformer with access to its heads.

    Attributes:
        name: What the user called it.
        hf: The Hugging Face model, unchanged.
        tokenizer: A fast Hugging Face tokenizer; None for a model that only hooks are put on.
        stacks: One stack of blocks, or an encoder's and a decoder's.
        engine: Carries the taps that `headwise.activations.hooks` puts on the model.
        n_context: Most tokens that the model takes.
        has_output_head: Whether the weights include the output head; without it there are no logits.
        weights_sha256: Hash of the weight files, or empty for a model from memory.
        license: Licence of the weights where it is known.
    """

    name: str
    hf: Any
    tokenizer: PreTrainedTokenizerBase | None
    stacks: tuple[Stack, ...]
    engine: Engine = field(repr=False)
    n_context: int
    has_output_head: bool
    weights_sha256: str = ""
    license: str = ""

    def __repr__(self) -> str:
        size = " + ".join(f"{len(stack.blocks)}" for stack in self.stacks)
        return (
            f"Model({self.name!r}, {self.kind}, {size} layers x {self.n_heads} heads, "
            f"{str(self.dtype).removeprefix('torch.')}, {self.device})"
        )

    @property
    def kind(self) -> str:
        """`encoder`, `decoder` or `encoder-decoder`."""
        if len(self.stacks) == 2:
            return "encoder-decoder"
        return "decoder" if self.is_causal else "encoder"

    @property
    def is_causal(self) -> bool:
        """Whether a position sees only itself and what is before it (the decoder's, if there are two)."""
        return self.stacks[-1].attention[0].is_causal

    @property
    def pad_token(self) -> int:
        """A token id for padding, which is masked and so may be any."""
        pad = getattr(self.tokenizer, "pad_token_id", None)
        return pad if isinstance(pad, int) else 0

    def attention(self, side: Side = "", layer: int = 0) -> Attention:
        """An attention layer; `cross` has its own."""
        for stack in self.stacks:
            if side == "cross" and stack.cross:
                return stack.cross[layer]
            if stack.side == side:
                return stack.attention[layer]
        raise UnsupportedModel(
            f"{self.name} is a model without {side or 'self'}-attention of that kind."
        )

    @cached_property
    def embedding(self) -> Float[Tensor, "token width"]:
        """The input embeddings, a row for each token, before any factor that the model multiplies them by.

        Raises:
            UnsupportedModel: They are more than a table: an adapter stands in them, or they are quantised.
        """
        return table_of(self.hf.get_input_embeddings(), f"the input embedding of {self.name}")

    @cached_property
    def unembedding(self) -> Float[Tensor, "token d_model"]:
        """The matrix of the output head, a row for each token: its logit is the product with the vector (and what the head adds).

        Raises:
            UnsupportedModel: No output head, or one that is more than its matrix: an adapter stands in it, or it is quantised.
        """
        if not self.has_output_head:
            raise UnsupportedModel(f"The weights of {self.name} bring no output head.")
        return weight_of(self.hf.get_output_embeddings(), f"the output head of {self.name}")

    @cached_property
    def heads(self) -> tuple[Head, ...]:
        """Every query head, in the order in which a forward pass meets them."""
        found = [
            Head(layer, head, side)
            for (side, layer), attention in self.engine.attention_layers()
            for head in range(attention.n_heads)
        ]
        return tuple(sorted(found, key=order_met))

    def head(self, given: AnyHead) -> Head:
        """A head by name or place: `"L2H8"`, `(2, 8)`, `"cross.L2H8"`.

        Raises:
            UnknownName: A name that cannot be read, or a layer, head or side that the model has not.
        """
        layer, head, side = parse(given)
        sides: list[Side] = list(
            dict.fromkeys(own for (own, _), _ in self.engine.attention_layers())
        )
        if side not in sides:
            known = ", ".join(sides) or "none: it has one stack"
            raise UnknownName(
                f"{self.name} has no attention of the side {side!r}; known are: {known}. Write heads as "
                f"{Head(0, 0, sides[0]).name!r}."
            )
        layers = [
            attention for (own, _), attention in self.engine.attention_layers() if own == side
        ]
        for what, number, n in (("layer", layer, len(layers)), ("head", head, layers[0].n_heads)):
            if not 0 <= number < n:
                raise UnknownName(f"{self.name} has no {what} {number}; expected 0 to {n - 1}.")
        return Head(layer, head, side)

    @property
    def W_Q(self) -> ByHead:
        """The query matrix of each head, `[d_model, d_head]`: `model.W_Q[2, 8]` or `model.W_Q["cross.L2H8"]`.

        Queries are `x W_Q + b_Q` of what goes into the attention layer (after its norm, where one stands before it), before anything
        turns, norms or scales them. A view of the weights: what is written to it is written to the model.

        Raises:
            UnsupportedModel: Matrices are laid out in a way that is not known.
        """
        return self._by_head(lambda attention, head: projections(attention).W_Q[head])

    @property
    def W_K(self) -> ByHead:
        """As `W_Q`, of keys: under grouped queries the matrix of the key head that this query head reads, `[d_source, d_head]`.

        `d_source` is `d_model`, but the width of the encoder in cross-attention.
        """
        return self._by_head(lambda attention, head: projections(attention).W_K[attention.kv(head)])

    @property
    def W_V(self) -> ByHead:
        """As `W_K`, of values."""
        return self._by_head(lambda attention, head: projections(attention).W_V[attention.kv(head)])

    @property
    def W_O(self) -> ByHead:
        """Each head's part of the output matrix, `[d_head, d_model]`: what it adds to the stream is `z W_O`."""
        return ByHead(lambda given: self._at(given, lambda a, head: a.W_O[head]))

    def _by_head(self, read: Callable[[Attention, int], Tensor]) -> ByHead:
        assert self._layout_holds
        return ByHead(lambda given: self._at(given, read))

    def _at(self, given: AnyHead, read: Callable[[Attention, int], Tensor]) -> Tensor:
        head = self.head(given)
        return read(self.attention(head.side, head.layer), head.head)

    @cached_property
    def _layout_holds(self) -> bool:
        """Asked once for a model, as it takes a forward pass."""
        self.check_projections()
        return True

    def check_projections(self) -> None:
        """Compares the matrices that `W_Q`, `W_K` and `W_V` read with a forward pass.

        Raises:
            UnsupportedModel: A layout that only looks like a known one, or values that something else goes into.
        """
        check(self.name, self.engine, lambda: self.forward(torch.arange(4)[None]))

    @property
    def n_layers(self) -> int:
        """Number of blocks in the (last) stack."""
        return len(self.stacks[-1].blocks)

    @property
    def n_heads(self) -> int:
        """Query heads per block."""
        return self.stacks[-1].attention[0].n_heads

    @property
    def n_key_value_heads(self) -> int:
        """Key and value heads per block."""
        return self.stacks[-1].attention[0].n_key_value_heads

    @property
    def d_head(self) -> int:
        """Width of one head."""
        return self.stacks[-1].attention[0].d_head

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(self.stacks[-1].attention[0].W_O.shape[-1])

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.hf.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return next(self.hf.parameters()).dtype

    def to(self, device: str | torch.device) -> Model:
        """Moves the weights to another device, as torch does: in place, and gives the model back."""
        self.hf.to(device)
        return self

    def tokenize(
        self, text: str | Sequence[str]
    ) -> tuple[Int[Tensor, "batch pos"], Int[Tensor, "batch pos"]]:
        """Tokens and mask of a text or several, padded on the right: `model.logits(*model.tokenize("The mole dug."))`.

        Raises:
            HeadwiseError: No text, or a model that was given without a tokenizer.
        """
        texts = [text] if isinstance(text, str) else list(text)
        if self.tokenizer is None or not texts:
            raise HeadwiseError(
                f"{self.name} was given without a tokenizer; pass one: headwise.load(model, tokenizer=...)."
                if texts
                else "There is no text to tokenize; pass a text or a list of texts."
            )
        rows: list[list[int]] = cast(Any, self.tokenizer(texts, truncation=False))["input_ids"]
        width = max(map(len, rows))
        tokens = torch.tensor([[*row, *[self.pad_token] * (width - len(row))] for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        return tokens, mask

    def __call__(
        self, text: str | Sequence[str]
    ) -> Float[Tensor, "batch pos vocabulary"] | Float[Tensor, "batch pos d_model"]:
        """Logits at every token of a text or several; the last hidden state of a model without an output head."""
        tokens, mask = self.tokenize(text)
        if self.has_output_head:
            return self.logits(tokens, mask)
        return cast(Tensor, self.forward(tokens, mask))

    def forward(
        self,
        tokens: Int[Tensor, "batch pos"],
        mask: Int[Tensor, "batch pos"] | None = None,
        targets: Int[Tensor, "batch target"] | None = None,
        target_mask: Int[Tensor, "batch target"] | None = None,
        source: Float[Tensor, "batch pos d_model"] | None = None,
        gradients: bool = False,
    ) -> Float[Tensor, "batch out d_model"] | None:
        """Runs the blocks without the output head.

        Args:
            tokens: Token ids, padded on either side.
            mask: 1 for a token and 0 for padding; all tokens by default.
            targets: What the decoder of an encoder-decoder model is given; its start token by default.
            target_mask: Mask of the targets.
            source: What the encoder came to, if it need not be run.
            gradients: Whether the pass can be differentiated.

        Returns:
            The last hidden state, or None where the pass was ended early because nothing more was wanted.
        """
        inputs = self._inputs.of(tokens, mask, targets, target_mask)
        with self._pass(gradients), evaluating(self.hf), suppress(Stop):
            if len(self.stacks) == 1:
                return self.hf.base_model(**inputs).last_hidden_state
            return self._both_stacks(inputs, source)
        return None

    def _both_stacks(self, inputs: dict[str, Any], source: Tensor | None) -> Tensor:
        """Encoder, then decoder: as the whole model runs them, less its output head."""
        if source is None:
            encoder = self.hf.get_encoder()
            source = encoder(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
            ).last_hidden_state
        return self.hf.get_decoder()(
            input_ids=inputs["decoder_input_ids"],
            attention_mask=inputs.get("decoder_attention_mask"),
            encoder_hidden_states=source,
            encoder_attention_mask=inputs["attention_mask"],
            use_cache=False,
        ).last_hidden_state

    def logits(
        self,
        tokens: Int[Tensor, "batch pos"],
        mask: Int[Tensor, "batch pos"] | None = None,
        targets: Int[Tensor, "batch target"] | None = None,
        target_mask: Int[Tensor, "batch target"] | None = None,
        source: Float[Tensor, "batch pos d_model"] | None = None,
        keep: Int[Tensor, " kept"] | None = None,
        gradients: bool = False,
    ) -> Float[Tensor, "batch out vocabulary"]:
        """Runs the whole model with its output head.

        Args:
            tokens: As in `forward`.
            mask: As in `forward`.
            targets: As in `forward`.
            target_mask: As in `forward`.
            source: As in `forward`.
            keep: Positions at which logits are wanted; elsewhere the head is not run, if the model can do so.
            gradients: As in `forward`.

        Raises:
            HeadwiseError: The weights bring no output head, or a row is longer than `n_context`.
        """
        if not self.has_output_head:
            raise HeadwiseError(
                f"The weights of {self.name} bring no output head, so there are no logits."
            )
        inputs = self._inputs.of(tokens, mask, targets, target_mask)
        if source is not None:
            from transformers.modeling_outputs import BaseModelOutput

            inputs["encoder_outputs"] = BaseModelOutput(last_hidden_state=cast(Any, source))
            del inputs["input_ids"]
        with self._pass(gradients), evaluating(self.hf):
            if keep is not None and "logits_to_keep" in self._head_parameters:
                return _logits(self.hf(**inputs, logits_to_keep=keep.to(self.device)))
            logits = _logits(self.hf(**inputs))
            return logits if keep is None else logits[:, keep]

    @contextmanager
    def _pass(self, gradients: bool) -> Generator[None]:
        """What a pass is run in. Not inference mode, whatever the caller runs in: its tensors could not be trained on."""
        grad = torch.enable_grad if gradients else torch.no_grad
        with self.engine.held(), torch.inference_mode(mode=False), grad():
            yield

    @cached_property
    def _inputs(self) -> Inputs:
        two = len(self.stacks) == 2
        return Inputs(self.name, self.hf, two, self.is_causal, self.n_context)

    @cached_property
    def _head_parameters(self) -> frozenset[str]:
        return frozenset(inspect.signature(self.hf.forward).parameters)


def _logits(output: Any) -> Tensor:
    """The logits of words; where a model has several heads they have a name of their own."""
    found = getattr(output, "logits", None)
    return found if found is not None else output.prediction_logits
