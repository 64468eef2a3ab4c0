"""Source tokens of each contribution: `pattern * v W_O` along the direction, key by key.

The direction is pulled back through the norms between the head and where it lies, so that only numbers per key and
head are computed, not vectors.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy import ndarray

from headwise.activations import hooks
from headwise.activations.sites import on_side
from headwise.data.suite import Suite
from headwise.directions._measuring import Sample
from headwise.errors import HeadwiseError
from headwise.probing.labelled_words import Examples

from .components import Component, Recorder
from .word_positions import batches_of, check_places

SOURCES = ("the word itself", "key words", "no word", "other words")
MOST_WORDS = 12  # of each head
LEAST = 2  # occurrences of a word, so that one sentence is not taken for a habit


def trace(
    recorder: Recorder,
    suite: Suite,
    sample: Sequence[Sample],
    heads: Sequence[Sequence[Component]],
    keys: str | Sequence[Sequence[int]] | None,
) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """For each direction along which the same words are measured, tables of sources and of words, as in `DirectionTestResult`.

    Raises:
        HeadwiseError: Key words outside a sentence, or an unknown relation.
    """
    examples = sample[0].examples
    key_words = _key_words(suite, examples, keys)
    by_source = [np.zeros((len(own), len(SOURCES), len(examples.codes))) for own in heads]
    by_word: list[list[dict[str, list[float]]]] = [[defaultdict(list) for _ in own] for own in heads]  # fmt: skip
    for word, contributions in _by_key(recorder, sample, heads):
        i, at = int(examples.sentences[word]), int(examples.positions[word])
        said = suite.sentences[i].words
        source = np.full(len(said), 3)
        source[sorted(key_words[word])] = 1
        source[at] = 0
        for q, of_heads in enumerate(contributions):
            sign = 1.0 if sample[q].codes[word] else -1.0
            for h, own in enumerate(of_heads):  # what no word has comes last
                by_source[q][h, 2, word] = own[-1]
                for kind in (0, 1, 3):
                    by_source[q][h, kind, word] = own[: len(said)][source == kind].sum()
                for key, contribution in enumerate(own[: len(said)]):
                    by_word[q][h][said[key].lower()].append(sign * float(contribution))
    return [
        (_table(heads[q], by_source[q], a), _all_words(heads[q], by_word[q]))
        for q, a in enumerate(sample)
    ]


def _key_words(
    suite: Suite, examples: Examples, keys: str | Sequence[Sequence[int]] | None
) -> list[set[int]]:
    """Key words of each word that is read."""
    if keys is not None and not isinstance(keys, str):
        check_places(suite, keys)
        return [set(keys[int(i)]) for i in examples.sentences]
    if isinstance(keys, str) and keys not in suite.relations:
        known = ", ".join(suite.relations) or "none"
        raise HeadwiseError(
            f"keys={keys!r} is no relation of the suite {suite.name!r}, which has: {known}. Places of words can be given in its stead."
        )
    found: list[set[int]] = []
    for i, at in zip(examples.sentences, examples.positions, strict=True):
        links = [k for k in suite.sentences[int(i)].links if keys in (None, k.relation)]
        own = {k.dependent for k in links if k.governor == at}
        found.append(own | {k.governor for k in links if k.dependent == at})
    return found


def _by_key(
    recorder: Recorder, sample: Sequence[Sample], heads: Sequence[Sequence[Component]]
) -> Iterator[tuple[int, list[Float[ndarray, "head key"]]]]:
    """Contributions to each word by direction, head and key word; the last column is what comes from tokens of no word."""
    if not any(heads):
        return
    model, wiring = recorder.model, recorder.wiring
    side = wiring.stack.side
    pattern, v = (on_side(side, name) for name in ("pattern", "v"))
    layers = sorted({cast(int, head.layer) for own in heads for head in own})
    readers = [torch.from_numpy(a.readers).float().to(model.device) for a in sample]
    places = sample[0].words
    for batch, in_batch, chosen in batches_of(model, places, "tracing contributions"):
        pieces = batch.pieces[in_batch, places.positions[chosen]]
        word, tokens = pieces.nonzero(as_tuple=True)
        rows = torch.from_numpy(in_batch).to(word.device)[word]
        with hooks.capture(model, [pattern, v], layers=layers) as seen:
            given = recorder.see(batch, rows, tokens)
        # From tokens to words: the read word is the mean of its pieces, and what it reads from is summed.
        mean = (pieces.new_zeros((len(chosen), len(word)))).index_put_(
            (word, torch.arange(len(word), device=word.device)), pieces.new_ones(())
        )
        mean = mean / mean.sum(1, keepdim=True)
        own = batch.pieces[in_batch].float()
        both: list[ndarray] = []
        for of_heads, reader in zip(heads, readers, strict=True):
            at = given.pulled(reader[torch.from_numpy(chosen).to(word.device)[word]])
            found = torch.empty(
                (len(word), len(of_heads), batch.tokens.shape[1]),
                device=word.device,
                dtype=torch.float32,
            )
            for h, head in enumerate(of_heads):
                layer, number = cast(int, head.layer), cast(int, head.head)
                attention = wiring.stack.attention[layer]
                values = seen[v, layer]
                of_group = number // (attention.n_heads // values.shape[2])
                up = at[layer, "attention"] @ attention.W_O[number].float().T
                along = torch.einsum("td,tkd->tk", up, values[rows, :, of_group].float())
                found[:, h] = along * seen[pattern, layer][rows, number, tokens].float()
            of_word = torch.einsum("wt,thk->whk", mean, found)
            to_words = torch.einsum("whk,wnk->whn", of_word, own)
            rest = (of_word * (1 - own.sum(1, keepdim=True))).sum(-1, keepdim=True)
            both.append(torch.cat([to_words, rest], dim=-1).cpu().numpy())
        for k, number in enumerate(chosen):
            yield int(number), [values[k] for values in both]


def _table(
    heads: Sequence[Component], by_source: Float[ndarray, "head source word"], sample: Sample
) -> pd.DataFrame:
    rows: list[tuple[object, ...]] = []
    for head, values in zip(heads, by_source, strict=True):
        found = sample.difference(values)
        whole = found.value.sum() or np.nan
        for k, source in enumerate(SOURCES):
            own = (head.name, head.layer, head.head, source)
            rows.append((*own, found.value[k], found.low[k], found.high[k], found.value[k] / whole))
    columns = ["name", "layer", "head", "source", "effect", "effect_low", "effect_high", "share"]
    return pd.DataFrame(rows, columns=columns)


def _all_words(
    heads: Sequence[Component], by_word: Sequence[dict[str, list[float]]]
) -> pd.DataFrame:
    if not heads:
        return pd.DataFrame(columns=["name", "word", "occurrences", "contribution"])
    return pd.concat([_words(head, own) for head, own in zip(heads, by_word, strict=True)])


def _words(head: Component, own: dict[str, list[float]]) -> pd.DataFrame:
    """The words with the largest mean contribution."""
    rows = [
        {
            "name": head.name,
            "word": word,
            "occurrences": len(values),
            "contribution": float(np.mean(values)),
        }
        for word, values in own.items()
        if len(values) >= LEAST
    ]
    table = pd.DataFrame(rows, columns=["name", "word", "occurrences", "contribution"])
    return table.sort_values("contribution", ascending=False).head(MOST_WORDS)
