"""Plain narration: what happens in a kitchen, at a harbour, in a castle."""

from dataclasses import dataclass, replace
from functools import lru_cache

from headwise.burrow.grammar.lexicon import Fragment, Lexicon, Scene
from headwise.burrow.grammar.phrases import adjectives_for, noun_phrase, somebody
from headwise.burrow.grammar.writer import Point, Writer

PRONOUNS = {"male": ("he", "his", "himself"), "female": ("she", "her", "herself")}


@dataclass(slots=True)
class Hero:
    """Who the narration follows, once there is a name, and where it was last written."""

    name: str = ""
    gender: str = ""
    position: int = -1


@lru_cache(maxsize=2)
def neutral_scenes(lexicon: Lexicon) -> tuple[Scene, ...]:
    """The scenes without the words that set a sense or complete a name, so that they tell nothing."""
    telling = {n for d in lexicon.domains.values() for n in (*d.people, *d.things, *d.places)}
    telling |= set(lexicon.senses)
    telling |= {
        n for c in lexicon.people["completions"] for end in c["ends"] for n in end["context"]
    }
    telling |= {lexicon.plural(n) for n in telling}

    def keeps(fragments: tuple[Fragment, ...]) -> tuple[Fragment, ...]:
        return tuple(f for f in fragments if not telling.intersection(word for word, _ in f))

    cleared: list[Scene] = []
    for scene in lexicon.scenes:
        actions = [
            (v, tuple(o for o in objects if o not in telling)) for v, objects in scene.actions
        ]
        cleared.append(
            replace(
                scene,
                people=tuple(p for p in scene.people if p not in telling),
                settings=keeps(scene.settings),
                actions=tuple(a for a in actions if a[1]),
                events=keeps(scene.events),
                reasons=keeps(scene.reasons),
            )
        )
    return tuple(s for s in cleared if s.people and s.settings and s.events and s.reasons)


def narrate(w: Writer, scene: Scene, n_sentences: int, hero: Hero | None = None) -> None:
    """Writes some sentences of one scene, about people of the scene and perhaps a hero."""
    for _ in range(n_sentences):
        kind = w.chance.number((0.2, 0.8) if hero is None else (0.15, 0.85))
        if kind == 0:
            w.say(w.chance.pick(scene.events))
            w.stop()
            continue
        if w.chance.happens(0.25):
            w.say(w.chance.pick(scene.settings))
            w.add(",", "PUNCT")
        _subject(w, scene, hero)
        verb, objects = w.chance.pick(scene.actions)
        if w.chance.happens(0.2):
            w.add(w.chance.pick(w.lexicon.adverbs["manner"]), "ADV")
        w.add(verb, "VERB")
        noun = w.chance.pick(objects)
        n = w.chance.number((0.65, 0.25, 0.1)) if adjectives_for(w, noun) else 0
        noun_phrase(w, noun, ("the", "a")[w.chance.number((0.7, 0.3))], n)
        match w.chance.number((0.45, 0.25, 0.2, 0.1)):
            case 1:
                w.say(w.chance.pick(scene.settings))
            case 2:
                w.say(w.chance.pick(scene.reasons))
            case 3:
                w.add(w.chance.pick(w.lexicon.adverbs["time"]), "ADV")
            case _:
                pass
        w.stop()


def _subject(w: Writer, scene: Scene, hero: Hero | None) -> None:
    if hero is None or w.chance.happens(0.3):
        w.say("the")
        w.add(w.chance.pick(scene.people), "NOUN")
    elif hero.position < 0:
        hero.name, hero.gender = somebody(w)
        hero.position = w.add(hero.name, "PROPN")
    elif w.chance.happens(0.3):
        hero.position = w.add(hero.name, "PROPN")
    else:
        pronoun(w, hero.gender, 0, hero.position)


def pronoun(w: Writer, gender: str, form: int, antecedent: int) -> int:
    """Writes a pronoun (0 he, 1 his, 2 himself) that must agree with a word before it."""
    other = "female" if gender == "male" else "male"
    position = w.add(PRONOUNS[gender][form], "PRON")
    right = w.words[position]
    wrong = PRONOUNS[other][form]
    wrong = wrong.capitalize() if right[0].isupper() else wrong
    w.points.append(Point(position, "pronoun", (right,), (wrong,), (antecedent,)))
    w.link(antecedent, position, "antecedent")
    return position


def scene_passage(w: Writer) -> None:
    """A few sentences in one place."""
    scene = w.chance.pick(w.lexicon.scenes)
    hero = Hero() if w.chance.happens(0.6) else None
    narrate(w, scene, 2 + w.chance.number((0.3, 0.3, 0.2, 0.2)), hero)
    w.group = scene.name


def filler(w: Writer, n_sentences: int) -> None:
    """Neutral sentences that tell nothing of any hidden state."""
    if n_sentences:
        narrate(w, w.chance.pick(neutral_scenes(w.lexicon)), n_sentences)
