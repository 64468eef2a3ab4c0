"""One way in for every model: a name, a folder, a hub id, or a model already in memory.

A `Model` is a Hugging Face model with its anatomy and the few facts that tests need beside it.
Weights are read from safetensors only and remote code is never run. A TransformerLens bridge is
taken as it is; TransformerLens, which takes seconds to import, is needed for nothing else.
"""

from __future__ import annotations

import inspect
import json
import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from . import catalogue
from .anatomy import Attention, Side, Stack, stacks_of
from .engine import Engine, Stop
from .errors import HeadwiseError
from .suites import hash_files

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True, eq=False)
class Model:
    """A transformer whose heads can be looked at.

    Attributes:
        name: What the user called it.
        hf: The Hugging Face model, unchanged.
        tokenizer: A fast Hugging Face tokenizer.
        stacks: One stack of blocks, or an encoder's and a decoder's.
        engine: Carries the taps that `headwise.hooks` puts on the model.
        n_context: Most tokens that the model takes.
        has_output_head: Whether the weights include the output head; without it there are no logits.
        weights_sha256: Hash of the weight files, or empty for a model from memory.
        license: Licence of the weights where it is known.
    """

    name: str
    hf: Any
    tokenizer: PreTrainedTokenizerBase
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

    def attention(self, side: Side = "", layer: int = 0) -> Attention:
        """An attention layer; `cross` has its own."""
        for stack in self.stacks:
            if side == "cross" and stack.cross:
                return stack.cross[layer]
            if stack.side == side:
                return stack.attention[layer]
        raise HeadwiseError(
            f"{self.name} is a model without {side or 'self'}-attention of that kind."
        )

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

    def forward(
        self,
        tokens: Int[Tensor, "batch pos"],
        mask: Int[Tensor, "batch pos"] | None = None,
        targets: Int[Tensor, "batch target"] | None = None,
        target_mask: Int[Tensor, "batch target"] | None = None,
    ) -> Float[Tensor, "batch out d_model"] | None:
        """Runs the blocks without the output head.

        Args:
            tokens: Token ids, padded on either side.
            mask: 1 for a token and 0 for padding; all tokens by default.
            targets: What the decoder of an encoder-decoder model is given; its start token by default.
            target_mask: Mask of the targets.

        Returns:
            The last hidden state, or None where the pass was ended early because nothing more was wanted.
        """
        inputs = self._inputs(tokens, mask, targets, target_mask)
        with torch.inference_mode(), suppress(Stop):
            if len(self.stacks) == 1:
                return self.hf.base_model(**inputs).last_hidden_state
            return self._both_stacks(inputs)
        return None

    def _both_stacks(self, inputs: dict[str, Any]) -> Tensor:
        """Encoder, then decoder: as the whole model runs them, less its output head."""
        source = self.hf.get_encoder()(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
        )
        return self.hf.get_decoder()(
            input_ids=inputs["decoder_input_ids"],
            attention_mask=inputs.get("decoder_attention_mask"),
            encoder_hidden_states=source.last_hidden_state,
            encoder_attention_mask=inputs["attention_mask"],
            use_cache=False,
        ).last_hidden_state

    def logits(
        self,
        tokens: Int[Tensor, "batch pos"],
        mask: Int[Tensor, "batch pos"] | None = None,
        targets: Int[Tensor, "batch target"] | None = None,
        target_mask: Int[Tensor, "batch target"] | None = None,
    ) -> Float[Tensor, "batch out vocabulary"]:
        """Runs the whole model with its output head.

        Raises:
            HeadwiseError: The weights bring no output head.
        """
        if not self.has_output_head:
            raise HeadwiseError(
                f"The weights of {self.name} bring no output head, so there are no logits."
            )
        with torch.inference_mode():
            return self.hf(**self._inputs(tokens, mask, targets, target_mask)).logits

    def _inputs(
        self,
        tokens: Tensor,
        mask: Tensor | None,
        targets: Tensor | None,
        target_mask: Tensor | None,
    ) -> dict[str, Any]:
        mask = torch.ones_like(tokens) if mask is None else mask
        inputs: dict[str, Any] = {"input_ids": tokens, "attention_mask": mask}
        if bool((mask[:, :1] == 0).any()):
            inputs |= self._left_padded_positions(mask)
        if len(self.stacks) == 2:
            start = self.hf.config.decoder_start_token_id
            inputs["decoder_input_ids"] = (
                torch.full_like(tokens[:, :1], start) if targets is None else targets
            )
            if target_mask is not None:
                inputs["decoder_attention_mask"] = target_mask
        if self.is_causal:
            inputs["use_cache"] = False
        return {
            name: value.to(self.device) if isinstance(value, Tensor) else value
            for name, value in inputs.items()
        }

    def _left_padded_positions(self, mask: Tensor) -> dict[str, Tensor]:
        """Positions that count tokens and not padding, where the model does not see to that itself."""
        if self._numbers_positions_itself:
            return {}
        if "position_ids" not in self._parameters:
            raise HeadwiseError(
                f"{self.name} numbers positions by their place in the row, so padding on the left would be "
                "seen. Pad on the right."
            )
        return {"position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}

    @cached_property
    def _parameters(self) -> frozenset[str]:
        return frozenset(inspect.signature(self.hf.base_model.forward).parameters)

    @cached_property
    def _numbers_positions_itself(self) -> bool:
        """Relative positions (T5), or positions counted from the tokens that are not padding (RoBERTa)."""
        return any(
            hasattr(module, "relative_attention_bias")
            or hasattr(module, "create_position_ids_from_input_ids")
            for module in self.hf.modules()
        )


def load(
    name_or_model: str | Path | PreTrainedModel | TransformerBridge,
    device: str = "auto",
    dtype: str = "float32",
    revision: str | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    verify: bool = True,
) -> Model:
    """Loads a model whose heads can be looked at.

    Args:
        name_or_model: `"minilm"` (from the installed package, offline), a folder with `config.json`
            and safetensors, a hub id, a Hugging Face model in memory, or a TransformerBridge. A model
            from memory is not copied and not changed: taps are on it only inside a `with` block.
        device: `"auto"` takes a GPU where there is one; otherwise any torch device. A model from
            memory stays where it is unless a device is named.
        dtype: `float32`, `bfloat16` or `float16`; ignored for a model from memory.
        revision: Branch, tag or commit of a hub id.
        tokenizer: Needed for a Hugging Face model in memory; for others their own is used.
        verify: Whether to refuse a model whose heads do not add up to its attention, which is measured
            on a few tokens (see `headwise.checks`).

    Raises:
        HeadwiseError: The name is unknown, the weights are not safetensors or do not match their
            known hash, the architecture is not supported, an identity fails or a tokenizer is missing.
    """
    model = _load(name_or_model, device, dtype, revision, tokenizer)
    if verify:
        from . import checks

        checks.verify(model)
    return model


def _load(
    name_or_model: str | Path | PreTrainedModel | TransformerBridge,
    device: str,
    dtype: str,
    revision: str | None,
    tokenizer: PreTrainedTokenizerBase | None,
) -> Model:
    torch_dtype = parse_dtype(dtype)
    if not isinstance(name_or_model, str | Path):
        return _from_memory(name_or_model, None if device == "auto" else device, tokenizer)
    place = _resolve_device(device)
    source = catalogue.find(str(name_or_model))
    if source.folder is not None and revision is not None:
        raise HeadwiseError(
            f"revision={revision!r} only applies to a hub id; {source.name!r} is read from files here."
        )
    weights_sha256 = _check_weights(source)
    with _quiet():
        hf_model, has_output_head = _load_weights(source, torch_dtype, revision)
        own_tokenizer = tokenizer or _load_tokenizer(source, revision)
        _move(hf_model, place)
    return _describe(
        source.name,
        hf_model,
        own_tokenizer,
        has_output_head=has_output_head,
        weights_sha256=weights_sha256,
        license=source.license,
    )


def parse_dtype(name: str) -> torch.dtype:
    """The torch type of a name.

    Raises:
        HeadwiseError: Not one of float32, bfloat16, float16.
    """
    if name not in DTYPES:
        raise HeadwiseError(f"Unknown dtype {name!r}; expected one of {', '.join(DTYPES)}.")
    return DTYPES[name]


def _resolve_device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(1, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise HeadwiseError(
            f"Cannot use device {device!r} here: {str(error).splitlines()[0]} "
            "Use 'auto', 'cpu' or a device that torch finds on this machine."
        ) from error
    return resolved


def _move(module: torch.nn.Module, device: torch.device) -> None:
    module.to(device)


def _check_weights(source: catalogue.Source) -> str:
    """Hash of the weights in a folder, refused where it is known and differs."""
    if source.folder is None:
        return ""
    files = sorted(source.folder.glob("*.safetensors"))
    if not files:
        raise HeadwiseError(
            f"{source.folder}: no .safetensors file. Headwise reads weights from safetensors only; convert "
            "other formats with save_pretrained(..., safe_serialization=True)."
        )
    found = hash_files(files)
    if source.sha256 is not None and found != source.sha256:
        raise HeadwiseError(
            f"The weights of {source.name!r} in {source.folder} are not the expected ones: SHA-256 is "
            f"{found}, expected {source.sha256}. Reinstall the package that brings them."
        )
    return found


def _load_weights(
    source: catalogue.Source, dtype: torch.dtype, revision: str | None
) -> tuple[PreTrainedModel, bool]:
    """The Hugging Face model, and whether the weights bring its output head."""
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel

    place = str(source.folder or source.name)
    try:
        config: Any = AutoConfig.from_pretrained(place, revision=revision)
        auto_class = _auto_class(config)
        model, info = auto_class.from_pretrained(
            place,
            config=config,
            revision=revision,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise HeadwiseError(_cannot_load(source, error)) from error
    is_body = auto_class is AutoModel
    lost = [
        key
        for key in info["missing_keys"]
        if (is_body or key.startswith(f"{model.base_model_prefix}.")) and "pooler" not in key
    ]
    if lost:
        raise HeadwiseError(
            f"{place}: {len(lost)} weights of the model itself are missing, {lost[0]!r} among them. Is it a "
            f"{type(model).__name__} checkpoint?"
        )
    return model.eval(), not is_body and not info["missing_keys"]


def _auto_class(config: Any) -> Any:
    """The class that loads what the checkpoint holds, its output head included if it has one."""
    import transformers

    (architecture, *_) = config.architectures or [""]
    if config.is_encoder_decoder:
        has_head = architecture.endswith("ForConditionalGeneration")
        return transformers.AutoModelForSeq2SeqLM if has_head else transformers.AutoModel
    if architecture.endswith(("ForCausalLM", "LMHeadModel")):
        return transformers.AutoModelForCausalLM
    if architecture.endswith(("ForMaskedLM", "ForPreTraining")):
        return transformers.AutoModelForMaskedLM
    return transformers.AutoModel


def _cannot_load(source: catalogue.Source, error: Exception) -> str:
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if source.folder is not None:
        return f"{source.folder}: cannot be loaded as a model: {first_line}"
    return (
        f"No model called {source.name!r}: it is not installed, not a folder, and the hub gave: {first_line} "
        f"Known here: {', '.join(catalogue.known_names())}. `headwise models` lists what is available."
    )


def _load_tokenizer(source: catalogue.Source, revision: str | None) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    place = str(source.folder or source.name)
    try:
        return AutoTokenizer.from_pretrained(place, revision=revision)
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
        raise HeadwiseError(
            f"{place}: the tokenizer cannot be loaded: {str(error).splitlines()[0]}"
        ) from error


def _from_memory(
    model: object,
    device: str | None,
    tokenizer: PreTrainedTokenizerBase | None,
) -> Model:
    from transformers import PreTrainedModel

    if device is not None and isinstance(model, torch.nn.Module):
        _move(model, _resolve_device(device))
    if type(model).__name__ == "TransformerBridge":  # by name: importing its class takes seconds
        bridge: Any = model
        hf_model, name = bridge.original_model, str(bridge.cfg.model_name)
        found = tokenizer or bridge.tokenizer
    elif isinstance(model, PreTrainedModel):
        bridge, hf_model, found = None, model.eval(), tokenizer
        name = model.name_or_path or type(model).__name__
    else:
        raise HeadwiseError(
            "load() takes a name, a folder, a Hugging Face PreTrainedModel or a TransformerBridge; "
            f"got {type(model).__name__}."
        )
    if found is None:
        raise HeadwiseError(
            f"{name}: this model brings no tokenizer; pass load(model, tokenizer=...)."
        )
    has_output_head = hf_model.get_output_embeddings() is not None
    return _describe(name, hf_model, found, has_output_head=has_output_head, bridge=bridge)


def _describe(
    name: str,
    hf_model: Any,
    tokenizer: PreTrainedTokenizerBase,
    *,
    has_output_head: bool,
    bridge: Any = None,
    weights_sha256: str = "",
    license: str = "",
) -> Model:
    if not tokenizer.is_fast:
        raise HeadwiseError(
            f"{name}: words are aligned by a fast tokenizer's offsets, and this one is slow."
        )
    stacks = stacks_of(name, hf_model)
    config = hf_model.config
    lengths = [
        value
        for key in ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length")
        if isinstance(value := getattr(config, key, None), int)
    ]
    limit = lengths[0] if lengths else int(tokenizer.model_max_length)
    # RoBERTa starts counting after its padding index, so that many positions cannot be used.
    offset = (config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0
    return Model(
        name=name,
        hf=hf_model,
        tokenizer=tokenizer,
        stacks=stacks,
        engine=Engine(hf_model, stacks, bridge),
        n_context=limit - offset,
        has_output_head=has_output_head,
        weights_sha256=weights_sha256,
        license=license,
    )


@contextmanager
def _quiet() -> Generator[None]:
    """Keeps the loaders' progress bars and notices off the screen, then restores them."""
    from transformers.utils import logging as hf_logging

    bars = hf_logging.is_progress_bar_enabled()
    verbosity = hf_logging.get_verbosity()
    hf_logging.disable_progress_bar()
    hf_logging.set_verbosity_error()
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
        hf_logging.set_verbosity(verbosity)
        if bars:
            hf_logging.enable_progress_bar()
