"""Measures what burrow learned, against what can be known and what can be had cheaply.

    uv run python -m training.evaluate --model build/burrow

Loss, in nats per token of fresh text, stands between two others: an oracle that knows the grammar and
is told its hidden state (the sense, the murderer, the gender), so that it pays only for choices that
nothing foretells; and an interpolated 5-gram trained on as many tokens. The share of the gap between
the two that the model closes says how much of what can be learned it learned.

Accuracy is of the words that the hidden state decides, in texts whose combinations (adjective and
noun, context word and sense, name and trait) training never showed: is the most probable of the words
that could stand there one that is right? The same is asked once more with the deciding words taken
away or made neutral; what is left then was not known from them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray
from rich.console import Console
from torch.nn import functional
from transformers import AutoTokenizer, GPT2LMHeadModel, PreTrainedTokenizerFast

from headwise.burrow.grammar.chance import Chance
from headwise.burrow.grammar.lexicon import load
from headwise.burrow.grammar.passages import (
    PHENOMENA,
    SHARES,
    Phenomenon,
    some_passage,
    text_of,
    training_text,
    write,
)
from headwise.burrow.grammar.stories.mysteries import SLOW_PACE, mystery_passage
from headwise.burrow.grammar.stories.senses import sense_passage
from headwise.burrow.grammar.writer import Point, Writer
from headwise.stats import Clusters, mean_of

from .ngram import NGram

N_NGRAM_TOKENS = 36_000_000

# What is asked, of which passages: name -> (writer of passages, kind of point).
QUESTIONS: dict[str, tuple[Phenomenon, str]] = {
    "sense": (sense_passage, "continuation"),
    "mole": (partial(sense_passage, word="mole"), "continuation"),
    "pronoun": (PHENOMENA["gender"], "pronoun"),
    "adjective": (PHENOMENA["adjectives"], "effect"),
    "agreement": (PHENOMENA["agreement"], "agreement"),
    "completion": (PHENOMENA["completions"], "completion"),
    "completion, by names": (PHENOMENA["companions"], "completion"),
    "landmark": (PHENOMENA["landmarks"], "landmark"),
    "mishap": (PHENOMENA["relatives"], "relative"),
    "binding": (PHENOMENA["lineups"], "binding"),
    "mystery, 2 suspects": (partial(mystery_passage, n_suspects=2, spelled_out=False), "murderer"),
    "mystery, 3 suspects": (partial(mystery_passage, n_suspects=3, spelled_out=False), "murderer"),
    "mystery, 4 suspects": (partial(mystery_passage, n_suspects=4, spelled_out=False), "murderer"),
    **{
        f"3 suspects, {name}": (
            partial(mystery_passage, n_suspects=3, way=way, spelled_out=False),
            "murderer",
        )
        for way, name in (
            ("alibis", "by alibis"),
            ("trace", "by a trace"),
            ("both", "by a trace and an alibi"),
        )
    },
    "3 suspects, long": (
        partial(mystery_passage, n_suspects=3, spelled_out=False, pace=SLOW_PACE),
        "murderer",
    ),
}


@dataclass(frozen=True, slots=True)
class Reader:
    """A model with its tokenizer."""

    model: GPT2LMHeadModel
    tokenizer: PreTrainedTokenizerFast

    def tokens(self, words: Sequence[str]) -> list[int]:
        """Tokens of a text, the beginning mark first."""
        return self.tokenizer(text_of(list(words)))["input_ids"]

    def first_tokens(self, words: Iterable[str]) -> list[int]:
        """The token with which each word begins."""
        return [self.tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in words]

    @torch.inference_mode()
    def log_probabilities(self, rows: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """For each row, the log probability of every next token, `[pos, entry]`."""
        found: list[torch.Tensor] = [torch.empty(0)] * len(rows)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for start in range(0, len(order), 32):
            chosen = order[start : start + 32]
            width = max(len(rows[i]) for i in chosen)
            batch = torch.zeros(len(chosen), width, dtype=torch.long)
            for line, i in enumerate(chosen):
                batch[line, : len(rows[i])] = torch.tensor(rows[i])
            logits = self.model(batch.to(self.model.device)).logits.float().cpu()
            for line, i in enumerate(chosen):
                found[i] = functional.log_softmax(logits[line, : len(rows[i])], dim=-1)
        return found


def read_model(folder: Path, device: str) -> Reader:
    """A model folder, in float32."""
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    return Reader(model, AutoTokenizer.from_pretrained(folder))


def fresh(n: int, seed: int) -> list[Writer]:
    """Passages as in training, from a seed that training did not use."""
    chance = Chance(f"evaluation {seed}")
    return [some_passage(chance, SHARES) for _ in range(n)]


def losses(reader: Reader, ngram: NGram, passages: Sequence[Writer]) -> pd.DataFrame:
    """Nats per word of three readers, one row per word, with the kind of point where it is one."""
    rows = [reader.tokens(w.words) for w in passages]
    of_model = np.concatenate(
        [
            -log[:-1].gather(1, torch.tensor(row[1:])[:, None])[:, 0].numpy()
            for log, row in zip(_chunks(reader, rows), rows, strict=True)
        ]
    )
    of_ngram = ngram.nats(rows)
    frames: list[pd.DataFrame] = []
    start = 0
    for passage, (w, row) in enumerate(zip(passages, rows, strict=True)):
        word_of = _words_of_tokens(reader, w.words)
        kinds = {point.word: point.kind for point in w.points}
        end = start + len(row) - 1
        sums = [
            np.bincount(word_of, weights=x[start:end], minlength=len(w))
            for x in (of_model, of_ngram)
        ]
        frames.append(
            pd.DataFrame(
                {
                    "passage": passage,
                    "tokens": np.bincount(word_of, minlength=len(w)),
                    "model": sums[0],
                    "ngram": sums[1],
                    "oracle": w.surprisals,
                    "kind": [kinds.get(i, "") for i in range(len(w))],
                }
            )
        )
        start = end
    return pd.concat(frames, ignore_index=True)


def _chunks(reader: Reader, rows: Sequence[Sequence[int]]) -> Iterable[torch.Tensor]:
    """Log probabilities a few rows at a time: all at once would be gigabytes."""
    for start in range(0, len(rows), 256):
        yield from reader.log_probabilities(rows[start : start + 256])


def _words_of_tokens(reader: Reader, words: Sequence[str]) -> NDArray[np.int64]:
    """For each token after the first, the word it belongs to."""
    starts, position = [], 0
    for i, word in enumerate(words):
        position += 0 if i == 0 or word in ".," else 1
        starts.append(position)
        position += len(word)
    offsets = reader.tokenizer(text_of(list(words)), return_offsets_mapping=True)["offset_mapping"]
    ends = np.array([end for _, end in offsets[1:]])
    return np.searchsorted(np.array(starts), ends, side="left") - 1


@dataclass(frozen=True, slots=True)
class Answer:
    """How one point was answered: right, right by the whole vocabulary's first choice, and by chance."""

    correct: bool
    first_choice: bool
    chance: float


