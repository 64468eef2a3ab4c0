"""Looks, carries, matters, moves: what is known of each head, side by side.

Each kind says `yes`, `no` or `unclear` of every head by a rule of its own, stated at the function. A head that looks and
does not matter is a finding; a head of which nothing is said was not asked.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy import ndarray

from .ablation import AblationResult
from .comparison import LEVEL
from .directions.collecting import CollectResult
from .directions.pushes import DirectionResult
from .probing import Key, ProbeResult
from .questions import Direction
from .relations import RelationResult
from .suites import Link, Mark, Sentence, Suite

YES, NO, UNCLEAR = "yes", "no", "unclear"
LITTLE = 0.05  # of the intact metric: a head that costs less, with 95% confidence, does not matter
WORTH = 0.01  # of a distance: a head that adds less is not said to move anything
KINDS = ("looks", "carries", "matters", "moves")


def looks(result: RelationResult, direction: Direction) -> pd.DataFrame:
    """Whether each head looks, by the verdict of the relation test.

    Returns:
        One row per head: `layer`, `head`, `looks`, and `looks_effect` over the best rule that knows no model.
    """
    rows = result.table[result.table["direction"] == direction]
    said = {"supported": YES, "not supported": NO}
    return pd.DataFrame(
        {
            "layer": rows["layer"],
            "head": rows["head"],
            "looks": [said.get(str(verdict), UNCLEAR) for verdict in rows["verdict"]],
            "looks_effect": rows["effect"],
        }
    ).reset_index(drop=True)


def carries(
    result: ProbeResult,
    classifier: str,
    against: tuple[Key, str],
    site: str = "z",
) -> pd.DataFrame:
    """Whether a label can be read from what each head hands over, better than from the baseline.

    `yes` if the interval of the difference in balanced accuracy lies above zero and p over everything probed, against shuffled
    labels, is below 5%; `no` if the interval lies at or below zero.

    Returns:
        One row per head: `layer`, `head`, `carries`, `carries_accuracy` (balanced) and `carries_gain` over the baseline.
    """
    rows = result.table[(result.table["site"] == site) & (result.table["classifier"] == classifier)]
    everything = result.truth >= 0
    found: list[dict[str, object]] = []
    records: list[dict[str, Any]] = rows.to_dict(orient="records")  # pyright: ignore
    for row in records:
        key = (site, int(row["layer"]), int(row["head"]))
        gain = result.gain(key, classifier, against, everything)
        is_found = gain.low > 0 and row["p_family"] < LEVEL
        found.append(
            {
                "layer": key[1],
                "head": key[2],
                "carries": YES if is_found else NO if gain.high <= 0 else UNCLEAR,
                "carries_accuracy": row["balanced_accuracy"],
                "carries_gain": gain.value,
            }
        )
    return pd.DataFrame(found)


def matters(result: AblationResult, metric: str | None = None, side: str = "") -> pd.DataFrame:
    """Whether the model needs each head, by all ways of cutting it together.

    `yes` if in every way the interval of the cost lies above zero and p over all heads and ways is below 5%; `no` if in every
    way it lies below 5% of the intact metric; else `unclear`.

    Returns:
        One row per head: `layer`, `head`, `matters`, `matters_share`, the mean cost as a share of the intact metric, averaged over
        the ways, and `matters_disagree`, whether the ways disagree.
    """
    name = metric or result.metrics[0]
    intact = float(result.intact[name].mean())
    found: list[dict[str, object]] = []
    for cut, (head, *_) in result.cuts.items():
        if head.side != side:
            continue
        own = [result.row(cut, how, name) for how in result.hows]
        needed = all(row["low"] > 0 and row["p_family"] < LEVEL for row in own)
        spared = all(row["high"] < LITTLE * intact for row in own)
        found.append(
            {
                "layer": head.layer,
                "head": head.head,
                "matters": YES if needed else NO if spared else UNCLEAR,
                "matters_share": float(np.mean([row["cost"] for row in own])) / intact,
                "matters_disagree": YES if bool(own[0]["disagree"]) else NO,
            }
        )
    return pd.DataFrame(found)


def moves(results: Sequence[DirectionResult]) -> pd.DataFrame:
    """Whether each head's update pushes words towards what they mean, along one direction or several.

    `yes` if along one of the directions it adds 1% of the distance or more, the interval of its effect lies above zero, p over all heads, MLPs and directions (times the
    number of directions) is below 5% against shuffled labels, and so is p against random directions; `no` if along every direction the
    interval lies below 5% of the whole distance; else `unclear`.

    Returns:
        One row per head: `layer`, `head`, `moves`, `moves_share`, its largest share of a distance, and `moves_towards`, of which class.
    """
    heads = [(c.layer, c.head) for c in results[0].components if c.kind == "head"]
    found: list[dict[str, object]] = []
    for layer, head in heads:
        own: list[dict[str, Any]] = [dict(r.row(f"L{layer}H{head}")) for r in results]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownArgumentType]
        pushes = [
            row["low"] > 0 and row["share"] >= WORTH and len(results) * row["p_family"] < LEVEL and len(results) * row["p_random"] < LEVEL
            for row in own
        ]  # fmt: skip
        spared = all(row["high"] < LITTLE * r.total for row, r in zip(own, results, strict=True))
        best = max(range(len(own)), key=lambda i: (pushes[i], own[i]["share"]))
        found.append(
            {
                "layer": layer,
                "head": head,
                "moves": YES if any(pushes) else NO if spared else UNCLEAR,
                "moves_share": float(own[best]["share"]),
                "moves_towards": results[best].between[0],
            }
        )
    return pd.DataFrame(found)


def collects(result: CollectResult) -> pd.DataFrame:
    """Whether each head's update moves a word along the images of the words that it is linked to.

    `yes` if the interval of the difference between own and other words lies above zero and p over all heads is below 5%; `no` if the
    interval lies at or below zero; else `unclear`.

    Returns:
        One row per head: `layer`, `head`, `moves`, and `moves_cosine`, the difference.
    """
    t = result.table
    said = [
        YES if low > 0 and p < LEVEL else NO if high <= 0 else UNCLEAR
        for low, high, p in zip(t["low"], t["high"], t["p_family"], strict=True)
    ]
    return pd.DataFrame(
        {"layer": t["layer"], "head": t["head"], "moves": said, "moves_cosine": t["effect"]}
    )


def side_by_side(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """What is known of each head in one row; kinds that were not asked are left out.

    Returns:
        Columns `name` (`L2H8`), `layer`, `head`, and those of the frames.
    """
    merged = reduce(lambda a, b: a.merge(b, on=["layer", "head"], how="outer"), frames)
    names = [f"L{la}H{h}" for la, h in zip(merged["layer"], merged["head"], strict=True)]
    merged.insert(0, "name", names)
    return merged


def where(heads: pd.DataFrame, **asked: str) -> list[str]:
    """Names of the heads of which all that is asked is so, as `where(heads, looks='yes', matters='no')`."""
    chosen: Bool[ndarray, " head"] = np.ones(len(heads), dtype=bool)
    for kind, said in asked.items():
        chosen &= (heads[kind] == said).to_numpy() if kind in heads else False
    return [str(name) for name in heads["name"].to_numpy()[chosen]]


def cues(suite: Suite) -> Suite:
    """Both sentences of every pair, with links of the relation `cue`: from what decides (dependent) to what needs it (governor).

    The pairs' own links, or if they have none those from each swapped word to the one that is read (see `metrics`).
    """
    found: list[Sentence] = []
    for pair in suite.pairs:
        for sentence in (pair.clean, pair.corrupted):
            read = max((mark.word for mark in sentence.marks), default=len(sentence.words) - 1)
            swapped = [word for word in pair.changed if word != read]
            links = tuple(Link(link.dependent, link.governor, "cue") for link in sentence.links)
            links = links or tuple(Link(word, read, "cue") for word in swapped)
            found.append(replace(sentence, links=links))
    return _suite(suite, "cues", found)


def described_or_bare(suite: Suite, relation: str = "amod") -> Suite:
    """Nouns with their adjectives, and the same sentences with these left out, marked as one or the other.

    Only of adjectives that stand right before their noun, or before another of it; *an* becomes *a* and the other way round where
    the next word asks for it.
    """
    found: list[Sentence] = []
    for sentence in suite.sentences:
        nouns: dict[int, set[int]] = {}
        for link in sentence.links:
            if link.relation == relation:
                nouns.setdefault(link.governor, set()).add(link.dependent)
        for noun, adjectives in nouns.items():
            if adjectives == set(range(noun - len(adjectives), noun)):
                found += [
                    replace(sentence, marks=(Mark(noun, "described"),)),
                    _bare(sentence, noun, len(adjectives)),
                ]
                break  # one noun of each sentence, so that none is seen twice
    return _suite(suite, "described or bare", found)


def _bare(sentence: Sentence, noun: int, n: int) -> Sentence:
    kept = [i for i in range(len(sentence.words)) if not noun - n <= i < noun]
    words = [sentence.words[i] for i in kept]
    at = noun - n
    if at > 0 and words[at - 1].lower() in ("a", "an"):
        article = words[at - 1][0] + ("n" if words[at][0].lower() in "aeiou" else "")
        words[at - 1] = article
    if at == 0:
        words[0] = words[0].capitalize()
    return replace(
        sentence,
        words=tuple(words),
        spaces=tuple(sentence.spaces[i] for i in kept),
        tags=tuple(sentence.tags[i] for i in kept) if sentence.tags else (),
        marks=(Mark(at, "bare"),),
        links=(),
    )


def _suite(suite: Suite, what: str, sentences: Sequence[Sentence]) -> Suite:
    return Suite(
        f"{suite.name}: {what}",
        suite.question,
        tuple(sentences),
        license=suite.license,
        about=suite.about,
    )
