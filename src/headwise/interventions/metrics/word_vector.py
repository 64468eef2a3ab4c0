"""Metrics of a marked word's final vector: a read-out, as a probe is, and no behaviour."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from headwise.data.suite import Sentence, Suite
from headwise.errors import HeadwiseError
from headwise.interventions._replacing.replacements import read_all, starts_of
from headwise.interventions.prompts import Prompts
from headwise.model.model import Model
from headwise.probing.linear_probe import Probe

from .base import Reading, Seen

ENDS: dict[str, str] = {
    "margin": "read-out: cosine of the word's final vector with the mean of its own label, minus that with the other (means of other groups)",
    "contrast": "read-out: position of the word's final vector between the corrupted sentence (0) and the clean one (1)",
    "shift": "read-out: distance of the word's final vector from that in the clean model (1 - cosine)",
}
TINY = 1e-12


def read_words(prompts: Prompts) -> list[int]:
    """Of each sentence the word that is read: the last marked one, or the last of all."""
    return [
        max((mark.word for mark in sentence.marks), default=len(sentence.words) - 1)
        for sentence in prompts.sentences
    ]


def pieces_of(prompts: Prompts, chosen: Sequence[int]) -> dict[int, list[int]]:
    """By row, the pieces of its sentence's word; only the first row of each sentence.

    Raises:
        HeadwiseError: A word without a token of its own.
    """
    found: dict[int, list[int]] = {}
    for i, (row, _) in enumerate(prompts.ends):
        found[row] = [at for at, word in enumerate(prompts.rows[row].words) if word == chosen[i]]
        if not found[row]:
            sentence = prompts.sentences[i]
            raise HeadwiseError(
                f"{sentence.source}: the word {sentence.words[chosen[i]]!r} has no token of its own, so it cannot be read."
            )
    return found


def end_site(model: Model) -> tuple[str, int]:
    """The end of the stream that reads the sentence."""
    return ("residual" if len(model.stacks) == 1 else "encoder.residual"), len(
        model.stacks[0].blocks
    )


def _of_words(
    name: str,
    model: Model,
    prompts: Prompts,
    site: tuple[str, int],
    value: Callable[[int, Tensor, Tensor], Tensor],
    says: str,
    *,
    rises: bool = False,
    flips: bool = False,
    has_sign: bool = True,
) -> Reading:
    """A metric of the word's vector: `value(sentence, vectors [copy, d_model], clean [d_model])`."""
    pieces = pieces_of(prompts, read_words(prompts))

    def read(seen: Seen) -> Tensor:
        stream = seen.sites[site]
        before = (seen.clean or seen).sites[site]
        zero = torch.zeros(stream.shape[1], device=stream.device, dtype=torch.float32)
        found = [zero] * len(seen.rows)
        for k, row in enumerate(seen.rows):
            if row in pieces:
                vectors = stream[k, :, pieces[row]].float().mean(1)
                clean = before[k, 0, pieces[row]].float().mean(0)
                found[k] = value(prompts.owners[row], vectors, clean)
        return torch.stack(found)

    return Reading(name, read, says, sites=(site,), rises=rises, flips=flips, has_sign=has_sign)


def shift(model: Model, suite: Suite, prompts: Prompts) -> Reading:
    """Distance by which the word has moved."""

    def value(i: int, vectors: Tensor, clean: Tensor) -> Tensor:
        return 1 - torch.cosine_similarity(vectors, clean[None], dim=-1)

    site = end_site(model)
    return _of_words(
        "shift", model, prompts, site, value, ENDS["shift"], rises=True, has_sign=False
    )


def contrast(model: Model, suite: Suite, prompts: Prompts) -> Reading:
    """Where the word is between its two sentences."""
    if not suite.pairs:
        raise HeadwiseError(
            f"'contrast' compares clean and corrupted sentences, and the suite {suite.name!r} has no pairs. Ask for "
            "'shift', or 'margin' if words are marked."
        )
    clean, corrupted = (_ends(model, suite, prompts, of) for of in (False, True))
    way = clean - corrupted
    length = (way**2).sum(-1)
    if bool((length < TINY).any()):
        i = int((length < TINY).nonzero()[0])
        raise HeadwiseError(
            f"In {suite.pairs[i].clean.text[:40]!r}... the marked word ends in one place whether the sentence is clean or "
            "corrupted, so there is no difference to measure along, and an intervention cannot be seen from it."
        )

    def value(i: int, vectors: Tensor, clean: Tensor) -> Tensor:
        at = (vectors - corrupted[i].to(vectors)) @ way[i].to(vectors)
        return at / length[i].to(vectors)

    return _of_words("contrast", model, prompts, end_site(model), value, ENDS["contrast"])


