"""Looks: does a head attend from one word of a pair to the other?

A relation is a set of word pairs, each a dependent (the adjective) and its governor (the noun). For
every head a pair is a hit in one of three directions:

- `dependent->governor`: of all other words the dependent attends most to its governor;
- `governor->dependent`: of all other words the governor attends most to one of its dependents
  (counted once per governor);
- `column`: of all words the one that attends most to the dependent is its governor.

Attention is between words (summed over a key's pieces, averaged over a query's), special tokens are
left out and a word's attention to itself does not count. Every rate stands beside the best fixed
offset, the rule "look k words away". With `select` the offset is fitted and heads are ranked on one
part of the groups and everything is reported on the other.

One forward pass; no pattern outlives its batch. The methods, and their criticism, are those of
Clark, Khandelwal, Levy and Manning 2019 and Voita, Talbot, Moiseev, Sennrich and Titov 2019.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from . import words
from .errors import HeadwiseError
from .hits import DIRECTIONS, SCOPES, Direction, Hits, Items, Part, Scope
from .models import Model
from .progress import track
from .stats import cluster_bootstrap
from .streaming import batch_size, stream
from .suites import Suite


@dataclass(frozen=True, eq=False)
class RelationResult:
    """What every head does with one relation.

    Attributes:
        model: Name of the model.
        suite: Name of the suite.
        relations: The relations that were tested together.
        items: Hits per direction.
        selected_share: Share of the groups used for choosing; 0 means that nothing was set aside.
        impossible: Per direction, items whose answer a decoder cannot see; they are not counted.
        missing: Pairs left out because a word of theirs is cut off or shares its only token.
        coverage: How words were split and aligned.
        seed: The seed of the split and the intervals.
        table: One row per layer, head and direction, measured on the reporting part: `pairs` and
            `sentences` counted, `hit_rate` (0 to 1, governors for `governor->dependent`),
            `hit_rate_adjacent`, `hit_rate_apart`, `offset` (words, fitted on the selection part),
            `offset_hit_rate`, and `gain` = `hit_rate - offset_hit_rate` with its 95% interval `gain_low`,
            `gain_high` over groups; `selection_hit_rate` is the same rate on the selection part.
    """

    model: str
    suite: str
    relations: tuple[str, ...]
    items: dict[Direction, Items]
    selected_share: float
    impossible: dict[Direction, int]
    missing: int
    coverage: words.Coverage
    seed: int
    table: pd.DataFrame

    def hit_rates(
        self, direction: Direction, part: Part = "all", scope: Scope = "all"
    ) -> Float[ndarray, "layer head"]:
        """Hit rate of every head; NaN where there is nothing to count."""
        items = self.items[direction]
        chosen = items.within(part, scope)
        if not chosen.any():
            return np.full(items.hits.shape[:2], np.nan)
        return items.hits[..., chosen].mean(axis=-1)

    def chosen_heads(self) -> pd.DataFrame:
        """The best head per direction and scope, chosen on one part and reported on the other.

        One row per direction and scope (`all`, `adjacent`, `apart`), as `compare` gives it. Without a
        selection part the choice is made on what is reported, so its rates are biased upwards and
        `chosen_on` is 0.
        """
        rows: list[dict[str, object]] = []
        for direction, items in self.items.items():
            for scope in SCOPES:
                fitted = items.within(self._parts[0], scope)
                if fitted.any() and items.within(self._parts[1], scope).any():
                    rates = items.hits[..., fitted].mean(axis=-1)
                    layer, head = np.unravel_index(int(rates.argmax()), rates.shape)
                    rows.append(self.compare(direction, int(layer), int(head), scope))
        return pd.DataFrame(rows)

    def best_head(self, direction: Direction) -> tuple[int, int] | None:
        """The head that most clearly does more than count words, by the part that choices are made on.

        It is the one whose gain over the best fixed offset is largest where it is smaller: on all
        pairs or on those with words between. None if there is nothing to count.
        """
        items = self.items[direction]
        gains: list[Float[ndarray, "layer head"]] = []
        for scope in ("all", "apart"):
            fitted = items.within(self._parts[0], scope)
            if fitted.any():
                by_offset = items.offset_hits(items.best_offset(fitted))[fitted].mean()
                gains.append(items.hits[..., fitted].mean(axis=-1) - by_offset)
        if not gains or not items.within(self._parts[1], "all").any():
            return None
        worst = np.min(gains, axis=0)
        layer, head = np.unravel_index(int(worst.argmax()), worst.shape)
        return int(layer), int(head)

    def compare(
        self, direction: Direction, layer: int, head: int, scope: Scope = "all"
    ) -> dict[str, object]:
        """One head beside the best fixed offset, on the pairs of one scope.

        The offset is fitted on the selection part of that scope; rates, their difference `gain` and
        its 95% interval over groups are of the reporting part.
        """
        items = self.items[direction]
        fitted, reported = (items.within(part, scope) for part in self._parts)
        offset = items.best_offset(fitted)
        hits = items.hits[layer, head].astype(float)
        by_offset = items.offset_hits(offset).astype(float)
        gain = hits - by_offset
        low, high = cluster_bootstrap(gain[reported], items.group[reported], seed=self.seed)
        return {
            "direction": direction,
            "scope": scope,
            "layer": layer,
            "head": head,
            "chosen_on": int(fitted.sum()) if self.selected_share > 0 else 0,
            "selection_gain": float(_mean(gain[fitted])),
            "pairs": int(reported.sum()),
            "hit_rate": float(_mean(hits[reported])),
            "offset": offset,
            "offset_hit_rate": float(_mean(by_offset[reported])),
            "gain": float(_mean(gain[reported])),
            "gain_low": float(low),
            "gain_high": float(high),
        }

    @property
    def _parts(self) -> tuple[Part, Part]:
        """The part that choices are made on and the part that is reported."""
        return ("select", "report") if self.selected_share > 0 else ("all", "all")


def test_relation(
    model: Model,
    suite: Suite,
    relation: str | Sequence[str],
    select: float = 0.5,
    seed: int = 0,
) -> RelationResult:
    """Tests every head for attention between the words of a relation.

    Args:
        model: The model.
        suite: Sentences with links.
        relation: Name of a relation in `suite.relations`, or several that are pooled.
        select: Share of the groups on which heads and offsets are chosen; the rest is reported. 0
            reports on everything, and then no choice among heads is protected.
        seed: Fixes the split and the intervals.

    Raises:
        HeadwiseError: A relation that the suite lacks, `select` out of range, too few groups to split,
            or a word of a pair that the tokenizer drops.
    """
    relations = (relation,) if isinstance(relation, str) else tuple(relation)
    _validate(suite, relations, select)
    used = [
        (i, sentence)
        for i, sentence in enumerate(suite.sentences)
        if any(link.relation in relations for link in sentence.links)
    ]
    alignments = words.align(model, [sentence for _, sentence in used])
    group_index = {group: i for i, group in enumerate(suite.groups)}
    selected = _selected_groups([group_index[sentence.group] for _, sentence in used], select, seed)
    missing = 0
    pairs: list[list[tuple[int, int]]] = []
    for (_, sentence), alignment in zip(used, alignments, strict=True):
        asked = sorted(
            {
                (link.dependent, link.governor)
                for link in sentence.links
                if link.relation in relations
            }
        )
        visible = [
            pair for pair in asked if all(words.require(sentence, alignment, word) for word in pair)
        ]
        missing += len(asked) - len(visible)
        pairs.append(visible)
    found = Hits(model)
    total = len(alignments)
    seen = stream(model, words.batches(model, alignments), ["pattern"])
    for batch, captured in track(seen, total, "reading heads", batch_size):
        found.add(batch, pairs, captured)
    sentences = np.array([i for i, _ in used])
    groups = np.array([group_index[sentence.group] for _, sentence in used])
    items: dict[Direction, Items] = {
        direction: found.items(direction, sentences, groups, selected) for direction in DIRECTIONS
    }
    return RelationResult(
        model=model.name,
        suite=suite.name,
        relations=relations,
        items=items,
        selected_share=select,
        impossible=found.impossible,
        missing=missing,
        coverage=words.coverage(alignments),
        seed=seed,
        table=_table(items, select, seed),
    )


# pytest collects functions called test_*; this one is not a test.
test_relation.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]


def _validate(suite: Suite, relations: Sequence[str], select: float) -> None:
    if not 0 <= select < 1:
        raise HeadwiseError(
            f"select={select} is not a share of the groups; expected 0 <= select < 1."
        )
    if not suite.relations:
        raise HeadwiseError(
            f"The suite {suite.name!r} links no words, so no relation can be tested on it. Links are "
            "written [blue|amod>1] [creature|noun#1]; see docs/suites.md."
        )
    for relation in relations:
        if relation not in suite.relations:
            close = get_close_matches(relation, suite.relations, n=3, cutoff=0)
            raise HeadwiseError(
                f"The suite {suite.name!r} has no relation {relation!r}. Nearest: {', '.join(close)}."
            )


def _selected_groups(groups: Sequence[int], select: float, seed: int) -> set[int]:
    """Draws the groups of the selection part."""
    names = sorted(set(groups))
    if select == 0:
        return set()
    n_selected = round(len(names) * select)
    if n_selected == 0 or n_selected == len(names):
        raise HeadwiseError(
            f"The sentences come from {len(names)} group(s), too few to choose heads on a share of "
            f"{select} of them and report on the others. Add groups, or pass select=0."
        )
    order = np.random.default_rng(seed).permutation(names)
    return {int(group) for group in order[:n_selected]}


def _table(items: dict[Direction, Items], select: float, seed: int) -> pd.DataFrame:
    """One row per layer, head and direction, on the reporting part."""
    parts: tuple[Part, Part] = ("select", "report") if select > 0 else ("all", "all")
    fitted_part, part = parts
    frames: list[pd.DataFrame] = []
    for direction, found in items.items():
        n_layers, n_heads = found.hits.shape[:2]
        chosen = {scope: found.within(part, scope) for scope in SCOPES}
        everything = chosen["all"]
        rates = {scope: _mean(found.hits[..., mask]).ravel() for scope, mask in chosen.items()}
        selection = _mean(found.hits[..., found.within("select", "all")])
        offset = found.best_offset(found.within(fitted_part, "all"))
        by_offset = found.offset_hits(offset)[everything]
        gains = found.hits[..., everything].astype(float) - by_offset
        low, high = cluster_bootstrap(gains, found.group[everything], seed=seed)
        layers, heads = np.divmod(np.arange(n_layers * n_heads), n_heads)
        frames.append(
            pd.DataFrame(
                {
                    "layer": layers,
                    "head": heads,
                    "direction": direction,
                    "pairs": int(everything.sum()),
                    "sentences": len(np.unique(found.sentence[everything])),
                    "hit_rate": rates["all"],
                    "hit_rate_adjacent": rates["adjacent"],
                    "hit_rate_apart": rates["apart"],
                    "offset": offset,
                    "offset_hit_rate": float(_mean(by_offset)),
                    "gain": _mean(gains).ravel(),
                    "gain_low": low.ravel(),
                    "gain_high": high.ravel(),
                    "selection_hit_rate": selection.ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _mean(values: ndarray) -> ndarray:
    """Mean over the last axis; NaN, not a warning, where it is empty."""
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan)
    return np.asarray(values.mean(axis=-1))
