"""Minimal pairs of burrow's English: one passage told twice, up to a word that its hidden state decides.

A passage is cut off just before such a word. In the corrupted copy the words that decide it are others
of their kind: another adjective of the noun, the person of the other gender, words around another
sense. All else is equal, word by word and token by token, so what changes in the model is due to them.
About a millisecond per pair. Tokens are counted by burrow's tokenizer; its weights are not read.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, partial
from hashlib import sha256

from ..catalogue import BURROW
from ..errors import HeadwiseError
from ..suites import Link, Mark, Pair, Suite
from .adjectives import adjective_passage
from .annotation import sentence_of
from .chance import Chance
from .lexicon import Adjective, Fragment, Lexicon, Sense, is_held_out, load
from .people import gender_passage
from .phrases import NOT_TELLING, adjectives_for, telling
from .senses import N_BLOCKS, context_of, context_words, sense_before
from .sentences import LICENSE, require, sense_labels
from .writer import Point, Writer, takes_an

PATIENCE = 3000  # passages in a row that give no new pair

QUESTIONS = {
    "adjectives": "Which heads does a noun need to know its adjective?",
    "gender": "Which heads does a pronoun need to know who it stands for?",
}
LABELS = {
    "adjectives": {"noun": "what the next words tell of", "adjective": "why they tell it"},
    "gender": {"person": "who the pronoun that comes next will stand for"},
}


@dataclass(frozen=True, slots=True)
class Swap:
    """What makes a pair of a passage.

    Attributes:
        end: Position of the word before which it is cut off.
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


def burrow_pairs(phenomenon: str, n: int, seed: int = 0, held_out: bool = True) -> Suite:
    """Minimal pairs of the English that burrow was trained on.

    - `adjectives`: a `noun` whose effect comes next, and the `adjective` that brings it about; a link
      `described` where the noun was mentioned before with its adjectives, else `amod`. A group is a noun.
    - `gender`: the `person` that a pronoun will stand for, with a link `antecedent` from the last word.
      Who stands between is the same in both passages. A group is a noun or name with its counterpart.
    - a word such as `mole`: marked with its sense, links `sense` to the words that set it. A group is two
      senses, each with one part of the words that set it.

    Args:
        phenomenon: `adjectives`, `gender`, or an ambiguous word.
        n: Number of pairs.
        seed: Fixes them.
        held_out: Whether clean passages combine words as training never showed them, or clean and corrupted
            ones only as it may have done. Adjectives that are swapped in are held out as well, context words
            where one fits, persons by chance. Where a pronoun comes before what its person did (*the king
            stayed because he*), what is held out is cut off.

    Raises:
        HeadwiseError: An unknown phenomenon, `n` below 1, or more pairs than there are.
    """
    require(phenomenon, MAKERS, n, "pairs")
    source = f"burrow_pairs({phenomenon!r}, {n}, seed={seed}, held_out={held_out})"
    make = MAKERS.get(phenomenon) or partial(_of_sense, word=phenomenon)
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
    whole, end = sentence_of(w, swap.group, source), swap.end
    clean = replace(
        whole,
        words=whole.words[:end],
        spaces=(*whole.spaces[: end - 1], False),
        marks=tuple(Mark(position, label) for position, label, _ in swap.marks),
        links=swap.links,
        tags=whole.tags[:end],
    )
    corrupted = replace(
        clean,
        words=tuple(swap.words.get(i, word) for i, word in enumerate(clean.words)),
        marks=tuple(Mark(position, label) for position, _, label in swap.marks),
    )
    right, wrong = (w.chance.told(sorted(words)) for words in (swap.right, swap.wrong))
    return Pair(clean, corrupted, right, wrong)