def _ends(
    model: Model, suite: Suite, tested: Prompts, corrupted: bool
) -> Float[Tensor, "sentence d_model"]:
    """The final vector of each sentence's word in the clean model, in rows such as the tested ones."""
    prompts = Prompts.of(model, suite, answers=bool(tested.right), corrupted=corrupted)
    site, layer = end_site(model)
    side = "encoder" if site.startswith("encoder") else ""
    place = ("residual", side, layer)
    stream = read_all(model, prompts, [place])[place].float()
    starts = starts_of(prompts.rows)
    pieces = pieces_of(prompts, read_words(prompts))
    return torch.stack(
        [stream[int(starts[r]) + np.array(pieces[r])].mean(0) for r, _ in prompts.ends]
    )


def is_labelled(suite: Suite) -> bool:
    """Whether the label of a word differs between the sentences of every pair."""
    return all(p.clean.marks and label_of(p.clean) != label_of(p.corrupted) for p in suite.pairs)


def label_of(sentence: Sentence) -> str:
    """The label of the last marked word."""
    return max(sentence.marks, key=lambda mark: mark.word).label if sentence.marks else ""


def margin(model: Model, suite: Suite, prompts: Prompts) -> Reading:
    """How much nearer the word is to its own label's mean."""
    by_pair = bool(suite.pairs) and is_labelled(suite)
    sentences = [*prompts.sentences]
    ends = _ends(model, suite, prompts, False)
    if suite.pairs:
        others = [pair.corrupted for pair in suite.pairs]
        ends = torch.cat([ends, _ends(model, suite, prompts, True)])
        sentences = [*(pair.clean for pair in suite.pairs), *others]
    labels = [label_of(sentence) for sentence in sentences]
    names = sorted(set(labels) - {""})
    if len(names) < 2:
        raise HeadwiseError(
            f"'margin' is between labels of the marked word, and the suite {suite.name!r} has {len(names)}. Ask for "
            "'contrast' (pairs) or 'shift'."
        )
    groups = [sentence.group for sentence in sentences]
    of_label = torch.tensor([names.index(n) if n else -1 for n in labels])
    means: dict[str, Tensor] = {}
    for group in dict.fromkeys(groups):
        unseen = torch.tensor([g != group for g in groups])
        each = [ends[unseen & (of_label == k)] for k in range(len(names))]
        if any(len(vectors) == 0 for vectors in each):
            name = names[[len(vectors) for vectors in each].index(0)]
            raise HeadwiseError(
                f"The label {name!r} occurs in the group {group!r} alone, so no other sentences say where such words end. "
                "Add groups with it."
            )
        means[group] = normalize(torch.stack([v.mean(0) for v in each]), dim=-1)
    n = len(prompts.sentences)
    own = [names.index(name) if name else -1 for name in labels]

    def value(i: int, vectors: Tensor, clean: Tensor) -> Tensor:
        cosines = normalize(vectors, dim=-1) @ means[groups[i]].to(vectors).T
        if by_pair:
            return cosines[:, own[i]] - cosines[:, own[i + n]]
        rest = [k for k in range(len(names)) if k != own[i]]
        return cosines[:, own[i]] - cosines[:, rest].max(-1).values

    return _of_words("margin", model, prompts, end_site(model), value, ENDS["margin"], flips=True)


def of_probe(model: Model, prompts: Prompts, probe: Probe) -> Reading:
    """The margin of a saved probe of the residual stream."""
    probe.require(model)
    if probe.site != "residual":
        raise HeadwiseError(
            f"As a metric a probe reads the residual stream after what is changed; this one is of {probe.place}. Fit one "
            "with headwise.fit_probe(model, suite, layer=...)."
        )
    own = [label_of(sentence) for sentence in prompts.sentences]
    if unknown := sorted(set(own) - set(probe.labels)):
        raise HeadwiseError(
            f"The probe knows the labels {', '.join(probe.labels)}; the suite's marked words also have {unknown[0]!r}."
        )
    weight, bias = (torch.from_numpy(x).float() for x in (probe.weight, probe.bias))

    def value(i: int, vectors: Tensor, clean: Tensor) -> Tensor:
        if probe.classifier == "centroid":
            vectors = normalize(vectors, dim=-1)
        scores = vectors @ weight.to(vectors).T + bias.to(vectors)
        k = probe.labels.index(own[i])
        rest = [j for j in range(len(probe.labels)) if j != k]
        return scores[:, k] - scores[:, rest].max(-1).values

    says = f"how much more the probe at {probe.place} speaks for the word's own {probe.label} than for any other"
    return _of_words("probe", model, prompts, ("residual", probe.layer), value, says, flips=True)
