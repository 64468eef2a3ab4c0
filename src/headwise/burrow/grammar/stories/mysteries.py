"""Short mysteries: the murderer's name can only be known from the whole story.

Suspects are introduced, each with a trait; traces point to traits and alibis clear people. The
murderer is the one whose trait left the trace and who has no alibi. Three ways to get there: all
others have alibis; the trace points to one; or the trace points to two, one of which has an alibi.
Remarks about suspects that prove nothing keep the count of names from giving it away. Line-ups need the same with less context: which person has
which trait.
"""

from collections.abc import Iterable, Sequence

from headwise.burrow.grammar.lexicon import Fragment, is_held_out
from headwise.burrow.grammar.phrases import predicate, somebody
from headwise.burrow.grammar.writer import Point, Writer

from .narration import filler

Trait = dict[str, Fragment]

WAYS = ("alibis", "trace", "both")
# How many sentences that prove nothing stand between clues, by their likelihood.
PACE = (0.42, 0.28, 0.15, 0.1, 0.05)
SLOW_PACE = (0.1, 0.15, 0.15, 0.2, 0.15, 0.15, 0.1)
LONG = 140  # words after which a story keeps to the first pace: the model reads 256 tokens
NOTHING = (
    "was sad/ADJ", "said nothing/PRON", "sat in silence/NOUN", "drank/VERB tea/NOUN", "looked away",
    "asked for water/NOUN", "stood near the door/NOUN", "was pale/ADJ", "spoke quietly/ADV", "ate/VERB nothing/PRON",
)  # fmt: skip


def mystery_passage(
    w: Writer,
    n_suspects: int | None = None,
    *,
    way: str | None = None,
    spelled_out: bool | None = None,
    pace: Sequence[float] = PACE,
) -> None:
    """A murder, its suspects, what was found, and who did it.

    Args:
        w: The text.
        n_suspects: 2 to 4; any by default.
        way: How it can be known, one of `WAYS`; any by default.
        spelled_out: Whether conclusions are drawn on the way; sometimes, by default.
        pace: How likely no, one, two, ... idle sentences are between clues.
    """
    if n_suspects is None and not w.held_out and w.chance.happens(0.25):
        return _trace_only(w)
    story = w.lexicon.people["mystery"]
    n = n_suspects or 2 + w.chance.number((0.35, 0.45, 0.2))
    if way is None:
        way = WAYS[w.chance.number((0.35, 0.3, 0.35) if n > 2 else (0.5, 0.5))]
    if spelled_out is None:
        spelled_out = w.chance.happens(0.5)
    names = _cast(w, n)
    murderer = w.chance.pick(names)
    traits = _traits(w, names, murderer, way)
    _opening(w, names)
    causes: dict[str, list[int]] = {name: [] for name in names}
    if way == "alibis" and w.chance.happens(0.5):
        traits = {}
    alike = [[n for n in names if traits[n] is trait] for trait in _different(traits.values())]
    for same in w.chance.sample(alike, len(alike)):
        _introduce(w, same, traits[same[0]]["trait"], causes)
    evidence: list[tuple[str, str]] = []
    if way in ("trace", "both"):
        evidence.append(("trace", murderer))
    if way == "alibis":
        evidence += [("alibi", name) for name in names if name != murderer]
    elif way == "both":
        evidence += [
            ("alibi", n_) for n_ in names if n_ != murderer and traits[n_] is traits[murderer]
        ]
    clues: list[int] = []
    for kind, name in w.chance.sample(evidence, len(evidence)):
        _digression(w, names, pace)
        if kind == "trace":
            found = _find(w, traits[murderer], spelled_out)
            clues += found
            if spelled_out and way == "trace":
                _belonged(w, murderer, names, found + causes[murderer])
        else:
            clues.append(w.add(name, "PROPN"))
            alibis = [a for a in story["alibis"] if is_held_out(name, a[-1][0]) == w.held_out]
            start = w.say(w.chance.pick(alibis, len(story["alibis"])))
            clues += [i for i in range(start, len(w)) if w.tags[i] == "NOUN"]
            w.stop()
            if spelled_out:
                w.say("so")
                _name_point(w, name, names, "deduction", clues[-2:])
                w.say("was innocent")
                w.stop()
    _digression(w, names, pace)
    w.say("therefore the murderer was")
    _name_point(w, murderer, names, "murderer", [*clues, *causes[murderer]])
    w.stop()
    w.group = way


