"""Steps that carry over, words that are collected, towers, and what is said of heads that move words."""

from dataclasses import replace

import numpy as np
import pytest

import headwise
from headwise import HeadwiseError
from headwise.activations import hooks
from headwise.data.suite import Pair, Suite
from headwise.directions import contributions, transfer
from helpers.paths import PROBES
from helpers.steps import marked

FIELDS = {
    "royalty": [("king", "queen"), ("prince", "princess"), ("duke", "duchess"), ("lord", "lady"), ("baron", "baroness")],
    "family": [("father", "mother"), ("uncle", "aunt"), ("brother", "sister"), ("son", "daughter"), ("nephew", "niece")],
}  # fmt: skip


def steps(fields=FIELDS, swap=()):
    """One pair of sentences for every pair of words; those of some groups the other way round."""
    pairs = []
    for field, words in fields.items():
        for man, woman in words:
            group = f"{field}-{man}"
            both = [marked(f"the {w} left", 1, k, group) for w, k in ((man, "male"), (woman, "female"))]  # fmt: skip
            pairs.append(Pair(*(both[::-1] if group in swap else both)))
    sentences = tuple(s for pair in pairs for s in (pair.clean, pair.corrupted))
    return Suite("steps", "?", sentences, pairs=tuple(pairs))


class TestTransfer:
    def test_measures_what_it_says(self, minilm):
        """At layer 0, by hand: left-out pairs along the mean of the others, other fields along the mean of all."""
        suite = steps()
        found = transfer.transfer_test(minilm, suite, "royalty")
        x = []
        for sentence in suite.sentences:
            ids = minilm.tokenizer(sentence.text, return_tensors="pt")["input_ids"]
            with hooks.capture(minilm, ["residual"], layers=[0]) as seen:
                minilm.forward(ids)
            n = ids.shape[1] - 2  # [CLS] the ... left [SEP]
            x.append(seen["residual", 0][0, 2:n].double().mean(0).numpy())
        step = np.array(x)[::2] - np.array(x)[1::2]
        royal = step[:5].mean(axis=0)
        family = step[5:] @ royal / (royal @ royal)
        row = found.row(field="family", layer=0)
        assert row["step"] == pytest.approx(family.mean(), rel=1e-4)
        assert row["right"] == (family > 0).mean()
        others = [np.delete(step[:5], i, axis=0).mean(axis=0) for i in range(5)]
        left_out = [s @ o / (o @ o) for s, o in zip(step, others, strict=False)]
        assert found.row(field="royalty", layer=0)["step"] == pytest.approx(
            np.mean(left_out), rel=1e-4
        )

    def test_order_of_a_pair_does_not_matter(self, minilm):
        one = transfer.transfer_test(minilm, steps(), "royalty")
        other = transfer.transfer_test(
            minilm, steps(swap=("royalty-prince", "family-uncle")), "royalty"
        )
        np.testing.assert_allclose(one.table["step"], other.table["step"], rtol=1e-4)
        assert one.layer == other.layer

    def test_random_weights_have_no_common_step(self, tiny_llama):
        found = transfer.transfer_test(tiny_llama, steps(), "royalty")
        rows = found.table[found.table["field"] == "family"]
        assert (rows["p_fwer"] > 0.05).all() or rows["p_fwer"].isna().all()
        assert found.said("family") == "inconclusive"  # five word pairs

    def test_minilm_takes_one_step(self, minilm):
        """Further than never-trained models and than its own embeddings; uniform attention and random weights do not pass."""
        suite = headwise.read_suite(PROBES / "gender_steps.toml")
        found = transfer.transfer_test(minilm, suite, "royalty", n_null_directions=200, n_null=2)
        for field in found.fields[1:]:
            row = found.row(field=field, layer=found.layer)
            assert 0.5 < row["right_low"] < row["right_high"] <= 1 and row["p_random"] < 0.05
            assert row["right_low"] < 1 and row["t"] > row["control_t"]
            assert found.said(field) == "yes"
        with hooks.edit(minilm, "pattern", contributions.alike):
            even = transfer.transfer_test(minilm, suite, "royalty", n_null_directions=50, n_null=1)
        assert {even.said(f) for f in even.fields} <= {"inconclusive", "no"}
        without = transfer.transfer_test(minilm, suite, "royalty", n_null_directions=50, n_null=0)
        assert "yes" not in {without.said(f) for f in without.fields}

    @pytest.mark.parametrize(
        ("suite", "says"),
        [
            (steps({"royalty": FIELDS["royalty"]}), "another field"),
            (steps({"royalty": FIELDS["royalty"][:2], "family": FIELDS["family"]}), "expected 3 or more"),
            (replace(steps(), pairs=()), "it has none"),
        ],
    )  # fmt: skip
    def test_refuses(self, minilm, suite, says):
        with pytest.raises(HeadwiseError, match=says):
            transfer.transfer_test(minilm, suite, "royalty")
