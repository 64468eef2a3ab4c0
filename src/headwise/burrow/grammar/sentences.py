"""Fresh sentences of burrow's English, annotated by the grammar that wrote them."""

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from hashlib import sha256

from headwise._validate import check_counts
from headwise.data.suite import Mark, Sentence, Suite
from headwise.errors import HeadwiseError

from .annotation import sentence_of
from .chance import Chance
from .lexicon import load
from .passages import PHENOMENA, Phenomenon
from .placing import blocks_of, senses_passage, varied_sense
from .stories.adjectives import varied_adjective
from .stories.bindings import LABELS as BINDING
from .stories.bindings import binding_passages
from .stories.towers import LABELS as TOWERS
from .stories.towers import tower_passages
from .writer import Writer

LICENSE = "MIT"

QUESTIONS = {
    "narration": "What do heads do in plain narration?",
    "adjectives": "Do some heads let nouns collect their adjectives?",
    "senses": "Where in the model does an ambiguous word take its sense?",
    "gender": "Do some heads let pronouns look at who they stand for?",
    "agreement": "Do some heads let verbs look at their subjects?",
    "completions": "Where does a first name meet the words that complete it?",
    "companions": "Where does a first name meet the names that complete it?",
    "landmarks": "Where does a tower become the one in Paris?",
    "binding": "Does a noun that is named again hold its own adjective, not that of the other noun?",
    "towers": "Does tower become the one in Paris after Eiffel, and shrink after miniature?",
    "relatives": "Do nouns take in what was done to them?",
    "mysteries": "Does the last vector of a mystery hold the murderer?",
    "long mysteries": "Does the last vector of a mystery still hold the murderer when its clues lie far apart?",
    "lineups": "Is a name bound to what was said of its bearer?",
    "repetitions": "Is what was said once said again?",
}

# Told otherwise than in training, where the word that is looked for mostly stands at one place.
VARIED: dict[str, Phenomenon] = {"senses": senses_passage, "adjectives": varied_adjective}


def burrow_sentences(
    phenomenon: str,
    n: int,
    *,
    held_out: bool = False,
    without: Iterable[str] = (),
    seed: int = 0,
) -> Suite:
    """Fresh passages of the English that burrow was trained on, with all that is known about them.

    Each passage is a `Sentence` (of one or several sentences) with parts of speech, a dependency tree
    per sentence as links, and links beyond syntax, each from the word that needs (governor) to one
    that it needs (dependent): `sense`, `continuation`, `effect`, `antecedent`, `agreement`,
    `completion`, `landmark`, `relative`, `trait`, `clue`, `coreference`; `described` from a noun that is
    mentioned again to its adjectives; `pred` for *the creature was fluffy*.
    Marks are senses: `animal` for one requested word, else `mole.animal`.

    Args:
        phenomenon: `narration`, `adjectives`, `senses`, `gender`, `agreement`, `completions`,
            `companions`, `landmarks`, `relatives`, `mysteries`, `long mysteries`, `lineups`, `repetitions`, or one of the
            ambiguous words, as `mole`; or `towers`: passages about a tower (`bare`), the Eiffel tower (`eiffel`) and a `miniature`, three
            of a group, truncated before the place or the look that comes next, with the last word marked; or
            `binding`: two things with an adjective each, of which one is named again, last and marked by whether its adjective implies
                that something was done to it (`undergoes`) or that it did something (`acts`), in four versions with the same words. For a word
            one noun before it sets its sense, at varied places; senses are equally frequent, and a group is a sense
            with about two of the nouns that set it, so that what is scored is never set by words that were fitted.
        n: Number of passages.
        held_out: Whether adjectives and nouns, context words and senses, names and traits are combined
            as training never showed them, or only as it may have done.
        without: Nouns that may set no sense, of an ambiguous word: those that decide in sentences on which a
            direction will be tested (`cues.deciding_words`).
        seed: Fixes them.

    Raises:
        HeadwiseError: An unknown phenomenon, `n` below 1, a word of which no combination is held out, or
            words to do without where nothing is set by words.
    """
    check_counts(seed=seed)
    lexicon = load()
    require(phenomenon, (*PHENOMENA, "towers", "binding"), n, "passages")
    left_out = frozenset(without)
    fewer = f", without={sorted(left_out)}" if left_out else ""
    source = f"burrow_sentences({phenomenon!r}, {n}, seed={seed}, held_out={held_out}{fewer})"
    if left_out and phenomenon not in lexicon.senses:
        raise HeadwiseError(
            f"without={', '.join(sorted(left_out)[:3])}... leaves out words that set the sense of one ambiguous word, and "
            f"{phenomenon!r} is none of these; ask for one of {', '.join(lexicon.senses)}."
        )
    if phenomenon == "towers":
        sentences = tuple(tower_passages(lexicon, n, seed, source))
    elif phenomenon == "binding":
        sentences = tuple(binding_passages(lexicon, n, seed, held_out, source))
    elif phenomenon in lexicon.senses:
        sentences = tuple(_of_word(phenomenon, n, seed, held_out, left_out, source))
    else:
        sentences = tuple(_of_phenomenon(phenomenon, n, seed, held_out, source))
    labels = {"towers": TOWERS, "binding": BINDING}
    text = "\n".join(f"{s.group}\t{s.text}" for s in sentences)
    return Suite(
        name=f"burrow-{phenomenon}",
        question=_question(phenomenon),
        sentences=sentences,
        labels=labels.get(phenomenon) or sense_labels(phenomenon, sentences),
        license=LICENSE,
        path=source,
        sha256=sha256(text.encode()).hexdigest(),
        about=_about(phenomenon in lexicon.senses, held_out),
    )