def long_mystery_passage(w: Writer) -> None:
    """A mystery with distant clues: up to 200 tokens."""
    mystery_passage(w, 2 + w.chance.number((0.35, 0.45, 0.2)), pace=SLOW_PACE)


def lineup_passage(w: Writer) -> None:
    """Two or three people, what each is known for, and then who is who: names bound to traits."""
    names = _cast(w, 2 + w.chance.number((0.5, 0.5)))
    traits = _traits(w, names, w.chance.hidden(names), "trace")
    causes: dict[str, list[int]] = {name: [] for name in names}
    for name in w.chance.sample(names, len(names)):
        _introduce(w, [name], traits[name]["trait"], causes)
    filler(w, w.chance.number((0.7, 0.3)))
    for name in w.chance.sample(names, 1 + w.chance.number((0.4, 0.6))):
        _who(w, name, names, traits[name], causes[name])
    w.group = "lineup"


def repeated_lineup_passage(w: Writer) -> None:
    """The same, with the identification stated twice, so that the second can be copied word by word."""
    names = _cast(w, 2 + w.chance.number((0.4, 0.6)))
    traits = _traits(w, names, w.chance.hidden(names), "trace")
    causes: dict[str, list[int]] = {name: [] for name in names}
    for name in w.chance.sample(names, len(names)) if w.chance.happens(0.5) else ():
        _introduce(w, [name], traits[name]["trait"], causes)
    for _ in range(2):
        for name in w.chance.sample(names, len(names)):
            causes[name] += _who(w, name, names, traits[name], causes[name])
        filler(w, w.chance.number((0.7, 0.3)))
    w.group = "lineup"


def _who(w: Writer, name: str, names: list[str], trait: Trait, causes: list[int]) -> list[int]:
    """The person who wore muddy boots was Anna; returns the words that tell."""
    start = w.say("the person/NOUN who")
    w.say(trait["trait"])
    w.say("was")
    asked = [i for i in range(start, len(w)) if w.tags[i] in ("NOUN", "ADJ", "VERB")]
    if causes:
        _name_point(w, name, names, "binding", [*asked, *causes])
    else:  # said for the first time, so nobody could know
        w.add(name, "PROPN")
    w.stop()
    return [*asked, w.last - 1]


def _trace_only(w: Writer) -> None:
    """Two or three people, what each is known for, a trace, and whose it was."""
    names = _cast(w, 2 + w.chance.number((0.5, 0.5)))
    owner = w.chance.pick(names)
    traits = _traits(w, names, owner, "trace")
    causes: dict[str, list[int]] = {name: [] for name in names}
    for name in w.chance.sample(names, len(names)):
        _introduce(w, [name], traits[name]["trait"], causes)
    found = _find(w, traits[owner], w.chance.happens(0.4))
    _belonged(w, owner, names, found + causes[owner])
    w.group = "trace only"


def _cast(w: Writer, n: int) -> list[str]:
    """Different first names."""
    names: list[str] = []
    while len(names) < n:
        names.append(w.chance.until(lambda: somebody(w)[0], lambda name: _may_play(w, name, names)))
    return names


def _find(w: Writer, trait: Trait, spelled_out: bool) -> list[int]:
    """A trace is found, and perhaps it is said of whom; returns the words that tell."""
    start = w.say(trait["clue"])
    found = [i for i in range(start, len(w)) if w.tags[i] in ("NOUN", "VERB", "ADJ", "PROPN")]
    w.stop()
    if spelled_out:
        w.say("so the murderer")
        rivals = [t["trait"] for t in w.lexicon.people["mystery"]["traits"] if t is not trait]
        predicate(w, "trait", trait["trait"], [trait["trait"]], rivals, found)
        w.stop()
    return found


