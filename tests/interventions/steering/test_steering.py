"""Every number of a steered model is that of a plain run with one edit, and steering turns what a model says."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import headwise
from headwise import HeadwiseError, steer
from headwise.activations import hooks
from headwise.data import unseen_words
from headwise.data.suite import Pair, Suite
from headwise.directions.constructors import from_classes
from headwise.interventions.steering import doses, one_vs_rest, steering
from helpers.architectures import load
from helpers.steered import TOLD, asked_of, direction_of, told
from helpers.sweeps import ByHand, metrics_of

DOSES = (0.0, -1.0, 0.5)


def by_hand_at(by_hand, layer, vector, dose, signed=True):
    """Runs every row with the vector added at the pieces of the marked word, towards the other class."""
    ran = {}
    prompts = by_hand.prompts
    for row, owner in enumerate(prompts.owners):
        sign = -1 if signed and prompts.sentences[owner].marks[0].label == "known" else 1
        at = torch.tensor([word == 1 for word in prompts.rows[row].words])[:, None]
        shift = at * torch.from_numpy(sign * dose * vector).float()
        with hooks.edit(
            by_hand.model, by_hand.stream, lambda x, _, own=shift: x + own, layers=[layer]
        ):
            ran[row] = by_hand.run(row)
    return ran


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("name", ["GPT2", "Llama", "GPTNeoX", "Bert", "T5", "Bart"])
def test_steering_is_many_plain_runs(name, layer, byte_level, wordpiece):
    model, asked = load(name, byte_level, wordpiece), asked_of()
    direction, by_hand = direction_of(model, layer), ByHand(model, asked)
    metrics = [
        m for m in metrics_of(model) if m != "margin"
    ]  # by hand it is of classes told one way
    found = steer(model, asked, direction, doses=DOSES, metrics=metrics, n_null=1, seed=3)
    (random,) = steering._random(model, asked, direction, 1, "known", 3)
    assert {s.marks[0].label for s in by_hand.prompts.sentences} == {"known", "unknown"}
    assert max(sum(w == 1 for w in row.words) for row in by_hand.prompts.rows) > 1
    for metric in metrics:
        clean_values = by_hand.all_values(metric, by_hand.clean_values)
        np.testing.assert_allclose(found.clean_values[metric], clean_values, atol=1e-4)
        np.testing.assert_allclose(found.values[metric][:, 0], [clean_values] * 2, atol=1e-5)
    assert (found.values["shift"][:, 1:] > 1e-3).all() and "contrast" in metrics
    for kind, vector in enumerate((direction.vector, random)):
        for k, dose in enumerate(DOSES[1:], 1):
            ran = by_hand_at(by_hand, layer, vector, dose)
            for metric in metrics:
                expected = by_hand.all_values(metric, ran)
                np.testing.assert_allclose(found.values[metric][kind, k], expected, atol=1e-4)


def test_random_directions_vary_as_words_do(tiny_bert):
    """As long as the direction, within what words of one class differ in; in anything where they do not differ."""
    asked = asked_of()
    drawn = steering._random(tiny_bert, asked, direction_of(tiny_bert, 2), 40, "known", 0)
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 10)
    assert np.linalg.matrix_rank(drawn) == 8  # ten words of two classes
    same = replace(asked, sentences=tuple(told("the mole", g, label) for g, label in zip("ghij", ("known", "unknown") * 2, strict=True)), pairs=())  # fmt: skip
    drawn = steering._random(tiny_bert, same, direction_of(tiny_bert, 0), 40, "known", 0)
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 10)
    assert np.linalg.matrix_rank(drawn) == 32


def test_which_sentences_are_steered(tiny_gpt2):
    """Towards the other class, `others` if it is so called; sentences of neither are left out."""
    third = Pair(told("a zebra", "k", "odd"), told("the zebra", "k", "known"), "forest", "blue")
    asked = asked_of()
    more = replace(asked, pairs=(*asked.pairs, third), sentences=(*asked.sentences, third.clean, third.corrupted))  # fmt: skip
    direction, options = direction_of(tiny_gpt2, 1), {"doses": [1.0], "n_null": 0}
    found, expected = (steer(tiny_gpt2, s, direction, **options) for s in (more, asked))
    assert len(found.groups) == 5 and found.metrics == ("logit difference",)
    np.testing.assert_allclose(found.values["logit difference"], expected.values["logit difference"], atol=1e-5)  # fmt: skip
    others = steer(tiny_gpt2, more, direction, between=("known", "others"), **options)
    assert len(others.groups) == 6
    flat = steer(tiny_gpt2, replace(more, pairs=()), direction, **options)
    assert len(flat.groups) == 11 and flat.metrics == ("kl",)
    back = steer(tiny_gpt2, asked, direction, between=("unknown", "known"), doses=[-1.0], n_null=0)  # fmt: skip
    np.testing.assert_allclose(back.values["logit difference"], expected.values["logit difference"], atol=1e-5)  # fmt: skip


def test_the_table_and_what_changes_elsewhere(tiny_gpt2):
    asked, direction = asked_of(), direction_of(tiny_gpt2, 1)
    unrelated = Suite("u", "?", tuple(told(text, "x", "known") for text in ("the blue forest", "one zebra roamed")))  # fmt: skip
    found = steer(tiny_gpt2, asked, direction, doses=DOSES, unrelated=unrelated, n_null=2)
    row, values = found.row(dose=0.5), found.values["logit difference"][:, 2]
    right = found.clean_values["logit difference"] > 0
    assert row["value"] == pytest.approx(values[0].mean())
    assert row["random"] == pytest.approx(values[1:].mean()) and 0 < right.sum() < 5
    turned = (values[:, right] <= 0).mean(1)
    assert row["flipped"] == turned[0] and row["flipped_random"] == pytest.approx(turned[1:].mean())
    assert row["flipped_random_max"] == turned[1:].max()
    by_hand = ByHand(tiny_gpt2, unrelated, answers=False)
    ran = by_hand_at(by_hand, 1, direction.vector, 0.5, signed=False)
    kl = by_hand.all_values("kl", ran).mean()
    assert found.elsewhere[0, 2] == row["elsewhere"] == pytest.approx(kl, abs=1e-4)
    assert row["elsewhere_random"] == pytest.approx(found.elsewhere[1:, 2].mean()) and kl > 1e-3
    np.testing.assert_allclose(found.elsewhere[:, 0], 0, atol=1e-6)
    both = doses.pooled([found, found])
    assert (both["sentences"] == 2 * right.sum()).all()
    np.testing.assert_allclose(both["flipped"], found.table["flipped"])
    np.testing.assert_allclose(both["flipped_random"], found.table["flipped_random"])
    np.testing.assert_allclose(both["elsewhere"], found.table["elsewhere"])


@pytest.mark.parametrize("name", ["GPT2", "Bert"])
def test_damage_in_the_sentence_by_hand(name, byte_level, wordpiece):
    """What a decoder says after the word but before it is read; where the other words of an encoder end."""
    model, asked = load(name, byte_level, wordpiece), asked_of()
    direction, by_hand = direction_of(model, 1), ByHand(model, asked)
    found = steer(model, asked, direction, doses=[0.5], n_null=0)
    ran = by_hand_at(by_hand, 1, direction.vector, 0.5)
    each = []
    for row, end in by_hand.prompts.ends:
        of_word = by_hand.prompts.rows[row].words
        (before, ends), (after, moved) = by_hand.clean_values[row], ran[row]
        if name == "GPT2":
            last = max(i for i, word in enumerate(of_word) if word == 1)
            kl = (before.exp() * (before - after)).sum(-1)[last + 1 : end]
            each.append(float(kl.mean()) if len(kl) else np.nan)
        else:
            others = [i for i, word in enumerate(of_word) if word not in (1, None)]
            shift = 1 - torch.cosine_similarity(ends[others], moved[others], dim=-1)
            each.append(float(shift.mean()))
    assert np.nanmean(each) > 1e-4
    assert found.beside[0, 0] == pytest.approx(np.nanmean(each), rel=1e-3)
    assert found.row(dose=0.5)["beside"] == found.beside[0, 0] and not found.is_read_out


def test_burrow_is_steered_where_something_is_computed_after():
    """Towards the other sense, by directions that were fitted without the words that decide; at the end it is a read-out."""
    model = headwise.load("burrow", device="cpu", verify=False)
    fitted, asked = (
        headwise.burrow_sentences("mole", 200),
        headwise.burrow_pairs("mole", 40, seed=1, held_out=True),
    )
    elsewhere = headwise.burrow_pairs("adjectives", 4, held_out=True)
    results = one_vs_rest.steer_between(model, fitted, asked, elsewhere=elsewhere, n_null=2)
    assert {r.direction.layer for r in results} <= {1, 2, 3}
    assert not any(r.is_read_out for r in results)
    found = doses.reported(results)
    assert found.flipped > found.flipped_random + 0.2 and found.elsewhere > 0
    left, _ = unseen_words.without_shared_words(fitted, asked)
    ways = steering.read_label(asked.pairs[0].clean), steering.read_label(asked.pairs[0].corrupted)
    end = from_classes(model, left, ways, layer=4)
    assert steer(model, asked, end, doses=[1.0], n_null=0).is_read_out


def test_bad_questions(tiny_gpt2, minilm):
    direction = direction_of(tiny_gpt2, 1)
    for options, message in (
        ({"direction": replace(direction, normed=True)}, "where nothing is left to steer"),
        ({"layer": 2}, "is of layer 1, and layer 2 was requested"),
        ({"doses": []}, "finite numbers, at least one"),
        ({"doses": [1.0, np.inf]}, "finite numbers, at least one"),
        ({"between": ("animal", "mark")}, "has 0 sentence.* whose marked word is 'animal' or 'mark'"),
        ({"suite": asked_of(TOLD[:0])}, "has no sentences"),
        ({"direction": replace(direction, suite="s", groups=("g",))}, "was fitted on 1 of the 4 groups"),
        ({"model": minilm}, "mean nothing in another"),
        ({"metrics": ["depth"]}, "Unknown metric 'depth'"),
        ({"model": minilm, "direction": direction_of(minilm, 1), "metrics": ["kl"]}, "no output head .* so there is no 'kl'"),
    ):  # fmt: skip
        with pytest.raises(HeadwiseError, match=message):
            steer(**{"model": tiny_gpt2, "suite": asked_of(), "direction": direction} | options)
