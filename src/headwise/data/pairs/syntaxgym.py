"""SyntaxGym: items in several conditions, with predictions of where a region is less of a surprise (Gauthier, Hu, Wilcox, Qian and Levy 2020).

A prediction that compares one region of two conditions is a minimal pair: the words before the region in the condition in which it should surprise less are the clean sentence. Where what comes is
the same in both, the words before it differ, and the pair has no wrong answer; where it differs and the words before it do not, another condition serves as the corrupted sentence.
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from headwise._files import read_text
from headwise.data._words import split_words
from headwise.data.sentence import Pair, Sentence
from headwise.data.suite import Suite
from headwise.errors import BadSuite

from ._matching import Prompt, matched, suite_of

FORMULA = re.compile(r"[(\s]*\(\s*(\d+)\s*;\s*%([^%]+)%\s*\)\s*([<>])\s*\(\s*(\d+)\s*;\s*%([^%]+)%\s*\)[)\s]*")  # fmt: skip
Regions = dict[int, str]


def read(path: Path) -> Suite:
    """A SyntaxGym suite as minimal pairs.

    Raises:
        BadSuite: It is not JSON or not of this format, a prediction names a condition or a region that is not there, or no prediction gives a pair.
    """
    try:
        data: Any = json.loads(read_text(path))
        predictions = [_prediction(p) for p in data["predictions"]]
        items = [(item["item_number"], _conditions(item)) for item in data["items"]]
        name = str(data["meta"]["name"])
    except json.JSONDecodeError as error:
        raise BadSuite(f"{path}:{error.lineno}: not JSON ({error.msg}).") from error
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise BadSuite(f"{path}: not a SyntaxGym suite: {type(error).__name__} {str(error)[:80]}. It has meta, predictions and items, with conditions of regions.") from error  # fmt: skip
    known = [p for p in predictions if p is not None]
    pairs: list[Pair] = []
    n_left = 0
    for number, conditions in items:
        prompts: list[Prompt] = []
        for region, low, high in known:
            if lacking := [c for c in (low, high) if region not in conditions.get(c, {})]:
                raise BadSuite(f"{path}: item {number}: no region {region} in a condition {lacking[0]!r}, which a prediction names.")  # fmt: skip
            (before, right), (other, wrong) = (_split(conditions[c], region) for c in (low, high))
            same = conditions[low][region].split() == conditions[high][region].split()
            if (
                not right
                or not wrong
                or not split_words(before)[0]
                or (right == wrong and not same)
            ):
                n_left += 1  # what differs comes after the first word
            elif right == wrong and before != other:
                a, b = (Sentence.of(text) for text in (before, other))
                pairs += [_grouped(Pair(a, b), number)] if len(a.words) == len(b.words) else []
                n_left += len(a.words) != len(b.words)
            elif right != wrong and before == other:
                prompts.append(Prompt(Sentence.of(before), right, wrong))
            else:
                n_left += 1
        own, n_alone = matched(prompts)
        pairs += [_grouped(pair, number) for pair in own]
        n_left += n_alone
    if not pairs:
        raise BadSuite(f"{path}: none of its predictions compares one region of two conditions that differ in as many words before it, so there are no minimal pairs.")  # fmt: skip
    many = f" {len(predictions) - len(known)} predictions are sums or chains, and {n_left} comparisons have no counterpart of as many words; they are left out."  # fmt: skip
    about = (
        f"Items of the SyntaxGym suite {name}, up to the region that a prediction compares.{many}"
    )
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_.-") or path.stem
    return suite_of(path, plain, pairs, about)


def _prediction(given: Any) -> tuple[int, str, str] | None:
    """Region, the condition in which it surprises less, and the other; None for what compares anything else."""
    if "relation" in given:
        if given["relation"] not in ("greaterthan", "lessthan"):
            return None
        more = given["relation"] == "greaterthan"
        sides = (str(given["l_operand"]), str(given["r_operand"]))
        region = int(given["region_number"])
    elif match := FORMULA.fullmatch(str(given.get("formula", ""))):
        if match[1] != match[4]:
            return None
        region, more, sides = int(match[1]), match[3] == ">", (match[2], match[5])
    else:
        return None
    return (region, *(reversed(sides) if more else sides))  # pyright: ignore[reportReturnType]


def _conditions(item: Any) -> dict[str, Regions]:
    return {
        str(c["condition_name"]): {int(r["region_number"]): str(r["content"]) for r in c["regions"]}
        for c in cast(list[Any], item["conditions"])
    }


def _split(regions: Regions, at: int) -> tuple[str, str]:
    """The words before a region, and its first word."""
    before = " ".join(regions[n].strip() for n in sorted(regions) if n < at and regions[n].strip())
    words, _ = split_words(regions[at])
    return before, words[0] if words else ""


def _grouped(pair: Pair, item: object) -> Pair:
    a, b = (replace(s, group=str(item)) for s in (pair.clean, pair.corrupted))
    return Pair(a, b, pair.right, pair.wrong)
