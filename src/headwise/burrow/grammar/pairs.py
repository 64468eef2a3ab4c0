"""Minimal pairs of burrow's English: two versions of a passage, up to a word that its hidden state determines.

A passage is truncated just before such a word. In the corrupted copy its deciding words are others of their kind: another adjective of the noun, the
person of the other gender, words around another
sense. All else is equal, word by word and token by token, so what changes in the model is due to them.
About a millisecond per pair. Tokens are counted by burrow's tokenizer; its weights are not read.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, partial
from hashlib import sha256

from headwise._validate import check_counts
from headwise.data.suite import Link, Mark, Pair, Suite
from headwise.errors import HeadwiseError

from .annotation import cut_at, sentence_of
from .blocks import exchanges, groups_of, n_tokens
from .chance import Chance
from .lexicon import Adjective, Fragment, Lexicon, Sense, is_held_out, load
from .phrases import NOT_TELLING, adjectives_for, telling
from .placing import ANY, varied_sense
from .sentences import LICENSE, require, sense_labels
from .stories.adjectives import varied_adjective
from .stories.people import gender_passage
from .writer import Point, Writer, takes_an

PATIENCE = 3000  # passages in a row that give no new pair

QUESTIONS = {
    "adjectives": "Which heads does a noun need to know its adjective?",
    "gender": "Which heads does a pronoun need to know who it stands for?",
    "senses": "Which heads does an ambiguous word need for its sense?",
}
LABELS = {
    "adjectives": {"noun": "what the next words tell of", "adjective": "why they tell it"},
    "gender": {"person": "who the pronoun that comes next will stand for"},
}


@dataclass(frozen=True, slots=True)
class Swap:
    """What makes a pair of a passage.

    Attributes:
        end: Position of the word before which it is truncated.
        words: Words of the corrupted passage that differ, by position.
        right: Words that can come next in the clean passage and not in the corrupted one.
        wrong: Words of which the opposite is true.
        marks: Marked positions, each with its label in the clean and in the corrupted passage.
        links: Related words.
        group: What the pair has in common with others.
    """

    end: int
    words: dict[int, str]
    right: set[str]
    wrong: set[str]
    marks: tuple[tuple[int, str, str], ...]
    links: tuple[Link, ...]
    group: str


def burrow_pairs(
    phenomenon: str,
    n: int,
    *,
    held_out: bool = False,
    seed: int = 0,
) -> Suite:
    """Minimal pairs of the English that burrow was trained on.

    - `adjectives`: a `noun` whose effect comes next, and the `adjective` that brings it about; a link
      `described` from the noun, which is named again, to it. A group is two adjectives
      that are swapped for each other.
    - `gender`: the `person` that a pronoun will stand for, with a link `antecedent` from the last word.
      Who stands between is the same in both passages. A group is a noun or name with its counterpart.
    - a word such as `mole`: marked with its sense, a link `sense` to the one noun that sets it, at varied places. A group
      is that noun and those that are swapped in for it.
    - `senses`: the same of all ambiguous words together, marked as `mole.animal`.

    A deciding word is in one group only, so groups are clusters of words. Some words are deciding in no pair of a kind, so that there are others
    to fit on: `burrow_sentences(word, n, without=cues.deciding_words(pairs))`.

    Args:
        phenomenon: `adjectives`, `gender`, or an ambiguous word.
        n: Number of pairs.
        held_out: Whether clean passages combine words as training never showed them, or clean and corrupted
            ones only as it may have done. Adjectives that are swapped in are held out as well, persons by chance, words that
            set a sense are not: few are held out of it, ten of mole's, so as many groups there are. Where a pronoun comes before what its person did (*the king
            stayed because he*), what is held out is truncated.
        seed: Fixes them.

    Raises:
        HeadwiseError: An unknown phenomenon, `n` below 1, or more pairs than there are.
    """
    check_counts(seed=seed)
    require(phenomenon, MAKERS, n, "pairs")
    source = f"burrow_pairs({phenomenon!r}, {n}, seed={seed}, held_out={held_out})"
    make = MAKERS.get(phenomenon) or partial(_of_sense, words=(phenomenon,))
    pairs: dict[str, Pair] = {}
    attempt = last = 0
    while len(pairs) < n:
        w = Writer(Chance(f"{phenomenon} pairs {seed} {attempt}"), load(), held_out)
        swap = make(w)
        attempt += 1
        if swap is not None and swap.right and swap.wrong:
            pair = _pair(w, swap, f"{source}: {len(pairs)}")
            last = last if pair.clean.text in pairs else attempt
            pairs.setdefault(pair.clean.text, pair)
        if attempt - last > PATIENCE:
            raise HeadwiseError(
                f"The grammar gives {len(pairs)} different pairs of {phenomenon!r} with held_out={held_out}; asked for {n}. "
                f"Ask for fewer, or for held_out={not held_out}."
            )
    sentences = tuple(s for pair in pairs.values() for s in (pair.clean, pair.corrupted))
    said = (f"{p.clean.text}\t{p.corrupted.text}\t{p.right}\t{p.wrong}" for p in pairs.values())
    return Suite(
        name=f"burrow-{phenomenon}-pairs",
        question=QUESTIONS.get(phenomenon, f"Which heads does {phenomenon} need for its sense?"),
        sentences=sentences,
        labels=LABELS.get(phenomenon) or sense_labels(phenomenon, sentences),
        license=LICENSE,
        path=source,
        sha256=sha256("\n".join(said).encode()).hexdigest(),
        about="The passages are new and written by the grammar that burrow was trained on; they end before a word that others "
        f"decide, which are swapped in the corrupted ones. Clean ones combine words as training "
        f"{'never showed them' if held_out else 'may have shown them'}.",
        pairs=tuple(pairs.values()),
    )  # fmt: skip


def _pair(w: Writer, swap: Swap, source: str) -> Pair:
    marks = tuple(Mark(position, label) for position, label, _ in swap.marks)
    clean = cut_at(sentence_of(w, swap.group, source), swap.end - 1, marks, swap.links)
    corrupted = replace(
        clean,
        words=tuple(swap.words.get(i, word) for i, word in enumerate(clean.words)),
        marks=tuple(Mark(position, label) for position, _, label in swap.marks),
    )
    right, wrong = (w.chance.hidden(sorted(words)) for words in (swap.right, swap.wrong))
    return Pair(clean, corrupted, right, wrong)


def _of_adjective(w: Writer) -> Swap | None:
    """Its counterpart in the place of an adjective, where the usual order of adjectives allows it."""
    pair, nouns = w.chance.hidden(exchanges(w.lexicon, w.held_out))
    old, new = w.chance.hidden((pair, pair[::-1]))
    varied_adjective(w, (w.chance.hidden(nouns), old))
    if new.word in w.words or w.words.count(old.word) > 1:  # said of something else
        return None
    links = [i for i in w.links if i.relation == "described" and w.words[i.dependent] == old.word]
    if not links:  # of two nouns only the other is named again
        return None
    (link,) = links
    cause, last = link.dependent, link.governor
    points = [point for point in w.points if point.kind == "effect" and point.causes == (cause,)]
    if not points or _start(w, points[0]) != last + 1:  # another effect was told already
        return None
    point = points[0]
    pool = {adjective.word: adjective for adjective in adjectives_for(w, w.words[last])}
    places = [i.dependent for i in w.links if i.relation == "described" and i.governor == last]
    described = [pool[w.words[place]] for place in places]
    instead = [new if adjective is old else adjective for adjective in described]
    orders = [adjective.order for adjective in instead]
    if orders != sorted(orders) or not _fits(w, cause, new.word):
        return None
    marks = ((cause, "adjective", "adjective"), (last, "noun", "noun"))
    right, wrong = _apart(_effects(described), _effects(instead), w.words[last + 1 : point.word])
    right, wrong = _of_one_token(right), _of_one_token(wrong)
    group = " ".join(sorted((old.word, new.word)))
    return Swap(point.word, {cause: new.word}, right, wrong, marks, (link,), group)


def _effects(adjectives: Iterable[Adjective]) -> list[Fragment]:
    return [effect for adjective in adjectives for effect in adjective.effects]


def _of_person(w: Writer) -> Swap | None:
    """The counterpart of who it is about: *queen* for *king*, a woman's name for a man's."""
    gender_passage(w)
    (point,) = (point for point in w.points if point.kind == "pronoun")
    (cause,), end = point.causes, point.word
    other = _counterparts(w.lexicon)[w.words[cause]]
    if other in w.words or not _fits(w, cause, other):
        return None
    if w.tags[cause] == "NOUN" and not w.held_out:
        did, like = w.words[end - 1], w.words[cause - 1]
        if w.tags[end - 1] == "VERB" and is_held_out(other, did):
            return None
        if w.tags[cause - 1] == "ADJ" and is_held_out(like, other):
            return None
    group = "-".join(sorted((w.words[cause], other)))
    marks, links = ((cause, "person", "person"),), (Link(cause, end - 1, "antecedent"),)
    return Swap(end, {cause: other}, set(point.right), set(point.wrong), marks, links, group)


@cache
def _counterparts(lexicon: Lexicon) -> dict[str, str]:
    """To each noun or name of a person one of the other gender."""
    names = lexicon.people["names"]
    pairs = [*lexicon.people["gender"]["pairs"], *zip(names["male"], names["female"], strict=True)]
    return {a: b for pair in pairs for a, b in (pair, pair[::-1])}


def _of_sense(w: Writer, words: tuple[str, ...]) -> Swap | None:
    """Another word in the place of the one that sets a sense, from around another sense."""
    groups = groups_of(w.lexicon, words, w.held_out)
    if not groups:
        return None
    name, clean, corrupted = w.chance.hidden(groups)
    cue, other = w.chance.hidden(clean), w.chance.hidden(corrupted)
    if not w.held_out:
        cue, other = w.chance.hidden(((cue, other), (other, cue)))
    cause = varied_sense(w, cue if cue.kind == other.kind else cue._replace(kind=ANY))
    mark = w.marks[-1].word
    points = [point for point in w.points if _start(w, point) == mark + 1]
    if not points or not _fits(w, cause, other.noun) or other.noun in w.words:
        return None
    end = points[0].word
    said = cue.sense.continuations, other.sense.continuations
    right, wrong = _apart(*said, w.words[mark + 1 : end])
    if len(words) > 1 or _one_token_will_do(cue.sense, other.sense):
        right, wrong = _of_one_token(right), _of_one_token(wrong)
    label, instead = (
        c.sense.name if len(words) == 1 else f"{c.sense.word}.{c.sense.name}" for c in (cue, other)
    )
    return Swap(
        end,
        {cause: other.noun},
        right,
        wrong,
        ((mark, label, instead),),
        (Link(cause, mark, "sense"),),
        name,
    )


@cache
def _one_token_will_do(sense: Sense, other: Sense) -> bool:
    """Whether two senses go on with words of one token after the same words: of nearly all they do."""
    first, second = (
        {before for before, word in map(telling, s.continuations) if n_tokens(word) == 1}
        for s in (sense, other)
    )
    return bool(first & second)


def _start(w: Writer, point: Point) -> int:
    """Where the phrase begins of which a point is the telling word: *was* of *was stroked*."""
    start = point.word
    while w.tags[start - 1] in NOT_TELLING:
        start -= 1
    return start


def _apart(
    clean: Iterable[Fragment], corrupted: Iterable[Fragment], before: list[str]
) -> tuple[set[str], set[str]]:
    """Telling words that phrases of one side only have after the words before."""
    right, wrong = (
        {word for first, word in map(telling, side) if first == tuple(before)}
        for side in (clean, corrupted)
    )
    return right - wrong, wrong - right


def _of_one_token(words: set[str]) -> set[str]:
    return {word for word in words if n_tokens(word) == 1}


def _fits(w: Writer, position: int, word: str) -> bool:
    """Whether a word can be written in the place of one and nothing else changes."""
    before, old = w.words[position - 1], w.words[position]
    same_article = before not in ("a", "an") or takes_an(word) == takes_an(old)
    return same_article and n_tokens(word) == n_tokens(old)


MAKERS: dict[str, Callable[[Writer], Swap | None]] = {
    "adjectives": _of_adjective,
    "gender": _of_person,
    "senses": lambda w: _of_sense(w, tuple(w.lexicon.senses)),
}
