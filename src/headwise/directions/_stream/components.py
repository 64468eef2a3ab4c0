"""Components of the residual stream at some words: its summands.

The parts are the embedding of the token, its position, what every head writes (`z W_O`), what every MLP writes, and
all biases together. Norms that stand on the stream are held at the scale of the run, see `stream`. Nothing is kept of
a pass but what the words need: memory is `n_heads * n_layers * d_model` numbers for every word of a chunk, and
chunks are as large as `CHUNK` allows.
"""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from headwise.activations import hooks
from headwise.activations.alignment import Batch
from headwise.activations.sites import on_side
from headwise.model.architecture import Side
from headwise.model.model import Model

from .wiring import Branch, Frozen, Wiring

SiteKey = tuple[str, int]


class Component(NamedTuple):
    """Something that writes into the residual stream.

    Attributes:
        kind: `embedding`, `position` (and what else a model embeds), `head`, `mlp` or `biases`.
        layer: 0-based block; None of what belongs to none.
        head: 0-based head.
        side: Empty for a model of one stack; of a head `encoder`, `decoder` or `cross` else.
    """

    kind: str
    layer: int | None = None
    head: int | None = None
    side: Side = ""

    @property
    def name(self) -> str:
        """How it is written: `L2H8`, `MLP 2`, `embedding`."""
        if self.kind == "head":
            return f"{self.side}{'.' if self.side else ''}L{self.layer}H{self.head}"
        return f"MLP {self.layer}" if self.kind == "mlp" else self.kind


def components(wiring: Wiring, layer: int) -> tuple[Component, ...]:
    """What writes into the stream before a block, in the order in which it does; biases last."""
    found = [Component(name) for name in wiring.embeddings]
    for i, block in enumerate(wiring.blocks[:layer]):
        for branch in block:
            if branch.attention is None:
                found.append(Component("mlp", i))
            else:
                side = _side(wiring, branch)
                found += [Component("head", i, h, side) for h in range(branch.attention.n_heads)]
    return (*found, Component("biases"))


def _side(wiring: Wiring, branch: Branch) -> Side:
    return "cross" if branch.kind == "cross" else wiring.stack.side


def site_of(wiring: Wiring, branch: Branch, name: str) -> str:
    """The name of a branch's site: `z`, or `cross.z`."""
    return on_side(_side(wiring, branch), name)


