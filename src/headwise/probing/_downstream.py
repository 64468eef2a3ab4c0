"""The model's behaviour after the vectors of some words were moved at one layer.

Measures: at the last layer, by how much a word is nearer to the mean of its own label than to any other (cosine); in a decoder, whether words that
follow under this label are more probable than those that follow under others, and the KL divergence of the next-token distribution from the clean
model.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from headwise._progress import track
from headwise.activations import _skip_blocks, hooks
from headwise.activations.alignment import Alignment, Batch, batches, vectors_of_words
from headwise.activations.sites import Site
from headwise.model.model import Model

from .classifiers import CentroidClassifier
from .labelled_words import Examples
from .splits import Folds

Scores = Float[ndarray, "kind example"]
BATCH_TOKENS = 512  # with logits for every one of them
TINY = 1e-12


def after_moving(
    model: Model,
    examples: Examples,
    divided: Folds,
    ends: Float[ndarray, "example dim"],
    shifts: Mapping[int, Float[ndarray, "erased example dim"]],
) -> dict[tuple[int, str], Scores]:
    """Runs every scored sentence as it is and with the vectors of its words moved.

    Args:
        model: The model.
        examples: The words.
        divided: What was fitted and what is scored.
        ends: The words' final vectors in the clean model.
        shifts: By layer, what is added there to the vectors of the words, in several ways.

    Returns:
        By layer and measure (`margin`, `continuation`, `kl`, as far as layer and model have them) the value of
        every example, of the clean model first and then for every way; NaN where an example is not scored.
    """
    n_kinds = 1 + next(iter(shifts.values())).shape[0]
    speaks = model.is_causal and model.has_output_head
    following = _following(examples) if speaks else None
    readers = _Readers.fit(ends, examples.codes, divided)
    scores: dict[tuple[int, str], Scores] = {}
    for layer in shifts:
        measures = ["margin"] if layer < model.n_layers else []
        measures += ["continuation"] if following is not None else []
        measures += ["kl"] if speaks else []
        for measure in measures:
            scores[layer, measure] = np.full((n_kinds, len(ends)), np.nan)
    is_scored = readers.fold >= 0
    rows_of: dict[int, list[int]] = {}
    for row, i in enumerate(examples.sentences):
        if is_scored[row]:
            rows_of.setdefault(int(i), []).append(row)
    wanted = [a if i in rows_of else _EMPTY for i, a in enumerate(examples.alignments)]
    parts = batches(model, wanted, BATCH_TOKENS if speaks else None)
    for batch in track(parts, len(rows_of), "running on", lambda b: len(b.indices)):
        batch = batch.to(model.device)
        picked = [(k, row) for k, i in enumerate(batch.indices) for row in rows_of[i]]
        in_batch, rows = (np.array(part) for part in zip(*picked, strict=True))
        pieces = batch.pieces[in_batch, examples.positions[rows]]
        with _skip_blocks.keeping(model, list(shifts)) as kept:
            clean = _run_on(model, batch, pieces, in_batch, speaks)
        for layer, moved in shifts.items():
            for kind in range(n_kinds):
                ran = clean
                if kind > 0:
                    shift = torch.from_numpy(moved[kind - 1, rows]).to(model.device)
                    with _moved_at(model, kept[layer], pieces, in_batch, shift):
                        ran = _run_on(model, batch, pieces, in_batch, speaks)
                if (layer, "margin") in scores:
                    scores[layer, "margin"][kind, rows] = readers.margins(ran.ends, rows)
                if ran.log_p is None or clean.log_p is None:
                    continue
                last = pieces.shape[1] - 1 - pieces.flip(1).argmax(1)
                if following is not None:
                    scores[layer, "continuation"][kind, rows] = following.right(
                        ran.log_p[in_batch, last], rows
                    )
                scores[layer, "kl"][kind, rows] = _divergence(
                    clean.log_p, ran.log_p, batch.mask, in_batch, last
                )
    return scores


_EMPTY = Alignment(tokens=(), words=(), n_words=0)


@dataclass(frozen=True, eq=False)
class _Ran:
    """What a forward pass came to: vectors of the words at the end, and log probabilities."""

    ends: Float[ndarray, "example dim"]
    log_p: Float[Tensor, "batch pos entry"] | None


def _run_on(
    model: Model,
    batch: Batch,
    pieces: Float[Tensor, "example pos"],
    in_batch: Int[ndarray, " example"],
    speaks: bool,
) -> _Ran:
    """One pass."""
    with hooks.capture(model, ["residual"], layers=[model.n_layers]) as seen:
        run = model.logits if speaks else model.forward
        out = run(batch.tokens, batch.mask)
    residual = seen["residual", model.n_layers][in_batch]
    ends = vectors_of_words(residual, pieces[:, None])[:, 0]
    log_p = out.float().log_softmax(-1) if speaks and out is not None else None
    return _Ran(ends.double().cpu().numpy(), log_p)


@contextmanager
def _moved_at(
    model: Model,
    below: _skip_blocks.Below,
    pieces: Float[Tensor, "example pos"],
    in_batch: Int[ndarray, " example"],
    shift: Float[Tensor, "example dim"],
) -> Generator[None]:
    """Passes that begin at a layer, with all pieces of each word moved alike there."""

    def move(residual: Tensor, _: Site) -> Tensor:
        moved = residual.clone()
        for example, k in enumerate(in_batch):
            moved[k] += pieces[example, :, None].to(residual) * shift[example].to(residual)
        return moved

    going_on = (
        _skip_blocks.resumed(model, below) if _skip_blocks.can_resume(model) else nullcontext()
    )
    with going_on, hooks.edit(model, "residual", move, layers=[below.layer]):
        yield


def _divergence(
    clean: Float[Tensor, "batch pos entry"],
    changed: Float[Tensor, "batch pos entry"],
    mask: Int[Tensor, "batch pos"],
    in_batch: Int[ndarray, " example"],
    last: Int[Tensor, " example"],
) -> Float[ndarray, " example"]:
    """Mean over the tokens from each word's last piece on, in nats; these predict what follows it."""
    each = (clean.exp() * (clean - changed)).sum(-1)[in_batch]
    after = torch.arange(each.shape[1], device=each.device) >= last[:, None]
    counts = after * mask[in_batch]
    return ((each * counts).sum(1) / counts.sum(1).clamp(min=1)).double().cpu().numpy()


