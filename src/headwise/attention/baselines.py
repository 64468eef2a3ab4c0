"""Model-free baselines: rules that predict a word from the text alone.

A head that attends to the previous word, to the next noun, or to the rarest word scores high without attending to the relation. Each rule here points
at one word for each question:

- from plain text (`plain_rules`): a fixed distance up to 20 words; the first, last or k-th word; the
  word with most pieces, the rarest or the longest one; the same word again, and the words beside its
  first mention; names and numbers; punctuation marks and the words beside them;
- from parts of speech (`tagged_rules`): the nearest, first, last or k-th word of the answers' part of
  speech, runs of such words (*the next noun run* finds the head of a compound), one beside the first mention of the query word, the nearest that is
  another word.

Which rule is best is chosen on one half of the data and counted on the other (`headwise.attention._crossfit`),
together with rules that are fitted themselves (`headwise.attention._learned`). Parts of speech are read from
`Sentence.tags` alone: marks often are the answers.

In UD English EWT dev the last of the next run of nouns and names is right for 89% of adjectives, above
every published adjective head; the next word for 75%.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from ._candidates import Options
from ._traits import Traits
from .annotations import Corpus
from .questions import NOBODY, Questions

MAX_OFFSET = 20
MAX_NTH = 5
SHARE_OF_ANSWERS = 0.05
LONG_WORD = 4  # letters; shorter ones are mostly function words
ORDINALS = {2: "2nd", 3: "3rd", 4: "4th", 5: "5th"}

Rules = Iterator[tuple[str, Int[ndarray, " question"]]]


def answer_classes(questions: Questions, corpus: Corpus) -> list[frozenset[str]]:
    """Sets of parts of speech worth a rule: each that makes a twentieth of the answers, and all of these together."""
    answers = _target_classes(questions, corpus)
    counts = np.bincount(answers[answers > 0], minlength=len(corpus.names))
    if not counts.any():
        return []
    frequent = np.flatnonzero(counts >= SHARE_OF_ANSWERS * counts.sum())
    frequent = frequent[np.argsort(-counts[frequent], kind="stable")].tolist()
    sets = [*([i] for i in frequent), frequent]
    return list(dict.fromkeys(frozenset(corpus.names[i] for i in chosen) for chosen in sets))


def _target_classes(questions: Questions, corpus: Corpus) -> Int[ndarray, "question target"]:
    """Part of speech of every right word; 0 where it has none or there is no word."""
    if not len(questions):
        return np.zeros_like(questions.targets)
    places = corpus.starts[questions.sentence][:, None] + questions.targets
    is_word = questions.targets != NOBODY
    return np.where(is_word, corpus.classes[np.where(is_word, places, 0)], 0)


def offset_name(offset: int) -> str:
    """How a fixed offset is called."""
    if abs(offset) == 1:
        return "previous word" if offset < 0 else "next word"
    return f"{abs(offset)} words {'before' if offset < 0 else 'after'}"


def offset_rules(questions: Questions) -> Rules:
    """The word so many places away."""
    for distance in range(1, MAX_OFFSET + 1):
        for offset in (-distance, distance):
            place = questions.query + offset
            visible = (place >= questions.first) & (place < questions.end)
            yield offset_name(offset), np.where(visible, place, NOBODY)


def plain_rules(options: Options, traits: Traits) -> Rules:
    """Every rule that reads plain text, with the word it points at for each question; the plainest first."""
    yield from offset_rules(options.questions)
    everything = np.ones(len(options.word), dtype=bool)
    n_before, n = options.count_before(everything), options.count(everything)
    yield "first word", options.pick(everything, -options.place)
    yield "last word", options.pick(everything, options.place)
    for k, name in ORDINALS.items():
        yield f"{name} word", options.pick(n_before == k - 1, -options.place)
        yield f"{name} word from the end", options.pick(n - n_before == k, -options.place)
    form, own = traits.form[options.word], traits.form[options.query]
    yield from _of(options, "same word", form == own, sides=True)
    yield from _beside_first_mention(options, form == own)
    for name, trait in (("with most pieces", traits.pieces), ("with most letters", traits.letters)):
        most = trait[options.word]
        yield from _of(options, f"word {name}", most == options.largest(most))
        for side, fits in (("before", options.offset < 0), ("after", options.offset > 0)):
            yield f"word {name} {side}", options.pick(fits, _by(most, options.nearness))
    plain = traits.is_plain[options.word]
    rare = _by(-traits.count[options.word], traits.rank[options.word])
    for name, preference in (
        ("rarest word", _by(traits.rank[options.word], options.nearness)),
        ("word that is rarest here", _by(rare, options.nearness)),
    ):
        yield name, options.pick(plain, preference)
        yield f"{name} before", options.pick(plain & (options.offset < 0), preference)
        yield f"{name} after", options.pick(plain & (options.offset > 0), preference)
    long = plain & (traits.letters[options.word] >= LONG_WORD)
    yield from _of(options, f"word of {LONG_WORD} letters or more", long, sides=True)
    yield from _of(options, "capitalised word", traits.is_capital[options.word], sides=True)
    yield from _of(options, "number", traits.has_digit[options.word])
    yield from _of(options, "punctuation mark", ~plain, sides=True)
    for side, neighbour in (("before", traits.next), ("after", traits.previous)):
        fits = traits.is_beside_mark(neighbour)[options.word]
        yield from _of(options, f"word {side} a punctuation mark", fits, sides=True)
        yield from _nth(options, f"word {side} a punctuation mark", fits)


def tagged_rules(
    options: Options, corpus: Corpus, traits: Traits, sets: Sequence[frozenset[str]]
) -> Rules:
    """Every rule that reads parts of speech, with the word it points at for each question.

    Args:
        options: What can be seen.
        corpus: Words and their parts of speech.
        traits: Their forms.
        sets: Parts of speech that answers have, from `answer_classes`.
    """
    form, own = traits.form[options.word], traits.form[options.query]
    for names in sets:
        title = "/".join(sorted(names))
        fits = corpus.of_class(names)[options.word]
        yield from _of(options, title, fits, sides=True)
        yield from _runs(options, title, fits)
        yield from _nth(options, title, fits)
        yield from (
            (f"{title}, {name}", places)
            for name, places in _beside_first_mention(options, form == own, fits)
        )
        other = fits & (form != own)
        yield f"nearest {title} that is another word", options.pick(other, options.nearness)
        yield (
            f"nearest {title} before that is another word",
            options.pick(other & (options.offset < 0), options.nearness),
        )


def _by(first: Int[ndarray, " row"], then: Int[ndarray, " row"]) -> Int[ndarray, " row"]:
    """A preference by one thing, and where that is equal by another."""
    if not len(then):
        return first
    return first * (int(then.max() - then.min()) + 1) + then


def _of(options: Options, title: str, fits: Bool[ndarray, " row"], *, sides: bool = False) -> Rules:
    """The nearest, first and last word of a kind."""
    yield f"nearest {title}", options.pick(fits, options.nearness)
    yield f"nearest {title} before", options.pick(fits & (options.offset < 0), options.nearness)
    yield f"nearest {title} after", options.pick(fits & (options.offset > 0), options.nearness)
    yield f"first {title}", options.pick(fits, -options.place)
    yield f"last {title}", options.pick(fits, options.place)
    if sides:
        yield f"first {title} after", options.pick(fits & (options.offset > 0), options.place)
        yield f"last {title} before", options.pick(fits & (options.offset < 0), -options.place)


def _nth(options: Options, title: str, fits: Bool[ndarray, " row"]) -> Rules:
    """The k-th word of a kind, from the query word and from the beginning of the text."""
    sides = {"before": fits & (options.offset < 0), "after": fits & (options.offset > 0)}
    from_start = options.count_before(fits)
    for k, name in ORDINALS.items():
        yield f"{name} {title}", options.pick(fits & (from_start == k - 1), -options.place)
        for side, inside in sides.items():
            rank = options.count_before(inside)
            rank = options.count(inside) - 1 - rank if side == "before" else rank
            yield (
                f"{name} nearest {title} {side}",
                options.pick(inside & (rank == k - 1), -options.place),
            )


def _runs(options: Options, title: str, fits: Bool[ndarray, " row"]) -> Rules:
    """The far end of the next run of words of a kind, and of the run before."""
    sides = {"after": options.offset > 0, "before": options.offset < 0}
    ends: dict[str, Int[ndarray, " question"]] = {}
    for side, inside in sides.items():
        own, other = fits & inside, inside & ~fits
        if side == "after":
            begun = options.count_before(own) > 0
            breaks = options.count_before(other & begun)
        else:  # the same, read from the word that looks backwards
            begun = options.count(own) - options.count_before(own) - own > 0
            between = other & begun
            breaks = options.count(between) - options.count_before(between) - between
        far = options.place if side == "after" else -options.place
        ends[side] = options.pick(own & (breaks == 0), far)
    yield f"last of the next {title} run", ends["after"]
    yield f"first of the previous {title} run", ends["before"]


def _beside_first_mention(
    options: Options, same: Bool[ndarray, " row"], fits: Bool[ndarray, " row"] | None = None
) -> Rules:
    """Words beside the first mention of the query word; of those that fit, the nearest to it."""
    first = options.pick(same, -options.place)[options.question]
    away = options.place - first
    is_mentioned = first != NOBODY
    if fits is None:
        for offset in (-1, 1, -2, 2):
            name = f"{offset_name(offset)}, seen from its first mention"
            yield name, options.pick(is_mentioned & (away == offset), -options.place)
        return
    near = -2 * np.abs(away) - (away > 0)
    for side, inside in (("before", away < 0), ("after", away > 0)):
        yield (
            f"nearest {side} its first mention",
            options.pick(is_mentioned & fits & inside, near),
        )
    yield "nearest to its first mention", options.pick(is_mentioned & fits & (away != 0), near)
    # Most words are mentioned once; then the nearest one before has to do.
    before = options.offset < 0
    preference = np.where(is_mentioned, near, options.nearness)
    usable = fits & np.where(is_mentioned, away != 0, before)
    yield "nearest to its first mention, or else before", options.pick(usable, preference)


def is_right(
    questions: Questions, places: Int[ndarray, "*rest question"]
) -> Bool[ndarray, "*rest question"]:
    """Whether the word pointed at is one of the right ones."""
    right = np.zeros(places.shape, dtype=bool)
    for target in questions.targets.T:
        right |= places == target
    return right & (places != NOBODY)


def has_distractor(questions: Questions, corpus: Corpus) -> Bool[ndarray, " question"]:
    """Whether a wrong word of a right answer's part of speech is as near as the nearest right one."""
    found = np.zeros(len(questions), dtype=bool)
    start, reach = corpus.starts[questions.sentence], questions.nearest
    low = np.maximum(questions.first, questions.query - reach)
    high = np.minimum(questions.end, questions.query + reach + 1)
    answers = _target_classes(questions, corpus)
    inside = (questions.targets >= low[:, None]) & (questions.targets < high[:, None])
    sees_itself = (questions.query >= low) & (questions.query < high)
    for name in np.unique(answers[answers > 0]):
        is_answer = answers == name
        before = np.concatenate([[0], np.cumsum(corpus.classes == name)])
        near = before[start + high] - before[start + low]
        own = corpus.classes[start + questions.query] == name
        wrong = near - (is_answer & inside).sum(axis=1) - (sees_itself & own)
        found |= is_answer.any(axis=1) & (wrong > 0)
    return found


def by_chance(questions: Questions) -> Float[ndarray, " question"]:
    """How likely a right word is hit if links are permuted: if any visible word may be the right one."""
    sees_itself = (questions.first <= questions.query) & (questions.query < questions.end)
    visible = questions.end - questions.first - sees_itself
    return (questions.targets != NOBODY).sum(axis=1) / np.maximum(visible, 1)