def answers(reader: Reader, asked: Sequence[tuple[Sequence[str], Point]]) -> list[Answer]:
    """Whether the most probable candidate at each point is right.

    Args:
        reader: The model.
        asked: Words of a text up to the point at least, and the point.
    """
    rows = [reader.tokens(words[: point.word]) for words, point in asked]
    found: list[Answer] = []
    for (_, point), log in zip(asked, _chunks(reader, rows), strict=True):
        right = set(reader.first_tokens(point.right))
        wrong = set(reader.first_tokens(point.wrong)) - right
        best = max(right | wrong, key=lambda token: float(log[-1, token]))
        chance = len(right) / (len(right) + len(wrong))
        found.append(Answer(best in right, int(log[-1].argmax()) in right, chance))
    return found


def without_causes(w: Writer, point: Point, chance: Chance) -> tuple[list[str], Point] | None:
    """The text with the words that decide a point made neutral; None where that cannot be done.

    Adjectives are left out, nouns and names are replaced by others that tell nothing, and of a mystery the
    sentences with traces, alibis and traits are left out.
    """
    if point.kind == "murderer":
        return _without_sentences(w, point)
    if point.kind in ("agreement", "landmark", "relative", "binding"):
        return None
    nouns = ("teacher", "farmer", "baker", "doctor") if point.kind == "pronoun" else NEUTRAL
    words: list[str] = []
    position = point.word
    for i, word in enumerate(w.words):
        if i in point.causes and w.tags[i] == "ADJ":
            position -= i < point.word
            continue
        if i in point.causes and point.kind == "completion" and w.tags[i] == "PROPN":
            word = chance.hidden(NEUTRAL_NAMES)
        elif i in point.causes and (w.tags[i] == "NOUN" or point.kind == "pronoun"):
            word = ("the " if w.tags[i] == "PROPN" else "") + chance.hidden(nouns)
        words.append(word)
    return words, Point(position, point.kind, point.right, point.wrong, ())


NEUTRAL = ("blanket", "sandwich", "kite", "wagon", "sofa", "basket")
NEUTRAL_NAMES = ("Martin", "Clara", "Gordon", "Edith", "Nigel", "Wendy")


def _without_sentences(w: Writer, point: Point) -> tuple[list[str], Point]:
    starts = np.array(w.starts)
    sentence_of = np.searchsorted(starts, np.arange(len(w)), side="right")
    last = sentence_of[point.word]
    gone = {int(sentence_of[c]) for c in point.causes} - {int(last)}
    kept = [i for i in range(len(w)) if sentence_of[i] not in gone]
    position = kept.index(point.word)
    return [w.words[i] for i in kept], Point(position, point.kind, point.right, point.wrong, ())


