"""Sentences to look at: who should look at whom, what tells of a head, and the attention itself as it was captured."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import headwise
from headwise.activations import hooks
from headwise.data.suite import Link, Mark, Sentence, Suite
from headwise.report.schema import Attention
from headwise.report.sections.heads import examples as shown
from headwise.report.sections.heads._candidates import candidates
from headwise.report.sections.heads._packing import in_bytes
from headwise.report.sections.heads._ranking import scores_of, telling
from headwise.report.sections.heads._tokens import shown as token_shown
from headwise.report.sections.heads.examples import examples_shown
from helpers.architectures import make

LOOKS = "governor->dependent"
BACK = "dependent->governor"
TEXTS = (
    "the fluffy blue creature roamed the verdant forest",
    "a blue creature roamed",
    "the verdant forest was blue",
    "the forest",
    "the fluffy creature roamed the blue verdant forest",
)
ADJECTIVES, NOUNS = ("fluffy", "blue", "verdant"), ("creature", "forest")


def sentence(text):
    """Adjectives are linked to the next noun, or else to the last one."""
    plain = Sentence.of(text)
    nouns = [i for i, word in enumerate(plain.words) if word in NOUNS]
    links = [
        Link(i, next((n for n in nouns if n > i), nouns[-1]), "amod")
        for i, word in enumerate(plain.words)
        if word in ADJECTIVES
    ]
    return replace(plain, links=tuple(links), marks=(Mark(nouns[0], "noun"),))


SUITE = Suite("s", "?", tuple(map(sentence, TEXTS)))


@pytest.fixture(params=["tiny_gpt2", "tiny_bert"])
def model(request):
    return request.getfixturevalue(request.param)


def pieces(example, word):
    return [i for i, owner in enumerate(example.queries.word_of) if owner == word]


def test_what_is_held_is_what_was_captured(model):
    """Pattern and norms within the error of a byte, scores within a step of their range."""
    found = examples_shown(model, SUITE, [("amod", LOOKS)], seed=1)
    assert found and len(found.examples) == len(TEXTS) and found.side == ""
    texts = {tuple(s.words): s for s in SUITE.sentences}
    for example in found.examples:
        view = headwise.capture(model, [texts[tuple(example.queries.words)]], ["pattern", "norms", "scores"]).sentence(0)  # fmt: skip
        held = {site: torch.cat([view[site, layer] for layer in range(2)])[example.heads].numpy() for site in ("pattern", "norms", "scores")}  # fmt: skip
        pattern = (example.pattern.array() / 255.0) ** 2
        np.testing.assert_allclose(pattern, held["pattern"], atol=0.0042)
        shares = held["norms"] / held["norms"].sum(-1, keepdims=True)
        np.testing.assert_allclose((example.norms.array() / 255.0) ** 2, shares, atol=0.0042)
        seen = held["pattern"] > 0
        low, high = np.array(example.score_ranges).T[:, :, None, None]
        scores = low + (high - low) * example.scores.array() / 255.0
        assert (np.abs(scores - held["scores"])[seen] <= ((high - low) * seen / 509)[seen]).all()
        assert (example.scores.array()[~seen] == 0).all()
        assert example.causal == model.is_causal


def test_texts_links_and_sinks(model):
    found = examples_shown(model, SUITE, [("amod", LOOKS)])
    example = next(e for e in found.examples if e.queries.words[1:3] == ["fluffy", "blue"])
    assert [(k.query, k.key, k.relation) for k in example.links] == [(3, 1, "amod"), (3, 2, "amod"), (7, 6, "amod")]  # fmt: skip
    assert [(m.word, m.label) for m in example.marks] == [(3, "noun")]
    special = [i for i, owner in enumerate(example.queries.word_of) if owner == -1]
    assert example.sinks == sorted({0, *special})
    assert bool(special) == (not model.is_causal)  # this decoder's tokenizer adds none
    for word, text in enumerate(example.queries.words):
        own = [example.queries.tokens[i].removeprefix("##") for i in pieces(example, word)]
        assert "".join(own) == text


def test_a_decoder_is_not_asked_what_it_cannot_see(tiny_gpt2, tiny_bert):
    """In *the verdant forest was blue* the noun stands before one of its adjectives."""
    for model, expected in ((tiny_gpt2, [(2, 1)]), (tiny_bert, [(2, 1), (2, 4)])):
        found = examples_shown(model, SUITE, [("amod", LOOKS)])
        (example,) = (e for e in found.examples if e.queries.words[-1] == "blue")
        assert [(k.query, k.key) for k in example.links] == expected
    back = examples_shown(tiny_gpt2, SUITE, [("amod", BACK)])
    (linked,) = (i for i, e in enumerate(back.examples) if e.links)
    assert {(t.example, t.why) for t in back.telling} == {(linked, "clearest")}


def test_scores_by_hand(model):
    """L1H2 gives a quarter of its attention to the first piece of each right word; the others are counted by words."""
    found = candidates(model, SUITE, [("amod", LOOKS)], is_causal=model.is_causal, seed=0, n=9)
    asked_of = np.zeros((2, 4), dtype=int)
    for candidate in found:
        if not candidate.links:
            continue
        owners = candidate.alignment.words
        keys: dict[int, list[int]] = {}
        for link in candidate.links:
            keys.setdefault(link.query, []).append(link.key)

        def a_quarter(pattern, site, owners=owners, keys=keys):
            fixed = torch.zeros_like(pattern)
            for query, right in keys.items():
                for key in right:
                    rows = [i for i, word in enumerate(owners) if word == query]
                    fixed[:, :, rows, owners.index(key)] = 0.25
            return fixed

        with hooks.edit(model, "pattern", a_quarter, layers=[1], heads=[2]):
            scores = scores_of(model, [candidate], asked_of)[..., 0]
        assert scores[1, 2] == pytest.approx(0.25 * len(candidate.links) / len(keys))
        words = headwise.capture(model, [candidate.sentence], ["pattern"]).words(0)["pattern", 0]
        expected = np.mean([words[3, query, right].sum() for query, right in keys.items()])
        assert scores[0, 3] == pytest.approx(expected, abs=1e-5)


def test_scores_are_the_same_alone_and_together(model):
    found = candidates(model, SUITE, [("amod", LOOKS)], is_causal=model.is_causal, seed=0, n=9)
    asked_of = np.zeros((2, 4), dtype=int)
    together = scores_of(model, found, asked_of)
    alone = [scores_of(model, [candidate], asked_of)[..., 0] for candidate in found]
    np.testing.assert_allclose(together, np.stack(alone, axis=-1), atol=1e-5)
    assert np.isnan(together).any(axis=(0, 1)).tolist() == [not c.links for c in found]


def test_each_head_by_its_own_relation(tiny_bert):
    asked = [("amod", LOOKS), ("amod", BACK)]
    there, back = (examples_shown(tiny_bert, SUITE, [one]) for one in asked)
    both = examples_shown(tiny_bert, SUITE, asked, judged_by={(1, 2): 1})

    def of(found, head):
        return sorted(t.score for t in found.telling if t.head == head)

    assert of(both, 6) == pytest.approx(of(back, 6)) and of(both, 5) == pytest.approx(of(there, 5))
    assert "by the relation along which it does best" in both.caption
    assert {tuple(t.links) for t in there.telling} == {()}  # all
    for head in (5, 6):
        for t in (t for t in both.telling if t.head == head):
            own = both.examples[t.example].links
            rest = [k for k in range(len(own)) if k not in t.links]
            turned = {(own[k].key, own[k].query) for k in rest}
            assert {(own[k].query, own[k].key) for k in t.links} == turned


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ([0.1, 0.9, 0.5, 0.7, 0.3], {1: "clearest", 3: "clearest", 2: "typical", 0: "worst"}),
        ([0.1, 0.9, np.nan, 0.7, 0.3], {1: "clearest", 3: "clearest", 4: "typical", 0: "worst"}),
        ([0.1, 0.9, 0.5], {1: "clearest", 2: "typical", 0: "worst"}),
        ([0.1, 0.9], {1: "clearest", 0: "worst"}),
        ([np.nan, 0.9], {1: "clearest"}),
        ([0.2] * 6, {0: "clearest", 1: "clearest", 3: "typical", 5: "worst"}),
        ([np.nan], {}),
    ],
)
def test_what_tells(scores, told):
    found = telling(np.array(scores, dtype=float))
    assert dict(found) == told and len(found) == len(told)


def test_the_budget_is_kept_and_said(model):
    whole = examples_shown(model, SUITE, [("amod", LOOKS)])
    sizes = [len(e.queries.tokens) for e in whole.examples]
    room = sum(3 * len(e.heads) * n**2 for e, n in zip(whole.examples, sizes, strict=True))
    assert "Attention is held for 8 of 8 heads." in whole.caption
    first = [(1, 3), (0, 2)]
    found = examples_shown(model, SUITE, [("amod", LOOKS)], heads_first=first, budget=room // 3)
    taken = sum(a.array().size for e in found.examples for a in (e.pattern, e.scores, e.norms))
    held = {head for e in found.examples for head in e.heads}
    assert taken <= room // 3 and {7, 2} <= held == {t.head for t in found.telling}
    assert f"Attention is held for {len(held)} of 8 heads." in found.caption
    assert examples_shown(model, SUITE, budget=10) is None
    assert {len(e.heads) for e in examples_shown(model, SUITE, budget=room // 50).examples} <= set(range(1, 9))  # fmt: skip


def test_the_same_seed_gives_the_same_sentences(tiny_bert):
    asked = [("amod", LOOKS)]
    one, again, other = (examples_shown(tiny_bert, SUITE, asked, seed=s) for s in (3, 3, 4))
    assert one == again
    assert [e.queries for e in one.examples] != [e.queries for e in other.examples]
    assert Attention.model_validate_json(one.model_dump_json()) == one


def test_without_links_nothing_tells(model):
    found = examples_shown(model, SUITE)
    assert not found.telling and len(found.examples) == 5
    assert "single heads" not in found.caption
    few = examples_shown(model, replace(SUITE, sentences=SUITE.sentences[:1]), [("amod", LOOKS)])
    assert len(few.examples) == 1
    assert examples_shown(model, replace(SUITE, sentences=())) is None


def test_those_with_links_come_first_each_once_and_none_is_too_long(tiny_bert, monkeypatch):
    twice = replace(SUITE, sentences=(*SUITE.sentences, *SUITE.sentences))
    asked = [("amod", LOOKS)]
    found = candidates(tiny_bert, twice, asked, is_causal=False, seed=0, n=99)
    assert len(found) == 5 and not found[-1].links and all(c.links for c in found[:-1])
    assert len(candidates(tiny_bert, twice, asked, is_causal=False, seed=0, n=2)) == 2
    lengths = {text: len(tiny_bert.tokenizer(text)["input_ids"]) for text in TEXTS}
    most = "headwise.report.sections.heads._candidates.MOST_TOKENS"
    monkeypatch.setattr(most, lengths[TEXTS[2]])
    short = candidates(tiny_bert, twice, asked, is_causal=False, seed=0, n=99)
    assert {c.sentence.text for c in short} == {t for t in TEXTS if lengths[t] <= lengths[TEXTS[2]]}
    monkeypatch.setattr(most, 2)
    shortest = candidates(tiny_bert, twice, asked, is_causal=False, seed=0, n=2)
    assert [c.sentence.text for c in shortest] == sorted(TEXTS, key=lambda t: lengths[t])[:2]


def test_parts_of_memory(tiny_bert, monkeypatch):
    whole = examples_shown(tiny_bert, SUITE, [("amod", LOOKS)])
    monkeypatch.setattr(shown, "MOST_BYTES", 8 * 8 * 100)
    found = examples_shown(tiny_bert, SUITE, [("amod", LOOKS)])
    assert found.telling == whole.telling
    for one, other in zip(found.examples, whole.examples, strict=True):
        assert (one.queries, one.heads) == (other.queries, other.heads)
        np.testing.assert_allclose(one.pattern.array(), other.pattern.array(), atol=1)  # rounding


def test_scores_in_bytes():
    scores = np.array([[[0.0, -np.inf], [2.0, 1.0]]])
    steps, ranges = in_bytes(scores, np.isfinite(scores))
    assert steps.tolist() == [[[0, 0], [255, 128]]] and ranges == [(0.0, 2.0)]
    flat, _ = in_bytes(np.ones((1, 2, 2)), np.ones((1, 2, 2), dtype=bool))
    assert (flat == 0).all()


@pytest.mark.parametrize("name", ["T5", "Bart"])
def test_the_encoder_of_two_stacks(name, wordpiece):
    model = headwise.load(make(name, len(wordpiece)), tokenizer=wordpiece)
    found = examples_shown(model, SUITE, [("amod", LOOKS)])
    assert found.side == "encoder" and not found.examples[0].causal
    example = found.examples[0]
    texts = {tuple(s.words): s for s in SUITE.sentences}
    view = headwise.capture(model, [texts[tuple(example.queries.words)]], ["encoder.pattern"]).sentence(0)  # fmt: skip
    held = torch.cat([view["encoder.pattern", layer] for layer in range(2)])
    np.testing.assert_allclose((example.pattern.array() / 255.0) ** 2, held.numpy(), atol=0.0042)


def test_tokens_are_readable(tiny_gpt2, tiny_bert):
    ids = tiny_bert.tokenizer("Wholesome tokenization")["input_ids"]
    said = [token_shown(tiny_bert, token) for token in ids]
    assert said[0] == "[CLS]" and said[-1] == "[SEP]" and any(t.startswith("##") for t in said)
    ids = tiny_gpt2.tokenizer("the creature \n\u00e9")["input_ids"]
    said = [token_shown(tiny_gpt2, token) for token in ids]
    assert said[:2] == ["the", "creature"] and all(text and text == text.strip() for text in said)
    assert "\u21b5" in said and "\ufffd" not in "".join(said)
