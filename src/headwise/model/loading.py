"""Loading a model: by name, from a folder or a hub, or from memory.

Weights are read from safetensors only and remote code is never run. A TransformerLens bridge is
taken as it is; TransformerLens, which takes seconds to import, is needed for nothing else.
"""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import torch

from headwise._files import hash_files
from headwise.errors import HeadwiseError

from . import _hub, identities, registry
from ._placing import parse_dtype, resolve_device, usual_defaults
from ._weight_files import weight_files
from .architecture import stacks_of
from .attention_backend import EAGER, FUSED, Engine
from .model import Model

_BLOCK = re.compile(r"\.[0-9]+\.")  # in the name of a weight

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load(
    name_or_model: str | Path | PreTrainedModel | TransformerBridge,
    *,
    device: str = "auto",
    dtype: str = "float32",
    revision: str | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    verify: bool = True,
    trust_remote_code: bool = False,
) -> Model:
    """Loads a model with access to its heads.

    Args:
        name_or_model: `"burrow"` (inside this package), `"minilm"` (from its installed package), a folder with `config.json`
            and safetensors, a hub id, a Hugging Face model in memory, or a TransformerBridge. A model
            from memory is not copied, only put into evaluation mode; taps are on it only inside a
            `with` block.
        device: `"auto"` takes a GPU where there is one; otherwise any torch device. A model from
            memory stays where it is unless a device is named.
        dtype: `float32`, `bfloat16` or `float16`; ignored for a model from memory.
        revision: Branch, tag or commit of a hub id.
        tokenizer: Needed for a Hugging Face model in memory; for others their own is used.
        verify: Whether to refuse a model whose heads do not add up to its attention, which is measured
            on a few tokens (see `headwise.model.identities`).
        trust_remote_code: Whether to run Python code that a folder or a hub id brings; it can do anything that you can.

    Raises:
        HeadwiseError: The name is unknown, the weights are not safetensors or do not match their
            known hash, the architecture is not supported, an identity fails or a tokenizer is missing.
    """
    model = _load(name_or_model, device, dtype, revision, tokenizer, trust_remote_code)
    model.hf.eval()
    if verify:
        identities.verify(model)
    return model


def _load(
    name_or_model: str | Path | PreTrainedModel | TransformerBridge,
    device: str,
    dtype: str,
    revision: str | None,
    tokenizer: PreTrainedTokenizerBase | None,
    trust_remote_code: bool,
) -> Model:
    torch_dtype = parse_dtype(dtype)
    if not isinstance(name_or_model, str | Path):
        return _from_memory(name_or_model, None if device == "auto" else device, tokenizer)
    place = resolve_device(device)
    if torch_dtype == torch.float16 and place.type == "cpu":
        warnings.warn(
            "float16 on a CPU takes many times as long as float32: torch computes it without the processor's own instructions. Choose float32 or bfloat16.",
            stacklevel=3,
        )
    source = registry.find(str(name_or_model))
    if source.folder is not None and revision is not None:
        raise HeadwiseError(
            f"revision={revision!r} only applies to a hub id; {source.name!r} is read from files here."
        )
    weights_sha256 = _check_weights(source)
    # Never left open: with None, transformers asks on standard input whether to run what is there.
    where: dict[str, Any] = {"revision": revision, "trust_remote_code": trust_remote_code}
    if source.folder is None:
        where["local_files_only"] = _hub.must_stay_local(source.name, revision)
    with _quiet():
        hf_model, has_output_head = _load_weights(source, torch_dtype, where)
        own_tokenizer = tokenizer or _load_tokenizer(source, where)
        _move(hf_model, place)
    return _describe(
        source.name,
        hf_model,
        own_tokenizer,
        has_output_head=has_output_head,
        weights_sha256=weights_sha256,
        license=source.license,
    )


def _move(module: torch.nn.Module, device: torch.device) -> None:
    module.to(device)