def _belonged(w: Writer, owner: str, names: list[str], causes: list[int]) -> None:
    w.say("the trace belonged to")
    _name_point(w, owner, names, "deduction", causes)
    w.stop()


def _different(traits: Iterable[Trait]) -> list[Trait]:
    return list({id(trait): trait for trait in traits}.values())


def _traits(w: Writer, names: list[str], murderer: str, way: str) -> dict[str, Trait]:
    """Who has which trait; that of the murderer is held out of training for this name, or not."""
    given: dict[str, Trait] = {}
    free = list(w.lexicon.people["mystery"]["traits"])
    sharing = None
    if way == "both":
        sharing = w.chance.pick([name for name in names if name != murderer])
    for name in (murderer, *(n for n in names if n != murderer)):
        if name == sharing:
            given[name] = given[murderer]
            continue
        is_guilty = name == murderer
        usable = [
            t
            for t in free
            if _held_out(name, t) == (w.held_out and is_guilty)
            and not (is_guilty and sharing and _held_out(sharing, t))
        ]
        trait = w.chance.hidden(usable or free)
        given[name] = trait
        free.remove(trait)
    return given


def _may_play(w: Writer, name: str, names: list[str]) -> bool:
    """Whether a suspect is new and, for texts of held-out combinations, has some."""
    if name in names or not w.held_out:
        return name not in names
    story = w.lexicon.people["mystery"]
    has_trait = any(_held_out(name, trait) for trait in story["traits"])
    return has_trait and any(is_held_out(name, alibi[-1][0]) for alibi in story["alibis"])


def _held_out(name: str, trait: Trait) -> bool:
    return is_held_out(name, trait["clue"][-1][0])


def _opening(w: Writer, names: list[str]) -> None:
    story = w.lexicon.people["mystery"]
    if w.chance.happens(0.5):
        w.say("the")
        w.add(w.chance.pick(story["victims"]), "NOUN")
        w.say("was found dead")
    else:
        w.say("someone had killed the")
        w.add(w.chance.pick(story["victims"]), "NOUN")
        if w.chance.happens(0.6):
            w.say(w.chance.pick(story["weapons"]))
    w.say(w.chance.pick(story["rooms"]))
    w.stop()
    w.say("the suspects were")
    for i, name in enumerate(names):
        if i == len(names) - 1:
            w.say("and")
        elif i:
            w.add(",", "PUNCT")
        w.add(name, "PROPN")
    w.stop()


def _introduce(w: Writer, same: list[str], trait: Fragment, causes: dict[str, list[int]]) -> None:
    """One suspect's trait, or one that two have."""
    positions: list[int] = []
    for i, name in enumerate(w.chance.sample(same, len(same))):
        if i:
            w.say("and")
        positions.append(w.add(name, "PROPN"))
    w.chance.charge(len(w.lexicon.people["mystery"]["traits"]))
    start = w.say(trait)
    positions += [i for i in range(start, len(w)) if w.tags[i] == "NOUN"]
    for name in same:
        causes[name] += positions
    w.stop()


def _digression(w: Writer, names: list[str], pace: Sequence[float] = PACE) -> None:
    """Sentences that prove nothing."""
    n = w.chance.number(pace)
    for _ in range(n if len(w) < LONG else min(n, len(PACE) - 1)):
        match w.chance.number((0.35, 0.4, 0.25)):
            case 0:
                w.say(w.chance.pick(w.lexicon.people["mystery"]["glue"]))
                w.stop()
            case 1:
                w.add(w.chance.pick(names), "PROPN")
                w.say(w.chance.pick(NOTHING))
                w.stop()
            case _:
                filler(w, 1)


def _name_point(w: Writer, name: str, names: list[str], kind: str, causes: list[int]) -> None:
    position = w.add(name, "PROPN")
    wrong = tuple(other for other in names if other != name)
    w.points.append(Point(position, kind, (name,), wrong, tuple(causes)))
    for cause in dict.fromkeys(causes):
        w.link(cause, position, "clue")
