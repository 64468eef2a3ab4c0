"""Hooks: read what every head computes while a model runs.

    from headwise import hooks

    with hooks.capture(model, sites=["pattern", "z"], layers=[0, 1]) as seen:
        model.forward(tokens, mask)
        seen["pattern", 0]      # [batch, head, query, key]

What is captured is the model's own tensor, not a recomputation; it lives where the model lives and
is kept only as long as the caller keeps `seen`. A capture of every layer at once holds
`4 * n_layers * n_heads * pos * pos` bytes of patterns per sentence in float32.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, get_args

from torch import Tensor

from .errors import HeadwiseError
from .models import Model

SiteName = Literal["pattern", "z", "residual"]
SITES: tuple[SiteName, ...] = get_args(SiteName)


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the model where a tensor can be read.

    Attributes:
        name: `pattern` `[batch, head, query, key]`, `z` `[batch, pos, head, d_head]` or `residual`
            `[batch, pos, d_model]`.
        layer: 0-based block; `residual` is the stream before that block, and also exists at
            `n_layers`, after the last one.
    """

    name: SiteName
    layer: int


class Captured(Mapping[tuple[str, int], Tensor]):
    """Tensors by site name and layer, filled when the model runs."""

    def __init__(self) -> None:
        self._tensors: dict[tuple[str, int], Tensor] = {}

    def __getitem__(self, key: tuple[str, int]) -> Tensor:
        if key not in self._tensors:
            raise HeadwiseError(
                f"Nothing was captured at {key[0]!r}, layer {key[1]}. Ask for it in capture(...) and run "
                "the model inside the `with` block."
            )
        return self._tensors[key]

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __contains__(self, key: object) -> bool:
        return key in self._tensors

    def _store(self, site: Site, tensor: Tensor) -> None:
        self._tensors[site.name, site.layer] = tensor.detach()


@contextmanager
def capture(
    model: Model, sites: Sequence[str], layers: Sequence[int] | None = None
) -> Generator[Captured]:
    """Keeps the tensors at some sites while the body runs the model.

    Args:
        model: The model.
        sites: Names of sites.
        layers: Blocks to read; all by default, `residual` then also after the last one.

    Raises:
        HeadwiseError: Unknown site, or layer out of range. A hook that never fired although the
            model ran shows when its tensor is asked for.
    """
    wanted = [site for name in sites for site in _expand(model, name, layers)]
    captured = Captured()
    with ExitStack() as stack:
        for site in wanted:
            stack.enter_context(_hooked(model, site, captured))
        yield captured


def _expand(model: Model, name: str, layers: Sequence[int] | None) -> list[Site]:
    if name not in SITES:
        close = get_close_matches(name, SITES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise HeadwiseError(f"Unknown site {name!r}; expected one of {', '.join(SITES)}.{hint}")
    last = model.n_layers if name == "residual" else model.n_layers - 1
    chosen = range(last + 1) if layers is None else layers
    outside = [layer for layer in chosen if not 0 <= layer <= last]
    if outside:
        raise HeadwiseError(
            f"{model.name} has no layer {outside[0]} at site {name!r}; expected 0 to {last}."
        )
    return [Site(name, layer) for layer in chosen]


@contextmanager
def _hooked(model: Model, site: Site, captured: Captured) -> Generator[None]:
    point = _hook_point(model, site)

    def keep(module: Any, inputs: Any, output: Tensor) -> None:
        tensor = output
        if site.name == "z":
            tensor = output.reshape(*output.shape[:2], model.n_heads, -1)
        captured._store(site, tensor)  # pyright: ignore[reportPrivateUsage]

    handle = point.register_forward_hook(keep)
    try:
        yield
    finally:
        handle.remove()


def _hook_point(model: Model, site: Site) -> Any:
    """The bridge's hook point for a site."""
    if site.name == "residual" and site.layer == model.n_layers:
        name = f"blocks.{site.layer - 1}.hook_out"
    else:
        name = (
            f"blocks.{site.layer}."
            + {
                "pattern": "attn.hook_pattern",
                "z": "attn.hook_z",
                "residual": "hook_in",
            }[site.name]
        )
    points: dict[str, Any] = model.bridge.hook_dict
    if name not in points:
        raise HeadwiseError(
            f"{model.name} has no {site.name!r} at layer {site.layer}: its architecture "
            f"{model.bridge.cfg.architecture} has no hook {name}."
        )
    return points[name]
