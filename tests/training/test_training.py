"""How burrow was made: rows, tokenizer, training that goes on where it stopped, the 5-gram."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
import torch
from rich.console import Console
from training.corpus import rows
from training.evaluate import _words_of_tokens, without_causes
from training.ngram import NGram
from training.tokenizer import train_tokenizer

from headwise.burrow.grammar.passages import text_of, training_text
from helpers.paths import ROOT
from training import train as training

TINY = training.Plan(
    n_layer=1, n_head=2, d_model=16, n_context=128, n_entries=600, n_tokenizer_texts=300,
    n_steps=6, n_rows=2, n_warmup=2,
)  # fmt: skip
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(islice(training_text(0), 4000), 256)


@pytest.mark.parametrize(
    "text", ["The mole dug.", " The  mole ", "naïve 日本 🙂\n\tx", "\x00\x7f", "don't (stop)!", ""]
)
def test_any_text_can_be_fed_in_and_comes_out_again(tokenizer, text):
    tokens = tokenizer(text)["input_ids"]
    assert tokens[0] == tokenizer.bos_token_id
    assert tokenizer.decode(tokens, skip_special_tokens=True) == text


def test_a_word_is_the_same_token_at_the_start_and_inside(tokenizer):
    start, inside = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("The", "in The"))
    assert inside[-len(start) :] == start


def test_rows_hold_whole_passages(tokenizer):
    taken = list(islice(rows(tokenizer, 256, seed=3), 40))
    bos = tokenizer.bos_token_id
    passages = Counter()
    for row in taken:
        assert len(row) == 256 and row[0] == bos
        tokens = row[row >= 0]
        assert (row[len(tokens) :] == -1).all()
        starts = [*np.flatnonzero(tokens == bos), len(tokens)]
        passages.update(tokenizer.decode(tokens[a + 1 : b]) for a, b in pairwise(starts))
    written = Counter(islice(training_text(3), sum(passages.values()) + 600))
    assert not passages - written
    assert sum((row >= 0).sum() for row in taken) > 0.97 * 40 * 256


def test_rows_go_on_where_they_stopped(tokenizer):
    all_rows = list(islice(rows(tokenizer, 64, seed=0), 6))
    later = list(islice(rows(tokenizer, 64, seed=0, skip=4), 2))
    assert [row.tolist() for row in all_rows[4:]] == [row.tolist() for row in later]


def test_a_stopped_run_ends_where_an_undisturbed_one_does(tmp_path, monkeypatch):
    whole = training.Run.start(TINY, tmp_path / "whole", torch.device("cpu"))
    whole.train(QUIET)
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    stopped = training.Run.start(TINY, tmp_path / "stopped", torch.device("cpu"))
    real, calls = training.loss_of, []

    def loss_of(*arguments):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(1)
        return real(*arguments)

    monkeypatch.setattr(training, "loss_of", loss_of)
    with pytest.raises(KeyboardInterrupt):
        stopped.train(QUIET)
    monkeypatch.setattr(training, "loss_of", real)
    resumed = training.Run.start(TINY, tmp_path / "stopped", torch.device("cpu"))
    assert len(resumed.losses) == 3
    resumed.train(QUIET)
    assert resumed.losses == whole.losses
    with pytest.raises(SystemExit, match="other settings"):
        training.Run.start(replace(TINY, seed=1), tmp_path / "stopped", torch.device("cpu"))


def test_a_smoke_run_lowers_the_loss_and_can_be_loaded(tmp_path):
    import headwise

    out = tmp_path / "model"
    command = [sys.executable, "-m", "training.train", "--smoke", "--out", str(out)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    losses = json.loads((out / "training.json").read_text())["losses"]
    assert losses[-1] < losses[0] - 1.5  # nats per token; it starts at log 4096
    model = headwise.load(out)
    assert (model.n_layers, model.n_heads, model.d_model, model.n_context) == (4, 8, 256, 256)
    assert model.is_causal and model.has_output_head
    assert (out / "model.safetensors").stat().st_size < 12e6


def slow_kneser_ney(texts, n, n_entries):
    """The same model from its definition, one probability at a time."""
    grams = [Counter() for _ in range(n + 1)]
    for text in texts:
        padded = [text[0]] * (n - 1) + list(text[1:])
        for i in range(n - 1, len(padded)):
            grams[n][tuple(padded[i - n + 1 : i + 1])] += 1
    for length in range(n - 1, 0, -1):
        for gram in grams[length + 1]:
            grams[length][gram[1:]] += 1

    def probability(history, token):
        length = len(history) + 1
        shorter = 1 / n_entries if length == 1 else probability(history[1:], token)
        counts = grams[length]
        same = {gram: count for gram, count in counts.items() if gram[:-1] == history}
        if not same:
            return shorter
        once, twice = (sum(count == k for count in counts.values()) for k in (1, 2))
        discount = once / (once + 2 * twice) if once else 0.5
        kept = max(counts[(*history, token)] - discount, 0) + discount * len(same) * shorter
        return kept / sum(same.values())

    return probability


def test_the_5_gram_is_kneser_ney():
    rng = np.random.default_rng(0)
    texts = [
        [0, *rng.choice(range(1, 7), size=15, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05])]
        for _ in range(12)
    ]
    model = NGram(texts, n=3, n_entries=8)
    slow = slow_kneser_ney(texts, 3, 8)
    fresh = [[0, *rng.integers(1, 8, 20)] for _ in range(3)]
    expected = []
    for text in fresh:
        padded = [0, 0, *text[1:]]
        expected += [slow(tuple(padded[i - 2 : i]), padded[i]) for i in range(2, len(padded))]
    np.testing.assert_allclose(np.exp(-model.nats(fresh)), expected, rtol=1e-10)


def test_the_5_gram_is_a_distribution():
    texts = [[0, 1, 2, 3, 1, 2, 4], [0, 2, 2, 1]]
    model = NGram(texts, n=5, n_entries=6)
    for history in ([0], [0, 1, 2], [0, 5, 5, 5, 5, 5], [0, 1, 2, 3, 1, 2]):
        total = sum(np.exp(-model.nats([[*history, token]])[-1]) for token in range(6))
        assert total == pytest.approx(1)
    with pytest.raises(ValueError, match="63 bits"):
        NGram(texts, n=6)


def test_tokens_are_charged_to_their_words(tokenizer):
    from types import SimpleNamespace

    from headwise.burrow.grammar.passages import PHENOMENA, write

    for i in range(40):
        w = write(PHENOMENA["mysteries"], i)
        ids = tokenizer(text_of(w.words))["input_ids"][1:]
        word_of = _words_of_tokens(SimpleNamespace(tokenizer=tokenizer), w.words)
        assert len(word_of) == len(ids)
        for word, text in enumerate(w.words):
            own = [token for token, of in zip(ids, word_of, strict=True) if of == word]
            assert tokenizer.decode(own).strip() == text


def test_words_that_decide_are_taken_away():
    from headwise.burrow.grammar.chance import Chance
    from headwise.burrow.grammar.passages import PHENOMENA, write

    for phenomenon, kind in (
        ("adjectives", "effect"),
        ("senses", "continuation"),
        ("mysteries", "murderer"),
    ):
        for i in range(60):
            w = write(PHENOMENA[phenomenon], i)
            for point in (p for p in w.points if p.kind == kind):
                words, moved = without_causes(w, point, Chance(0))
                assert words[moved.word] == w.words[point.word]
                before = Counter(words[: moved.word])
                for cause in point.causes:
                    if w.tags[cause] in ("ADJ", "NOUN") and kind != "murderer":
                        assert before[w.words[cause]] < Counter(w.words)[w.words[cause]]
