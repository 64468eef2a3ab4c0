"""Mysteries: what clears, and what points to the murderer."""

from collections import Counter

from headwise.burrow.grammar.lexicon import load
from headwise.burrow.grammar.passages import PHENOMENA, write
from helpers.passages import N, writers


def test_what_a_mystery_proves():
    """Alibis clear everybody but the murderer, and a trace points to the murderer's trait."""
    story = load().people["mystery"]
    alibis = {" ".join(word for word, _ in alibi) for alibi in story["alibis"]}
    ways = Counter()
    for i in range(N):
        w = write(PHENOMENA["mysteries"], f"test {i}")
        if w.group == "trace only":
            continue
        murderer = w.words[-2]
        (point,) = (p for p in w.points if p.kind == "murderer")
        suspects = {murderer, *point.wrong}
        text = " ".join(w.words)
        cleared = {name for name in suspects for alibi in alibis if f"{name} {alibi} ." in text}
        assert murderer not in cleared
        ways[w.group] += 1
        if w.group == "alibis":
            assert cleared == suspects - {murderer}
            continue
        sentences = [s.strip() for s in text.lower().split(" .")]
        (trait,) = (
            t for t in story["traits"] if " ".join(word for word, _ in t["clue"]) in sentences
        )
        told = " ".join(word for word, _ in trait["trait"])
        (line,) = (s for s in text.split(" . ") if s.endswith(told) and not s.startswith("So the"))
        suspected = {name for name in suspects if name in line.split()}
        assert suspected - cleared == {murderer}
        assert len(suspected) == (2 if w.group == "both" else 1)
    assert set(ways) == {"alibis", "trace", "both"}


def test_mysteries_are_long_and_fit_the_context():
    lengths = [len(w) for w in writers("mysteries", 1500)]
    assert max(lengths) > 120 and max(lengths) < 220
