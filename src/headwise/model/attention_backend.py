"""The machinery under `hooks`: the model's own attention, with taps on everything it passes through.

transformers lets every model's attention be computed by a registered function. Ours hands queries,
keys and values to the taps, then calls the model's own eager attention where scores or patterns are tapped, and the fused kernel (SDPA) elsewhere,
and hands the heads' outputs to
the taps. Nothing is computed twice and nothing is stored here. Scores and edited patterns are met
inside the model's own eager function, at its softmax.

With no tap left the model is as it was before: same attention implementation, no hook. Taps belong to the thread that set them; others wait until these are
gone.
"""

import sys
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from headwise.errors import HeadwiseError

from ._modes import uncompiled
from ._rotary import entered, watched
from ._taps import INSIDE_SOFTMAX, AtSoftmax, Place, RowsTap, Stop, Tap, by_rows, read_rows
from .architecture import Attention, Stack

EAGER, FUSED = "headwise-eager", "headwise-sdpa"
PATIENCE = 60.0  # seconds that a thread waits for a model that another holds


@dataclass(eq=False)
class Engine:
    """The taps of one model.

    Attributes:
        model: The Hugging Face model.
        stacks: Its anatomy.
        bridge: The TransformerLens bridge that wraps its modules, if one does.
        stop_after: Site and place after which a forward pass may end; None runs it through.
    """

    model: Any
    stacks: tuple[Stack, ...]
    bridge: Any = None
    stop_after: tuple[str, Place] | None = None
    taps: dict[tuple[str, Place], list[Tap]] = field(
        default_factory=dict[tuple[str, Place], list[Tap]]
    )
    readers: dict[Place, RowsTap] = field(default_factory=dict[Place, RowsTap])
    _installed: ExitStack | None = None
    _runs_eager: bool = False
    _watched: list[Any] = field(default_factory=list[Any])  # configurations, while taps are on
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _owner: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        """All but the lock, which is of this process: a model can be copied and sent to another."""
        return {key: value for key, value in vars(self).items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock(), _owner=None)

    @contextmanager
    def held(self) -> Generator[None]:
        """The model for this thread alone; another that wants it waits, and when that takes long it is an error.

        Raises:
            HeadwiseError: Another thread holds it, for a minute already.
        """
        if not self._lock.acquire(timeout=PATIENCE):
            raise HeadwiseError(
                f"Another thread has been running this {type(self.model).__name__}, or inside a `with hooks...` block of it, for "
                f"{PATIENCE:.0f} seconds. Hooks of a model belong to one thread at a time: end that block first, or load the model once for each thread."
            )
        before, self._owner = self._owner, threading.get_ident()
        try:
            with uncompiled():
                yield
        finally:
            self._owner = before
            self._lock.release()

    @contextmanager
    def reading(self, readers: list[RowsTap]) -> Generator[None]:
        """Lets patterns be read row by row for the duration of the body, each layer by one reader."""
        with self.held():
            self.readers = {reader.place: reader for reader in readers}
            try:
                self._install()
                yield
            finally:
                self.readers = {}
                self._install()

    @contextmanager
    def tapped(self, taps: list[Tap]) -> Generator[None]:
        """Keeps taps on the model for the duration of the body; may be nested."""
        with self.held(), ExitStack() as stack:
            stack.callback(self._install)  # the last thing to happen, when all taps are gone
            for tap in taps:
                if tap.site == "residual":
                    stack.enter_context(self._residual(tap))
                    continue
                self.taps.setdefault((tap.site, tap.place), []).append(tap)
                stack.callback(self._forget, tap)
            self._install()
            yield

    @property
    def _only_eager(self) -> bool:
        """Whether the fused kernel would not do: capped scores, attention inside a method, or a model that does without it, as those with a sink in the softmax."""
        is_capped = getattr(self.model.config, "attn_logit_softcapping", None) is not None
        return (
            is_capped
            or self._runs_eager
            or not all(a.has_interface for _, a in self.attention_layers())
        )

    def _forget(self, tap: Tap) -> None:
        key = (tap.site, tap.place)
        self.taps[key].remove(tap)
        if not self.taps[key]:
            del self.taps[key]

    def _install(self) -> None:
        """Brings the model's attention implementation in line with the taps."""
        if not self.taps and not self.readers:
            if self._installed is not None:
                self._installed.close()
                self._installed = None
            return
        if self._installed is None:
            self._installed = ExitStack()
            self._take_over(self._installed)
        looks_inside = self.readers or any(site in INSIDE_SOFTMAX for site, _ in self.taps)
        needs_eager = self._only_eager or looks_inside
        for config in self._watched:
            config._attn_implementation = EAGER if needs_eager else FUSED

    def _take_over(self, stack: ExitStack) -> None:
        _register()
        self._watched = self._configs()
        own = [config._attn_implementation for config in self._watched]
        self._runs_eager = "eager" in own or not getattr(self.model, "_supports_sdpa", True)
        for config in self._watched:
            stack.callback(setattr, config, "_attn_implementation", config._attn_implementation)
        for place, attention in self.attention_layers():
            _PLACES[attention.module] = (self, place, attention)
            stack.callback(_PLACES.pop, attention.module, None)
            handle = attention.module.register_forward_pre_hook(self._enter(place))
            stack.callback(handle.remove)
            # Also where the layer fails before its dot products.
            handle = attention.module.register_forward_hook(_left, always_call=True)
            stack.callback(handle.remove)
            stack.enter_context(watched(sys.modules[type(attention.module).__module__]))
            if not attention.has_interface:
                own, module = vars(attention.module), cast(Any, attention.module)
                own["_attn"] = partial(self._attend_in_method, place, module._attn)
                stack.callback(own.pop, "_attn")
        if self.bridge is not None:
            stack.enter_context(_bridge_aside(self.bridge))

    def _enter(self, place: Place) -> Callable[..., None]:
        def show(site: str, tensor: Tensor) -> Tensor:
            return self._pass(site, place, tensor, transposed=True)

        def enter(module: nn.Module, inputs: Any) -> None:
            entered(show)

        return enter

    def _configs(self) -> list[Any]:
        configs = {
            id(config): config
            for module in self.model.modules()
            if (config := getattr(module, "config", None)) is not None
            and hasattr(config, "_attn_implementation")
        }
        return list(configs.values())

    def attention_layers(self) -> list[tuple[Place, Attention]]:
        """Every attention layer with its place."""
        found: list[tuple[Place, Attention]] = []
        for stack in self.stacks:
            for layer, attention in enumerate(stack.attention):
                found.append(((stack.side, layer), attention))
            for layer, attention in enumerate(stack.cross):
                found.append((("cross", layer), attention))
        return found

    @contextmanager
    def _residual(self, tap: Tap) -> Generator[None]:
        """Hooks the stream before a block, or after the last one."""
        side, layer = tap.place
        (stack,) = [stack for stack in self.stacks if stack.side == side]

        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if not self._is_own:
                return None
            if args:
                return (tap(args[0]), *args[1:]), kwargs
            return args, kwargs | {"hidden_states": tap(kwargs["hidden_states"])}

        def after(module: nn.Module, args: Any, output: Any) -> Any:
            if not self._is_own:
                return output
            if isinstance(output, tuple):
                return (tap(output[0]), *output[1:])
            return tap(output)

        if layer < len(stack.blocks):
            handle = stack.blocks[layer].register_forward_pre_hook(before, with_kwargs=True)
        else:
            handle = stack.blocks[-1].register_forward_hook(after)
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def stopping(self, site: str, place: Place) -> Generator[None]:
        """Ends forward passes of the body once a site has been seen, by raising `Stop`."""
        with self.held(), ExitStack() as stack:
            before = self.stop_after
            self.stop_after = (site, place)
            side, layer = place
            (own,) = [s for s in self.stacks if s.side == side or (side == "cross" and s.cross)]
            if site == "residual" and layer < len(own.blocks):
                # A hook of its own, after all that see the stream there.
                hook = own.blocks[layer].register_forward_pre_hook(self._stop_before)
                stack.callback(hook.remove)
            try:
                yield
            finally:
                self.stop_after = before

    def _stop_before(self, module: nn.Module, args: object) -> None:
        if self._is_own:
            raise Stop

    def _maybe_stop(self, site: str, place: Place) -> None:
        if self.stop_after == (site, place) and self._is_own:
            raise Stop

    @property
    def _is_own(self) -> bool:
        """Whether the thread that runs is the one that set the taps."""
        return self._owner == threading.get_ident()

    def attend(
        self,
        place: Place,
        attention: Attention,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        **options: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """Attention of one layer; `query`, `key` and `value` are `[batch, head, pos, d_head]`."""
        entered(None)
        query = self._pass("q", place, query, transposed=True)
        key = self._pass("k", place, key, transposed=True)
        value = self._pass("v", place, value, transposed=True)
        scores, pattern = (self._taps_of(site, place) for site in INSIDE_SOFTMAX)
        reader = self.readers.get(place) if self._is_own else None
        eager: Any = sys.modules[type(attention.module).__module__]
        if reader is not None and not scores and not pattern:
            output, weights = by_rows(
                eager.eager_attention_forward,
                reader,
                attention.module,
                query,
                key,
                value,
                mask,
                options,
            )
        elif scores or pattern or reader or self._only_eager:
            edited = any(tap.edits for tap in pattern)
            n_keys = key.shape[2]
            at_softmax = AtSoftmax(scores, pattern if edited else [], n_keys, mask)
            with at_softmax if scores or edited else nullcontext():
                output, weights = eager.eager_attention_forward(
                    attention.module, query, key, value, mask, **options
                )
            for tap in [] if edited else pattern:
                tap(weights)
            read_rows(reader, weights)
        else:
            n_queries, n_keys = query.shape[2], key.shape[2]
            if mask is None and attention.is_causal and 1 < n_queries < n_keys:
                # The kernel would count from the first key, and these queries are the last.
                mask = torch.ones((n_queries, n_keys), dtype=torch.bool, device=query.device)
                mask = mask.tril(n_keys - n_queries)[None, None]
            output, weights = _fused()(attention.module, query, key, value, mask, **options)
        output = self._pass("z", place, output)
        self._maybe_stop("z", place)
        return output, weights

    def _attend_in_method(
        self,
        place: Place,
        method: Callable[..., tuple[Tensor, Tensor]],
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *rest: Any,
        **options: Any,
    ) -> tuple[Tensor, Tensor]:
        """Attention of a layer that computes it in its own `_attn`, all `[batch, head, pos, d_head]`."""
        entered(None)
        query = self._pass("q", place, query, transposed=True)
        key = self._pass("k", place, key, transposed=True)
        value = self._pass("v", place, value, transposed=True)
        scores, pattern = (self._taps_of(site, place) for site in INSIDE_SOFTMAX)
        with AtSoftmax(scores, pattern, key.shape[2], None) if scores or pattern else nullcontext():
            output, weights = method(query, key, value, *rest, **options)
        read_rows(self.readers.get(place) if self._is_own else None, weights)
        output = self._pass("z", place, output, transposed=True)
        self._maybe_stop("z", place)
        return output, weights

    def _pass(self, site: str, place: Place, tensor: Tensor, transposed: bool = False) -> Tensor:
        """Shows a tensor to the taps of its site, as `[batch, pos, head, d_head]`."""
        taps = self._taps_of(site, place)
        if not taps:
            return tensor
        seen = tensor.transpose(1, 2) if transposed else tensor
        for tap in taps:
            seen = tap(seen)
        return seen.transpose(1, 2) if transposed else seen

    def _taps_of(self, site: str, place: Place) -> list[Tap]:
        return self.taps.get((site, place), []) if self._is_own else []


def _left(module: nn.Module, inputs: Any, output: Any) -> None:
    entered(None)


_PLACES: WeakKeyDictionary[nn.Module, tuple[Engine, Place, Attention]] = WeakKeyDictionary()


def _attention_function(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """What transformers calls in place of its own attention functions."""
    if module not in _PLACES:
        # A model that nobody looks into, with the configuration of one that is looked into.
        return _fused()(module, query, key, value, attention_mask, **options)
    engine, place, attention = _PLACES[module]
    return engine.attend(place, attention, query, key, value, attention_mask, **options)


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask, sdpa_mask

    for name, mask in ((EAGER, eager_mask), (FUSED, sdpa_mask)):
        AttentionInterface.register(name, _attention_function)
        AttentionMaskInterface.register(name, mask)


def _fused() -> Callable[..., tuple[Tensor, None]]:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    return sdpa_attention_forward


@contextmanager
def _bridge_aside(bridge: Any) -> Generator[None]:
    """Lets the wrapped attention run by itself where a TransformerLens bridge would rebuild it."""
    from transformer_lens.model_bridge.generalized_components import AttentionBridge

    components = [module for module in bridge.modules() if isinstance(module, AttentionBridge)]
    before = [vars(component).get("forward") for component in components]
    try:
        for component in components:
            original = component.original_component
            vars(component)["forward"] = partial(type(original).__call__, original)
        yield
    finally:
        for component, forward in zip(components, before, strict=True):
            vars(component).pop("forward")
            if forward is not None:
                vars(component)["forward"] = forward