@dataclass(frozen=True, eq=False)
class Seen:
    """The tensors of a pass from which the parts are computed, at some tokens.

    Attributes:
        wiring: The sums of the stream.
        layer: The stream before this block is decomposed; `n_layers` is the end.
        normed: Whether the final norm is passed, too.
        z: What heads give, by site and layer.
        even: What they would give under uniform attention; empty if it was not requested.
        gave: What embeddings and MLPs gave.
        given: What norms were given.
        total: The stream itself.
    """

    wiring: Wiring
    layer: int
    normed: bool
    z: dict[SiteKey, Float[Tensor, "token head d_head"]]
    even: dict[SiteKey, Float[Tensor, "token head d_head"]]
    gave: dict[nn.Module, Float[Tensor, "token d_model"]]
    given: dict[nn.Module, Float[Tensor, "token d_model"]]
    total: Float[Tensor, "token d_model"]

    def at(self, tokens: slice) -> "Seen":
        """Some of the tokens."""
        return replace(
            self,
            z={site: x[tokens] for site, x in self.z.items()},
            even={site: x[tokens] for site, x in self.even.items()},
            gave={module: x[tokens] for module, x in self.gave.items()},
            given={module: x[tokens] for module, x in self.given.items()},
            total=self.total[tokens],
        )

    def parts(self, *, even: bool = False) -> Float[Tensor, "component token d_model"]:
        """Every summand at the layer; `even`: with each head under uniform attention and everything else unchanged."""
        wiring, given = self.wiring, self.even if even else self.z
        n = len(components(wiring, self.layer))
        found = torch.zeros((n, *self.total.shape), device=self.total.device, dtype=torch.float32)
        done = 0
        for name, module in wiring.embeddings.items():
            factor = wiring.factor if name == "embedding" else 1.0
            found[done] = factor * self.gave[module]
            done += 1
        self._through(wiring.norm, found, done)
        for layer, block in enumerate(wiring.blocks[: self.layer]):
            for branch in block:
                if branch.attention is None:
                    new = self.gave[branch.output][None]
                    new = new if branch.bias is None else new - branch.bias.float()
                else:
                    z = given[site_of(wiring, branch, "z"), layer]
                    new = torch.einsum("thd,hdm->htm", z, branch.attention.W_O.float())
                bias = torch.zeros_like(found[-1])
                bias = bias if branch.bias is None else bias + branch.bias.float()
                if branch.inner is not None:
                    norm = Frozen.of(branch.inner, self.given[branch.inner])
                    new, bias = norm.apply(new), norm.apply(bias)
                    bias = bias if norm.bias is None else bias + norm.bias
                found[done : done + len(new)] = new
                found[-1] += bias
                done += len(new)
                self._through(branch.after, found, done)
        if self.normed:
            self._through(wiring.final, found, done)
        return found

    def _through(self, module: nn.Module | None, found: Tensor, done: int) -> None:
        """Takes what was written so far through a norm on the stream, in place."""
        if module is None:
            return
        norm = Frozen.of(module, self.given[module])
        found[:done] = norm.apply(found[:done])
        found[-1] = norm.apply(found[-1])
        if norm.bias is not None:
            found[-1] += norm.bias

    def pulled(
        self, reader: Float[Tensor, "*token d_model"]
    ) -> dict[tuple[int, str], Float[Tensor, "token d_model"]]:
        """What reads from a branch's output, before anything is done to it, what a reader reads in the end.

        Returns:
            By block and kind of branch.
        """
        at = reader.to(self.total).expand_as(self.total)
        found: dict[tuple[int, str], Tensor] = {}
        if self.normed and self.wiring.final is not None:
            at = self._frozen(self.wiring.final).pulled(at)
        for layer in reversed(range(self.layer)):
            for branch in reversed(self.wiring.blocks[layer]):
                if branch.after is not None:
                    at = self._frozen(branch.after).pulled(at)
                inner = branch.inner
                found[layer, branch.kind] = at if inner is None else self._frozen(inner).pulled(at)
        return found

    def _frozen(self, module: nn.Module) -> Frozen:
        return Frozen.of(module, self.given[module])