def require(phenomenon: str, named: Iterable[str], n: int, unit: str) -> None:
    """Refuses what the grammar does not have.

    Args:
        phenomenon: The requested phenomenon.
        named: Phenomena beside the ambiguous words.
        n: The requested number.
        unit: Of what.

    Raises:
        HeadwiseError: An unknown phenomenon, or `n` below 1.
    """
    if n < 1:
        raise HeadwiseError(f"n is the number of {unit} and must be at least 1; got {n}.")
    senses = load().senses
    known = (*named, *senses)
    if phenomenon not in known:
        close = get_close_matches(phenomenon, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise HeadwiseError(
            f"burrow's grammar has no phenomenon {phenomenon!r}; it has {', '.join(named)} and the words "
            f"{', '.join(senses)}.{hint}"
        )


def _of_phenomenon(
    phenomenon: str, n: int, seed: int, held_out: bool, source: str
) -> list[Sentence]:
    made: list[Sentence] = []
    seen: set[tuple[str, ...]] = set()
    attempt = 0
    while len(made) < n:
        w = Writer(Chance(f"{phenomenon} {seed} {attempt}"), load(), held_out)
        VARIED.get(phenomenon, PHENOMENA[phenomenon])(w)
        attempt += 1
        if tuple(w.words) in seen and attempt < 20 * n:
            continue
        seen.add(tuple(w.words))
        group = w.group if phenomenon == "senses" else f"{phenomenon} {len(made)}"
        made.append(sentence_of(w, group, f"{source}: {len(made)}"))
    return made


def _of_word(
    word: str, n: int, seed: int, held_out: bool, without: frozenset[str], source: str
) -> list[Sentence]:
    lexicon = load()
    blocks = {sense: blocks_of(lexicon, sense, held_out, without) for sense in lexicon.senses[word]}
    senses = [sense for sense, own in blocks.items() if own]
    if not senses:
        raise HeadwiseError(
            f"No combination of {word!r} is held out of training."
            if held_out
            else f"Nothing is left to set the sense of {word!r}. Leave fewer words out."
        )
    made: list[Sentence] = []
    for i in range(n):
        sense = senses[i % len(senses)]
        numbers = tuple(blocks[sense])
        number = numbers[i // len(senses) % len(numbers)]
        w = Writer(Chance(f"{word} {seed} {i}"), lexicon, held_out)
        varied_sense(w, w.chance.hidden(blocks[sense][number]))
        sentence = sentence_of(w, f"{sense.name} {number}", f"{source}: {i}")
        marks = tuple(Mark(mark.word, sense.name) for mark in sentence.marks)
        made.append(replace(sentence, marks=marks))
    return made


def _about(of_word: bool, held_out: bool) -> str:
    lines = "The sentences are new and written by the grammar that burrow was trained on, which also annotates them"
    lines += (
        "; their combinations of words were held out of training."
        if held_out
        else "; training may have shown the same combinations of words in other sentences."
    )
    if of_word:
        lines += (
            " One noun before the word sets its sense, at varied places of the passage. A group is a sense with about two of the "
            "nouns that set it, so that no sentence is scored whose deciding words were fitted; a bag of words has nothing to go by."
        )
    return lines


def _question(phenomenon: str) -> str:
    if phenomenon in QUESTIONS:
        return QUESTIONS[phenomenon]
    *first, last = (sense.name for sense in load().senses[phenomenon])
    return f"Where in the model does {phenomenon} take its sense: {', '.join(first)} or {last}?"


def sense_labels(phenomenon: str, sentences: Iterable[Sentence]) -> dict[str, str]:
    """What the marks mean: senses of one word by their names, those of several as `word.name`."""
    meanings = {
        sense.name if sense.word == phenomenon else f"{sense.word}.{sense.name}": (
            f"{sense.word} as in: the {sense.word} {' '.join(w for w, _ in sense.continuations[0])}"
        )
        for word, senses in load().senses.items()
        for sense in senses
        if phenomenon in (word, *PHENOMENA)
    }
    used = {mark.label for sentence in sentences for mark in sentence.marks}
    return {label: meaning for label, meaning in meanings.items() if label in used}
