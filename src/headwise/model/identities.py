"""Checks of a hooked model: identities that must hold, measured.

`cheap` uses a few tokens in one forward pass and is run whenever a model is loaded; `headwise
check MODEL` measures all of them. An architecture in which one fails is refused by its name: its hooks would not mean what their names state.
"""

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from headwise.errors import HeadwiseError, UnsupportedModel

from ._taps import Place, Tap
from .architecture import TOLERANCES, Side, require_weights
from .model import Model


@dataclass(frozen=True, slots=True)
class Identity:
    """One identity with its measured error.

    Attributes:
        name: What must be equal.
        error: Largest difference, relative to the largest number on the right-hand side.
        tolerance: What is allowed for the type of the weights.
    """

    name: str
    error: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the error is within the tolerance; NaN is not."""
        return self.error <= self.tolerance


def verify(model: Model) -> None:
    """Refuses a model in which a cheap identity fails.

    Raises:
        UnsupportedModel: The first identity that fails, with its error; or weights that are not in memory.
        HeadwiseError: A weight is not finite: whatever reads it later would be NaN.
    """
    require_weights(model.hf, model.name)
    for name, weight in model.hf.named_parameters():
        if weight.is_floating_point() and weight.numel() and not torch.stack(weight.detach().aminmax()).isfinite().all():  # fmt: skip
            raise HeadwiseError(
                f"{model.name}: the weight {name} holds numbers that are not finite. Load the weights again, or in float32."
            )
    try:
        found = cheap(model)
    except (HeadwiseError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        # Whatever an architecture that was never tried raises: it is refused by its name.
        raise UnsupportedModel(
            f"{model.name} cannot be hooked as a {type(model.hf).__name__}: running it ended in {type(error).__name__}: {str(error)[:200]}. Its attention or its inputs are "
            "put together in a way that Headwise does not know; docs/hooks.md lists what it does."
        ) from error
    for identity in found:
        if not identity.holds:
            raise UnsupportedModel(
                f"{model.name} cannot be hooked as a {type(model.hf).__name__}: the identity '{identity.name}' has an "
                f"error of {identity.error:.1e}, more than {identity.tolerance:.0e}. {_reason(model, identity)}"
            )


def _reason(model: Model, identity: Identity) -> str:
    """What is known of why an identity fails, and the next step."""
    layers = [attention for _, attention in model.engine.attention_layers()]
    if any(hasattr(attention.module, "sinks") for attention in layers):
        return "It has a sink in its softmax (`sinks`), so the rows of a pattern sum to less than 1; pass verify=False to read them as they are."
    adapters = [a.output for a in layers if hasattr(a.output, "base_layer") or hasattr(a.output, "lora_A")]  # fmt: skip
    if adapters:
        return f"An adapter stands in its output matrix ({type(adapters[0]).__name__} of {type(adapters[0]).__module__}): merge it into the weights first, with PEFT `model.merge_and_unload()`."
    if identity.error != identity.error:
        kind = str(model.dtype).removeprefix("torch.")
        return (
            f"What it computes is not finite in {kind}: check the weights, or load it in float32."
        )
    return "Its heads are put together in a way that Headwise does not know; `headwise check` shows every identity."


def cheap(model: Model) -> list[Identity]:
    """Identities of attention, on two short rows of tokens, the second of them padded."""
    tokens, mask, targets = _tokens(model)
    outputs: dict[tuple[str, int], Tensor] = {}
    runs: Counter[tuple[str, int]] = Counter()
    handles = [
        attention.output.register_forward_hook(_keep(outputs, runs, place))
        for place, attention in model.engine.attention_layers()
    ]
    try:
        with _kept(model, ("v", "pattern", "z")) as seen, _streams(model) as streams:
            model.forward(tokens, mask, targets)
    finally:
        for handle in handles:
            handle.remove()
    _require_attention(model, seen)
    _require_one_stream(model, streams)
    most = max(runs.values())
    mask = mask.to(model.device)
    compared = {
        "rows of the pattern sum to 1": _row_sums,
        "masked positions get 0": _masked(mask),
        "pattern @ v == z": _weighted_values,
        "sum of updates + bias == attention output": _updates(outputs),
    }
    # Masks are made where there is padding; without, a model's kernels may each have their own idea of what is seen.
    row = tokens[:1], None, None if targets is None else targets[:1]
    own = model.forward(*row)
    with _kept(model, ("pattern",)):
        read = model.forward(*row)
    assert own is not None and read is not None
    return [
        Identity("every block runs once", float(most - 1), 0.0),
        *(_worst(model, name, compare, seen, mask) for name, compare in compared.items()),
        _identity(model, "a sentence with hooks == without", read, own),
    ]


def everything(model: Model) -> list[Identity]:
    """All identities: the cheap ones, and that neither taps nor padding change what is computed."""
    tokens, mask, targets = _tokens(model)
    run: Callable[..., Tensor | None] = model.logits if model.has_output_head else model.forward
    what = "logits" if model.has_output_head else "last hidden state"
    plain = run(tokens, mask, targets)
    with _kept(model, ("pattern",)):
        tapped = run(tokens, mask, targets)
    alone = run(tokens[1:, :3], mask[1:, :3], None if targets is None else targets[1:])
    assert plain is not None and tapped is not None and alone is not None
    real = mask.bool() if targets is None else torch.ones(plain.shape[:2], dtype=torch.bool)
    real = real.to(plain.device)
    padded = plain[1:, : alone.shape[1]]
    return [
        *cheap(model),
        _identity(model, f"{what} with hooks == without", tapped[real], plain[real]),
        _identity(model, f"{what} of a padded sentence == alone", padded, alone),
    ]


def _keep(
    outputs: dict[tuple[str, int], Tensor],
    runs: Counter[tuple[str, int]],
    place: tuple[str, int],
) -> Callable[[torch.nn.Module, object, Tensor], None]:
    def keep(module: torch.nn.Module, inputs: object, output: Tensor) -> None:
        outputs[place] = output.detach()
        runs[place] += 1

    return keep


def _tokens(model: Model) -> tuple[Tensor, Tensor, Tensor | None]:
    """Six tokens, and three with padding; any ids do, so they are spread over the vocabulary."""
    n = int(model.hf.get_input_embeddings().weight.shape[0])
    ids = torch.arange(1, 10) * 7919 % max(n - 10, 1) + min(9, n - 1)
    tokens = torch.full((2, 6), model.pad_token)
    tokens[0], tokens[1, :3] = ids[:6], ids[6:]
    mask = torch.tensor([[1] * 6, [1] * 3 + [0] * 3])
    return tokens, mask, ids[:8].reshape(2, 4) if len(model.stacks) == 2 else None


Seen = Mapping[tuple[str, Place], Tensor]  # by site and place
Compare = Callable[[Model, Side, int, Seen], tuple[Tensor, Tensor]]  # [batch, query, ...] both


@contextmanager
def _kept(model: Model, sites: Sequence[str]) -> Generator[Seen]:
    """Keeps the tensors at some sites of every attention while the body runs the model."""
    seen: dict[tuple[str, Place], Tensor] = {}

    def keep(site: str, place: Place) -> Tap:
        return Tap(site, place, lambda tensor: seen.__setitem__((site, place), tensor.detach()))

    places = [place for place, _ in model.engine.attention_layers()]
    with model.engine.tapped([keep(site, place) for place in places for site in sites]):
        yield seen


@contextmanager
def _streams(model: Model) -> Generator[list[Tensor]]:
    """The residual stream before the first block of each stack, while the body runs the model."""
    streams: list[Tensor] = []
    places: list[Place] = [(stack.side, 0) for stack in model.stacks]
    with model.engine.tapped([Tap("residual", place, streams.append) for place in places]):
        yield streams


def _require_attention(model: Model, seen: Seen) -> None:
    """Refuses a model of which some layers mix words without the attention that is hooked."""
    every = [place for place, _ in model.engine.attention_layers()]
    silent = [place for place in every if ("pattern", place) not in seen]
    if silent:
        named = ", ".join(f"{side} {layer}".strip() for side, layer in silent)
        raise UnsupportedModel(
            f"{model.name}: {len(silent)} of {len(every)} attention layers ({named}) do not compute attention where it can be hooked: they mix words in another way, or "
            "in a kernel of their own."
        )


def _require_one_stream(model: Model, streams: Sequence[Tensor]) -> None:
    for stream in streams:
        if stream.dim() != 3:
            raise UnsupportedModel(
                f"{model.name}: its residual stream has the shape {list(stream.shape)} and not [batch, pos, d_model]: several streams beside each other, which heads do not "
                "share alike."
            )


def _worst(model: Model, name: str, compare: Compare, seen: Seen, mask: Tensor) -> Identity:
    """The largest error of an identity over all attention layers, at tokens: what a model computes of padding is nobody's business."""
    identities: list[Identity] = []
    for (side, layer), _ in model.engine.attention_layers():
        found, expected = compare(model, side, layer, seen)
        if side not in ("decoder", "cross"):  # whose queries are not padded here
            found, expected = found[mask.bool()], expected[mask.bool()]
        identities.append(_identity(model, name, found, expected))
    return max(identities, key=lambda identity: (identity.error != identity.error, identity.error))