class Recorder:
    """Records, at some tokens of a pass, the tensors from which the parts of the stream are computed.

    Attributes:
        model: The model.
        wiring: The sums of the stream.
        layer: As far as this.
        normed: Whether the final norm is passed, too.
        even: Whether the outputs of heads under uniform attention are recorded, too.
    """

    def __init__(
        self,
        model: Model,
        wiring: Wiring,
        layer: int,
        *,
        normed: bool = False,
        even: bool = False,
    ) -> None:
        self.model, self.wiring, self.layer, self.normed = model, wiring, layer, normed
        self.even = even
        self._v = torch.empty(0)
        self._rows: tuple[Tensor, Tensor] | None = None
        self._n_pos = 0
        self._gave: dict[nn.Module, Tensor] = {}
        self._given: dict[nn.Module, Tensor] = {}

    def see(
        self,
        batch: Batch,
        rows: Int[Tensor, " token"],
        positions: Int[Tensor, " token"],
    ) -> Seen:
        """Runs a batch and keeps what is needed at some tokens of it."""
        side = self.wiring.stack.side
        stream = f"{side}.residual" if side else "residual"
        z: dict[SiteKey, Tensor] = {}
        even: dict[SiteKey, Tensor] = {}
        self._rows = rows, positions
        of = batch.target if side == "decoder" and batch.target is not None else batch
        self._n_pos = of.tokens.shape[1]
        with ExitStack() as stack:
            stack.enter_context(self._watching())
            seen = stack.enter_context(
                hooks.reduce(
                    self.model,
                    [stream],
                    self._keep,
                    initial=dict[SiteKey, Tensor](),
                    layers=[self.layer],
                )
            )
            for key in dict.fromkeys(
                site_of(self.wiring, b, "z") for b in self.wiring.blocks[0] if b.attention
            ):
                if self.layer:
                    layers = list(range(self.layer))
                    stack.enter_context(
                        hooks.reduce(self.model, [key], self._keep, initial=z, layers=layers)
                    )
                    if self.even:
                        sites = [f"{key[:-1]}{name}" for name in ("v", "pattern")]
                        stack.enter_context(
                            hooks.reduce(
                                self.model, sites, self._keep_even, initial=even, layers=layers
                            )
                        )
            target = batch.target
            stack.enter_context(self.model.engine.stopping("residual", (side, self.layer)))
            self.model.forward(
                batch.tokens,
                batch.mask,
                None if target is None else target.tokens,
                None if target is None else target.mask,
            )
        total = seen.value[stream, self.layer]
        if self.normed and self.wiring.final is not None:
            with torch.no_grad():
                total = self.wiring.final(total.to(self.model.dtype)).float()
        return Seen(self.wiring, self.layer, self.normed, z, even, self._gave, self._given, total)

    def _keep(
        self, kept: dict[SiteKey, Tensor], tensor: Tensor, site: hooks.Site
    ) -> dict[SiteKey, Tensor]:
        assert self._rows is not None
        kept[site.key, site.layer] = tensor[self._rows].float()
        return kept

    def _keep_even(
        self, kept: dict[SiteKey, Tensor], tensor: Tensor, site: hooks.Site
    ) -> dict[SiteKey, Tensor]:
        """Means of the values of every token that attention can reach; values come before the pattern."""
        assert self._rows is not None
        if site.name == "v":
            self._v = tensor
            return kept
        rows, tokens = self._rows
        # What is masked has no weight at all, in any head.
        sees = (tensor[rows, :, tokens] > 0).any(dim=1).float()
        mean = torch.einsum(
            "tk,tkgd->tgd", sees / sees.sum(-1, keepdim=True), self._v[rows].float()
        )
        shared_by = tensor.shape[1] // mean.shape[1]
        kept[f"{site.key[: -len(site.name)]}z", site.layer] = mean.repeat_interleave(shared_by, 1)
        return kept

    @contextmanager
    def _watching(self) -> Generator[None]:
        wiring, self._gave, self._given = self.wiring, {}, {}
        branches = [branch for block in wiring.blocks[: self.layer] for branch in block]
        outputs = [*wiring.embeddings.values(), *(b.output for b in branches if not b.attention)]
        norms = [wiring.norm, *(m for b in branches for m in (b.inner, b.after))]
        norms += [wiring.final] if self.normed else []
        with ExitStack() as stack:
            # Stacks may share their embedding; what counts is what comes after the stack's own beginning.
            begin = wiring.body.register_forward_pre_hook(self._begin)
            stack.callback(begin.remove)
            for module in outputs:
                handle = module.register_forward_hook(self._see)
                stack.callback(handle.remove)
            for norm in norms:
                if norm is not None:
                    handle = norm.register_forward_pre_hook(self._enter)
                    stack.callback(handle.remove)
            yield

    def _begin(self, module: nn.Module, args: object) -> None:
        self._gave.clear()
        self._given.clear()

    def _see(self, module: nn.Module, args: object, output: Tensor) -> None:
        if module not in self._gave:
            self._gave[module] = self._at(output)

    def _enter(self, module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if module not in self._given:
            self._given[module] = self._at(args[0])

    def _at(self, x: Tensor) -> Float[Tensor, "token d_model"]:
        """At the tokens; positions may be the same in every row of a batch, and some MLPs put all rows together (OPT)."""
        assert self._rows is not None
        rows, positions = self._rows
        x = x.detach() if x.dim() == 3 else x.detach().reshape(-1, self._n_pos, x.shape[-1])
        return x[rows if len(x) > 1 else torch.zeros_like(rows), positions].float()