def accuracy(reader: Reader, n: int, seed: int) -> pd.DataFrame:
    """One row per question: accuracy on held-out and on known combinations, and without the causes."""
    rows: list[dict[str, Any]] = []
    chance = Chance(seed)
    for name, (write_passage, kind) in QUESTIONS.items():
        row: dict[str, Any] = {"question": name}
        for held_out in (True, False):
            made = [write(write_passage, f"{name} {seed} {i}", held_out=held_out) for i in range(n)]
            asked = [(w, p) for w in made for p in w.points if p.kind == kind]
            passage = [i for i, w in enumerate(made) for p in w.points if p.kind == kind]
            found = answers(reader, [(w.words, p) for w, p in asked])
            correct = np.array([a.correct for a in found], float)
            if not held_out:
                row["accuracy_known"] = correct.mean()
                continue
            estimate = mean_of(correct, Clusters.of(passage), "rate")
            row |= {
                "points": len(asked),
                "accuracy": correct.mean(),
                "low": float(estimate.low),
                "high": float(estimate.high),
                "first_choice": np.mean([a.first_choice for a in found]),
                "chance": np.mean([a.chance for a in found]),
            }
            bare = [b for w, p in asked if (b := without_causes(w, p, chance)) is not None]
            row["without_causes"] = (
                np.mean([a.correct for a in answers(reader, bare)]) if bare else None
            )
        rows.append(row)
    return pd.DataFrame(rows)


def gap(table: pd.DataFrame) -> dict[str, float]:
    """Nats per token of the three readers, and the share of the gap that the model closes."""
    tokens = table["tokens"].sum()
    nats = {name: float(table[name].sum() / tokens) for name in ("model", "ngram", "oracle")}
    return {**nats, "closed": (nats["ngram"] - nats["model"]) / (nats["ngram"] - nats["oracle"])}


def evaluate(
    reader: Reader, *, n: int, n_ngram_tokens: int, train_seed: int, seed: int
) -> dict[str, Any]:
    """All figures.

    Args:
        reader: The model.
        n: Passages per question; ten times as many for the loss.
        n_ngram_tokens: What the 5-gram is trained on.
        train_seed: Seed of the text that the model was trained on.
        seed: Seed of everything else.
    """
    texts: list[list[int]] = []
    size, text = 0, training_text(train_seed + 1)
    while size < n_ngram_tokens:
        texts += reader.tokenizer(list(islice(text, 4096)))["input_ids"]
        size = sum(map(len, texts[-4096:])) + size
    ngram = NGram(texts, n_entries=len(reader.tokenizer))
    table = losses(reader, ngram, fresh(10 * n, seed))
    kinds = {
        kind: gap(rows) | {"points": len(rows)} for kind, rows in table.groupby("kind") if kind
    }
    answered = accuracy(reader, n, seed).astype(object)
    return {
        "text": {"passages": 10 * n, "tokens": int(table["tokens"].sum()), "ngram_tokens": size},
        "overall": gap(table),
        "points": kinds,
        "accuracy": answered.where(answered.notna(), None).to_dict("records"),
    }


def card(reader: Reader, plan: dict[str, Any], result: dict[str, Any]) -> str:
    """The model card, with every figure."""
    template = Environment(undefined=StrictUndefined, autoescape=False).from_string(
        Path(__file__).with_name("card.md.jinja").read_text()
    )
    return template.render(
        **result,
        plan=plan,
        n_parameters=sum(p.numel() for p in reader.model.parameters()),
        n_tokens=plan["n_steps"] * plan["n_rows"] * plan["n_context"],
        n_words=len(load().senses),
    )


def main(
    model: Annotated[Path, typer.Option(help="Folder of the model.")] = Path("build/burrow"),
    n: Annotated[int, typer.Option(help="Passages per question.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the evaluation.")] = 0,
    ngram_tokens: Annotated[
        int, typer.Option(help="Training text of the 5-gram.")
    ] = N_NGRAM_TOKENS,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Evaluates a trained model; writes evaluation.json and the model card into its folder."""
    plan = json.loads((model / "training.json").read_text())["plan"]
    reader = read_model(model, device)
    result = evaluate(reader, n=n, n_ngram_tokens=ngram_tokens, train_seed=plan["seed"], seed=seed)
    (model / "evaluation.json").write_text(json.dumps(result, indent=1) + "\n")
    (model / "README.md").write_text(card(reader, plan, result))
    console = Console()
    console.print(pd.DataFrame({"overall": result["overall"], **result["points"]}).T.round(3))
    console.print(pd.DataFrame(result["accuracy"]).round(3).to_string())


if __name__ == "__main__":
    typer.run(main)
