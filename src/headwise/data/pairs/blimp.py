"""BLiMP: sentences of which one is acceptable, as prompts with a right and a wrong word (Warstadt, Parrish, Liu, Mohananey, Peng, Wang and Bowman 2020).

A line of a paradigm is a JSON object. Lines for the one-prefix method say where the two sentences part: `one_prefix_prefix`, `one_prefix_word_good` and `one_prefix_word_bad`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headwise.data.sentence import Sentence
from headwise.data.suite import Suite
from headwise.errors import BadSuite

from ._matching import Prompt, matched, suite_of

KEYS = ("one_prefix_prefix", "one_prefix_word_good", "one_prefix_word_bad")


def is_blimp(rows: Sequence[tuple[int, dict[str, Any]]]) -> bool:
    """Whether lines are of a paradigm."""
    return bool(rows) and "sentence_good" in rows[0][1]


def read(path: Path, rows: Sequence[tuple[int, dict[str, Any]]]) -> Suite:
    """A paradigm as minimal pairs.

    Args:
        path: The file.
        rows: Its lines, each with its number.

    Raises:
        BadSuite: A line has no prefix or no words after it; or no prompt can be paired with another.
    """
    if len(names := {str(row["UID"]) for _, row in rows if "UID" in row}) > 1:
        raise BadSuite(f"{path}: lines of {len(names)} paradigms ({', '.join(sorted(names))[:80]}). Each is a suite of its own: one file for each.")  # fmt: skip
    prompts: dict[tuple[str, str, str], Prompt] = {}
    for number, row in rows:
        values = [row.get(key) for key in KEYS]
        texts = [value for value in values if isinstance(value, str) and value.strip()]
        if len(texts) != len(KEYS):
            lacking = KEYS[next(i for i, v in enumerate(values) if not isinstance(v, str) or not v.strip())]  # fmt: skip
            raise BadSuite(
                f"{path}:{number}: no {lacking!r}. Paradigms for the one-prefix method have it in every line: one_prefix_method is true. Others compare whole sentences, which have no minimal pairs of prompts."
            )
        prefix, right, wrong = texts
        if right == wrong:
            raise BadSuite(f"{path}:{number}: the good and the bad word are both {right!r}.")
        prompts.setdefault((prefix, right, wrong), Prompt(Sentence.of(prefix), right, wrong))
    pairs, n_left = matched(list(prompts.values()))
    n_twice = len(rows) - len(prompts)
    if not pairs:
        raise BadSuite(
            f"{path}: for none of its {len(prompts)} prompts is there another after which the bad word is the good one, so there are no minimal pairs."
        )
    given = rows[0][1].get("UID")
    name = given if isinstance(given, str) and given else path.stem
    about = (
        f"Prompts of the BLiMP paradigm {name}; the corrupted sentence of each is another prompt after which the bad word is the good one, of as many words where there is one. "
        f"{n_left} of {len(prompts)} prompts have no such other and are left out{f'; {n_twice} lines repeat an earlier one and are read once' if n_twice else ''}."
    )
    return suite_of(path, name, pairs, about)