def _identity(model: Model, name: str, found: Tensor, expected: Tensor) -> Identity:
    difference = (found.double() - expected.double()).abs().max().item()
    scale = max(expected.double().abs().max().item(), 1.0)
    return Identity(name, difference / scale, TOLERANCES[model.dtype])


def _row_sums(model: Model, side: Side, layer: int, seen: Seen) -> tuple[Tensor, Tensor]:
    sums = seen["pattern", (side, layer)].double().sum(-1).transpose(1, 2)
    return sums, torch.ones_like(sums)


def _masked(mask: Tensor) -> Compare:
    def compare(model: Model, side: Side, layer: int, seen: Seen) -> tuple[Tensor, Tensor]:
        pattern = seen["pattern", (side, layer)]
        hidden = torch.zeros_like(pattern, dtype=torch.bool)
        if side != "decoder":  # the decoder's own tokens are not padded here
            hidden |= ~mask.bool()[:, None, None, :]
        for_side = next((s for s in model.stacks if s.side == side), None)
        if for_side is not None and for_side.attention[layer].is_causal:
            n_query, n_key = pattern.shape[-2:]
            hidden |= torch.ones(n_query, n_key, device=pattern.device).triu(1).bool()
        weights = torch.where(hidden, pattern, torch.zeros_like(pattern)).transpose(1, 2)
        return weights, torch.zeros_like(weights)

    return compare


def _weighted_values(model: Model, side: Side, layer: int, seen: Seen) -> tuple[Tensor, Tensor]:
    pattern, v, z = (seen[site, (side, layer)] for site in ("pattern", "v", "z"))
    values = v.repeat_interleave(pattern.shape[1] // v.shape[2], dim=2)
    return torch.einsum("bhqk,bkhd->bqhd", pattern.to(values), values), z


def _updates(outputs: dict[tuple[str, int], Tensor]) -> Compare:
    def compare(model: Model, side: Side, layer: int, seen: Seen) -> tuple[Tensor, Tensor]:
        attention = dict(model.engine.attention_layers())[side, layer]
        z = seen["z", (side, layer)]
        total = torch.einsum("bqhd,hdm->bqm", z, attention.W_O)
        bias = attention.b_O
        return total if bias is None else total + bias, outputs[side, layer]

    return compare