def _check_weights(source: registry.Source) -> str:
    """Hash of the weights in a folder, refused where it is known and differs."""
    if source.folder is None:
        return ""
    found = hash_files(weight_files(source.folder))
    if source.sha256 is not None and found != source.sha256:
        raise HeadwiseError(
            f"The weights of {source.name!r} in {source.folder} are not the expected ones: SHA-256 is "
            f"{found}, expected {source.sha256}. Reinstall the package that brings them."
        )
    return found


def _load_weights(
    source: registry.Source, dtype: torch.dtype, where: Mapping[str, Any]
) -> tuple[PreTrainedModel, bool]:
    """The Hugging Face model, and whether the weights bring its output head."""
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel

    place = str(source.folder or source.name)
    try:
        config: Any = AutoConfig.from_pretrained(place, **where)
        auto_class = _auto_class(config)
        model, info = auto_class.from_pretrained(
            place,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            **where,
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
    if unread := _unread(model, info["unexpected_keys"]):
        raise HeadwiseError(
            f"{place}: its files hold {len(unread)} weights that a {type(model).__name__} of this config.json does not read, {unread[0]!r} among them: more layers, or "
            "parts of another class. Correct config.json, or load the model with its own class and give it to headwise.load."
        )
    return model.eval(), not is_body and not info["missing_keys"]


def _unread(model: PreTrainedModel, keys: Iterable[str]) -> list[str]:
    """Matrices of blocks that transformers leaves out, with a warning that nobody sees; heads for other tasks and buffers are no such."""

    def stack(key: str) -> str:
        return _BLOCK.split(key.removeprefix(f"{model.base_model_prefix}."))[0]

    known = "|".join(model._keys_to_ignore_on_load_unexpected or ["(?!)"])  # pyright: ignore[reportPrivateUsage]
    stacks = {stack(name) for name, _ in model.named_parameters() if _BLOCK.search(name)}
    return [
        key
        for key in keys
        if key.endswith(".weight") and _BLOCK.search(key) and stack(key) in stacks and not re.search(known, key)
    ]  # fmt: skip


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


def _cannot_load(source: registry.Source, error: Exception) -> str:
    if "trust_remote_code" in str(error):
        return (
            f"{source.folder or source.name}: this model brings Python code of its own, which Headwise does not run. If you have read it and trust it: "
            "headwise.load(..., trust_remote_code=True)."
        )
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if source.folder is not None:
        return f"{source.folder}: cannot be loaded as a model: {first_line}"
    return f"{source.name}: the hub has it, and it cannot be loaded as a model: {first_line}"


def _load_tokenizer(source: registry.Source, where: Mapping[str, Any]) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    place = str(source.folder or source.name)
    try:
        return AutoTokenizer.from_pretrained(place, **where)
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
        raise HeadwiseError(
            f"{place}: the tokenizer cannot be loaded: {str(error).splitlines()[0]}"
        ) from error


def random_like(model: Model, seed: int) -> Model:
    """A model of the same shape whose weights mean nothing, on the same device and in the same type.

    Its weights are drawn as its class draws them before training. It shares the tokenizer.

    Raises:
        HeadwiseError: The model's class cannot be made from its configuration alone.
    """
    kind = type(model.hf)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            config = _unwatched(model.hf.config)
            with usual_defaults():
                drawn = kind(config)
            drawn = drawn.to(device=model.device, dtype=model.dtype).eval()
        except Exception as error:
            # Whatever a class of the user's own raises: there is no model without training to compare with.
            raise HeadwiseError(
                f"No model of the shape of {model.name} can be drawn: {kind.__name__}(config) failed with "
                f"{type(error).__name__}: {error}. Give the class a constructor that takes its configuration alone, as "
                "transformers' models have."
            ) from error
    return _describe(
        f"{model.name} with random weights",
        drawn,
        model.tokenizer,
        has_output_head=model.has_output_head,
    )


def _unwatched(config: Any) -> Any:
    """A copy with an attention of the model's own: who watches one model, within taps, does not watch another that is made of its configuration."""
    copy = deepcopy(config)
    parts = [c for c in vars(copy).values() if hasattr(c, "_attn_implementation")]
    for part in (copy, *parts):
        if getattr(part, "_attn_implementation", None) in (EAGER, FUSED):
            part._attn_implementation = "eager"
    return copy


# Models by the id of what they were made from: whoever holds a model shares its taps with everyone else.
_HELD: WeakValueDictionary[int, Model] = WeakValueDictionary()


def hold(model: object) -> Model:
    """The `Model` of a model that the caller holds; with neither tokenizer nor copy of its own.

    Raises:
        HeadwiseError: It is nothing that can be hooked, or an identity fails.
    """
    if isinstance(model, Model):
        return model
    known = _HELD.get(id(model))
    if known is not None:
        return known
    held = _from_memory(model, None, None, needs_tokenizer=False)
    identities.verify(held)
    return held


def _from_memory(
    model: object,
    device: str | None,
    tokenizer: PreTrainedTokenizerBase | None,
    *,
    needs_tokenizer: bool = True,
) -> Model:
    from transformers import PreTrainedModel

    if device is not None and isinstance(model, torch.nn.Module):
        _move(model, resolve_device(device))
    if type(model).__name__ == "TransformerBridge":  # by name: importing its class takes seconds
        bridge: Any = model
        hf_model, name = bridge.original_model, str(bridge.cfg.model_name)
        found = tokenizer or bridge.tokenizer
    elif isinstance(model, PreTrainedModel):
        bridge, hf_model, found = None, model, tokenizer
        name = model.name_or_path or type(model).__name__
    else:
        raise HeadwiseError(
            "Expected a Model, a Hugging Face PreTrainedModel or a TransformerBridge (or, for load(), a name or "
            f"a folder); got {type(model).__name__}.{_step(model)}"
        )
    if found is None and needs_tokenizer:
        raise HeadwiseError(
            f"{name}: this model brings no tokenizer; pass load(model, tokenizer=...)."
        )
    has_output_head = hf_model.get_output_embeddings() is not None
    made = _describe(name, hf_model, found, has_output_head=has_output_head, bridge=bridge)
    _HELD[id(model)] = made
    return made


def _describe(
    name: str,
    hf_model: Any,
    tokenizer: PreTrainedTokenizerBase | None,
    *,
    has_output_head: bool,
    bridge: Any = None,
    weights_sha256: str = "",
    license: str = "",
) -> Model:
    if tokenizer is not None and not hasattr(tokenizer, "is_fast"):
        raise HeadwiseError(
            f"{name}: tokenizer= must be a fast Hugging Face tokenizer; got {type(tokenizer).__name__}. Load one with transformers.AutoTokenizer.from_pretrained(...)."
        )
    if tokenizer is not None and not tokenizer.is_fast:
        raise HeadwiseError(
            f"{name}: words are aligned by a fast tokenizer's offsets, and this one is slow."
        )
    stacks = stacks_of(hf_model, name)
    config = hf_model.config
    lengths = [
        value
        for key in ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length")
        if isinstance(value := getattr(config, key, None), int)
    ]
    limit = lengths[0] if lengths else int(getattr(tokenizer, "model_max_length", 10**9))
    # RoBERTa starts counting after its padding index, so that many positions cannot be used.
    offset = (config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0
    known = _HELD.get(id(bridge if bridge is not None else hf_model))
    return Model(
        name=name,
        hf=hf_model,
        tokenizer=tokenizer,
        stacks=stacks,
        engine=known.engine if known else Engine(hf_model, stacks, bridge),
        n_context=limit - offset,
        has_output_head=has_output_head,
        weights_sha256=weights_sha256,
        license=license,
    )


def _step(model: object) -> str:
    """What to pass in place of a wrapper of a model."""
    kinds = {kind.__name__ for kind in type(model).__mro__}
    if "PeftModel" in kinds:
        return " Pass the model with its adapter merged, model.merge_and_unload(), or as it is inside, model.base_model.model."
    if "OptimizedModule" in kinds:
        return " Pass what torch.compile was given: model._orig_mod."
    if "DataParallel" in kinds or "DistributedDataParallel" in kinds:
        return " Pass what it wraps: model.module."
    return ""


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