@dataclass(frozen=True, eq=False)
class _Readers:
    """Class means at the end of the clean model, of what each fold fits.

    Attributes:
        fold: In which fold an example is scored; -1 if in none.
        fitted: One classifier for each fold.
        codes: Labels.
    """

    fold: Int[ndarray, " example"]
    fitted: list[CentroidClassifier]
    codes: Int[ndarray, " example"]

    @staticmethod
    def fit(
        ends: Float[ndarray, "example dim"], codes: Int[ndarray, " example"], divided: Folds
    ) -> "_Readers":
        fold = np.full(len(codes), -1)
        fitted: list[CentroidClassifier] = []
        for number, (train, test) in enumerate(divided.splits):
            fold[test] = number
            fitted.append(CentroidClassifier().fit(ends[train], codes[train]))
        return _Readers(fold, fitted, codes)

    def margins(
        self, vectors: Float[ndarray, "some_examples dim"], rows: Int[ndarray, " some_examples"]
    ) -> Float[ndarray, " some_examples"]:
        """Cosine to the mean of the own class less the largest to another."""
        found = np.empty(len(rows))
        for i, (vector, row) in enumerate(zip(vectors, rows, strict=True)):
            reader = self.fitted[self.fold[row]]
            cosines = reader.directions @ vector / max(float(np.linalg.norm(vector)), TINY)
            is_own = reader.classes == self.codes[row]
            found[i] = cosines[is_own].item() - cosines[~is_own].max()
        return found


@dataclass(frozen=True, eq=False)
class _Following:
    """Tokens that follow the word under one label only.

    Attributes:
        tokens: Of each label.
        codes: Labels.
        usable: Examples that are followed by one of these.
    """

    tokens: list[list[int]]
    codes: Int[ndarray, " example"]
    usable: ndarray

    def right(
        self, log_p: Float[Tensor, "some_examples entry"], rows: Int[ndarray, " some_examples"]
    ) -> Float[ndarray, " some_examples"]:
        """Whether the tokens of the own label are together the most probable; NaN where they do not follow."""
        mass = torch.stack([log_p[:, own].logsumexp(-1) for own in self.tokens], dim=1)
        hits = (mass.argmax(1).cpu().numpy() == self.codes[rows]).astype(float)
        return np.where(self.usable[rows], hits, np.nan)


def _following(examples: Examples) -> _Following | None:
    """The first token of the next word, where it stands under one label alone and in several groups.

    None where most sentences have no such word, so that behaviour cannot be judged by it.
    """
    groups_of: dict[int, set[int]] = {}
    labels_of: dict[int, set[int]] = {}
    nexts: list[int | None] = []
    for i, word, code, group in zip(
        examples.sentences, examples.positions, examples.codes, examples.groups, strict=True
    ):
        alignment = examples.alignments[i]
        at = alignment.words.index(int(word) + 1) if int(word) + 1 in alignment.words else None
        token = None if at is None else alignment.tokens[at]
        nexts.append(token)
        if token is not None:
            groups_of.setdefault(token, set()).add(int(group))
            labels_of.setdefault(token, set()).add(int(code))
    telling = {t for t in groups_of if len(groups_of[t]) > 1 and len(labels_of[t]) == 1}
    tokens = [
        sorted(t for t in telling if code in labels_of[t]) for code in range(len(examples.labels))
    ]
    usable = np.array([token in telling for token in nexts])
    if usable.mean() < 0.5 or not all(tokens):
        return None
    return _Following(tokens, examples.codes, usable)
