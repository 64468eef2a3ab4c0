"""Towers: bare, the Eiffel tower and a miniature of it, in the same frame."""

from dataclasses import replace

import headwise
from headwise.directions import contributions


class TestTowers:
    def test_the_frame_is_the_same(self):
        suite = headwise.burrow_sentences("towers", 60, seed=1)
        assert len(suite) == 60 and set(suite.labels) == {"bare", "eiffel", "miniature"}
        for group in suite.groups:
            told = {s.marks[0].label: s for s in suite.sentences if s.group == group}
            bare, eiffel, miniature = (told[k].words for k in ("bare", "eiffel", "miniature"))
            assert tuple(w for w in eiffel if w != "Eiffel") == bare
            assert tuple(w for w in miniature if w not in ("miniature", "Eiffel")) == bare
            assert told["eiffel"].marks[0].word == len(eiffel) - 1
            named = {told["miniature"].words[k.dependent] for k in told["miniature"].links}
            assert named == {"miniature", "Eiffel"}

    def test_burrow_knows_where_it_is(self, burrow):
        """The Eiffel tower lies further towards Paris than a bare one, by what heads took from its name."""
        suite = headwise.burrow_sentences("towers", 120)
        places = replace(
            suite, sentences=tuple(s for s in suite.sentences if s.group.startswith("place"))
        )
        way = headwise.directions.from_unembedding(
            burrow, "Paris", ["Lisbon", "Moscow"], first_token=True
        )
        found = contributions.direction_test(
            burrow,
            places,
            way,
            between=("eiffel", "bare"),
            n_permutations=200,
            n_null_directions=50,
        )
        assert found.whole["effect_low"] > 0 and found.whole["separated"] > 0.95
        best = found.sources[found.sources["source"] == "key words"].iloc[0]
        assert best["share"] > 0.8