def _of_adjective(w: Writer) -> Swap | None:
    """Another adjective of the same noun, where the usual order of adjectives allows it."""
    adjective_passage(w)
    points = [point for point in w.points if point.kind == "effect"]
    if not points:
        return None
    point = w.chance.told(points)
    start = _start(w, point)
    if w.tags[start - 1] != "NOUN":  # another effect was told already
        return None
    (cause,) = point.causes
    links = [i for i in sentence_of(w, "", "").links if i.relation in ("amod", "described")]
    # Links beyond syntax come after those of trees, so the last one is of the noun's last mention.
    link = [i for i in links if i.dependent == cause][-1]
    noun = w.words[link.governor]
    pool = {adjective.word: adjective for adjective in adjectives_for(w, noun)}
    old, new = pool[w.words[cause]], w.chance.told(list(pool.values()))
    places = [i.dependent for i in links if i.governor == link.governor]
    told = [pool[w.words[place]] for place in places]
    instead = [new if adjective is old else adjective for adjective in told]
    orders = [adjective.order for adjective in instead]
    if orders != sorted(orders) or not _fits(w, cause, new.word):
        return None
    if new.word in w.words or w.words.count(old.word) > 1:  # said of something else
        return None
    marks = ((cause, "adjective", "adjective"), (link.governor, "noun", "noun"))
    right, wrong = _apart(_effects(told), _effects(instead), w.words[start : point.word])
    right, wrong = _of_one_token(right), _of_one_token(wrong)
    return Swap(point.word, {cause: new.word}, right, wrong, marks, (link,), noun)


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


def _of_sense(w: Writer, word: str) -> Swap | None:
    """People, things and places around another sense."""
    blocks = {
        sense: [b for b in range(N_BLOCKS) if any(context_of(w, sense, b).words)]
        for sense in w.lexicon.senses[word]
    }
    if not any(blocks.values()):
        return None
    sense = w.chance.told([sense for sense, usable in blocks.items() if usable])
    block = w.chance.told(blocks[sense])
    sense_before(w, sense, context_of(w, sense, block))
    mark = w.marks[-1].word
    points = [point for point in w.points if _start(w, point) == mark + 1]
    if not points:
        return None
    causes, end = points[0].causes, points[0].word
    rivals = [(other, b) for other in blocks if other is not sense for b in range(N_BLOCKS)]
    for other, other_block in w.chance.sample_told(rivals, len(rivals)):
        options = [_around(w, sense, other, other_block, cause) for cause in causes]
        right, wrong = _apart(sense.continuations, other.continuations, w.words[mark + 1 : end])
        if _one_token_will_do(sense, other):
            right, wrong = _of_one_token(right), _of_one_token(wrong)
        if all(options) and right and wrong:
            words = {c: w.chance.told(fitting) for c, fitting in zip(causes, options, strict=True)}
            links = tuple(Link(cause, mark, "sense") for cause in causes)
            group = " - ".join(sorted((f"{sense.name} {block}", f"{other.name} {other_block}")))
            marks = ((mark, sense.name, other.name),)
            return Swap(end, words, right, wrong, marks, links, group)
    return None


def _around(w: Writer, sense: Sense, other: Sense, block: int, position: int) -> list[str]:
    """Words of one part of another domain that can stand for one; those held out, if any may."""
    word = w.words[position]
    domain, rival = w.lexicon.domains[sense.domain], w.lexicon.domains[other.domain]
    own = (domain.people, domain.things, domain.places)
    kind = next(i for i, words in enumerate(own) if word in words)
    if word in (*rival.people, *rival.things, *rival.places):
        return []
    for held_out in (True, False) if w.held_out else (False,):
        options = context_words(w.lexicon, other, held_out, block).words[kind]
        fitting = [v for v in options if v not in (*own[kind], *w.words) and _fits(w, position, v)]
        if fitting:
            return fitting
    return []


@cache
def _one_token_will_do(sense: Sense, other: Sense) -> bool:
    """Whether two senses go on with words of one token after the same words: of nearly all they do."""
    first, second = (
        {before for before, word in map(telling, s.continuations) if _n_tokens(word) == 1}
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
    return {word for word in words if _n_tokens(word) == 1}


def _fits(w: Writer, position: int, word: str) -> bool:
    """Whether a word can be written in the place of one and nothing else changes."""
    before, old = w.words[position - 1], w.words[position]
    same_article = before not in ("a", "an") or takes_an(word) == takes_an(old)
    return same_article and _n_tokens(word) == _n_tokens(old)


@cache
def _n_tokens(word: str) -> int:
    return len(_tokenize()(word))


@cache
def _tokenize() -> Callable[[str], list[str]]:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_file=str(BURROW / "tokenizer.json")).tokenize


MAKERS: dict[str, Callable[[Writer], Swap | None]] = {
    "adjectives": _of_adjective,
    "gender": _of_person,
}
