"""Passages of every kind, in the proportions of the training text."""

from collections.abc import Callable, Iterator
from itertools import count

from .chance import Chance
from .lexicon import load
from .stories import adjectives, mysteries, narration, people, senses
from .writer import Writer

Phenomenon = Callable[[Writer], None]

PHENOMENA: dict[str, Phenomenon] = {
    "narration": narration.scene_passage,
    "adjectives": adjectives.adjective_passage,
    "senses": senses.sense_passage,
    "gender": people.gender_passage,
    "agreement": people.agreement_passage,
    "completions": people.completion_passage,
    "companions": people.companion_passage,
    "landmarks": people.landmark_passage,
    "relatives": people.relative_passage,
    "mysteries": mysteries.mystery_passage,
    "long mysteries": mysteries.long_mystery_passage,
    "lineups": mysteries.lineup_passage,
    "repetitions": mysteries.repeated_lineup_passage,
}

# Shares of passages, not of words: a mystery is four times as long as a line about a queen.
SHARES = {
    "narration": 0.08,
    "adjectives": 0.18,
    "senses": 0.17,
    "gender": 0.08,
    "agreement": 0.05,
    "completions": 0.04,
    "companions": 0.05,
    "landmarks": 0.04,
    "relatives": 0.04,
    "mysteries": 0.10,
    "long mysteries": 0.04,
    "lineups": 0.06,
    "repetitions": 0.07,
}
# Training begins with less: the first line-ups come after 540,000 passages, repeated ones after 880,000, long mysteries and
# stories told by names after 895,000.
STAGES: tuple[tuple[int, dict[str, float]], ...] = (
    (
        540_000,
        {
            "narration": 0.08,
            "adjectives": 0.22,
            "senses": 0.24,
            "gender": 0.11,
            "agreement": 0.06,
            "completions": 0.07,
            "landmarks": 0.04,
            "relatives": 0.04,
            "mysteries": 0.14,
        },
    ),
    (
        880_000,
        {
            "narration": 0.08,
            "adjectives": 0.20,
            "senses": 0.20,
            "gender": 0.10,
            "agreement": 0.05,
            "completions": 0.06,
            "landmarks": 0.04,
            "relatives": 0.04,
            "mysteries": 0.14,
            "lineups": 0.09,
        },
    ),
    (
        895_000,
        {
            "narration": 0.08,
            "adjectives": 0.19,
            "senses": 0.18,
            "gender": 0.09,
            "agreement": 0.05,
            "completions": 0.06,
            "landmarks": 0.04,
            "relatives": 0.04,
            "mysteries": 0.14,
            "lineups": 0.06,
            "repetitions": 0.07,
        },
    ),
)


def shares_of(number: int) -> dict[str, float]:
    """The proportions at a passage of the training text."""
    return next((shares for end, shares in STAGES if number < end), SHARES)


def write(write_passage: Phenomenon, seed: int | str, *, held_out: bool = False) -> Writer:
    """One passage of a kind."""
    w = Writer(Chance(seed), load(), held_out)
    write_passage(w)
    return w


def training_text(seed: int) -> Iterator[str]:
    """Passages without end, as the model is trained on them."""
    chance = Chance(f"training {seed}")
    for number in count():
        yield text_of(some_passage(chance, shares_of(number)).words)


def some_passage(chance: Chance, shares: dict[str, float]) -> Writer:
    """A passage of any kind, as likely as its share."""
    w = Writer(chance, load())
    PHENOMENA[tuple(shares)[chance.number(tuple(shares.values()))]](w)
    return w


def text_of(words: list[str]) -> str:
    """Words as they are printed: no space before a full stop or comma."""
    return " ".join(words).replace(" .", ".").replace(" ,", ",")
