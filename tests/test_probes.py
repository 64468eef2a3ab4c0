"""The suites that ship: what they promise is checked on their sentences."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

import headwise

PROBES = Path(__file__).resolve().parent.parent / "probes"


@pytest.fixture(scope="module")
def mole():
    return headwise.read(PROBES / "mole.toml")


@pytest.fixture(scope="module")
def adjectives():
    return headwise.read(PROBES / "adjective_noun.toml")


def runs_of_five(sentence):
    plain = [word.lower() for word in sentence.words if re.search(r"\w", word)]
    return {tuple(plain[i : i + 5]) for i in range(len(plain) - 4)}


NAMES = sorted(path.stem for path in PROBES.glob("*.toml"))
PAIRS = [name for name in NAMES if name.endswith("_pairs")]


# One frame told several ways; what may not recur is a frame in another group.
FRAMES = ("creature", "eiffel_tower", "gender_steps")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in PAIRS])
def test_no_two_sentences_share_a_run_of_five_words(name):
    units: dict[str, set] = {}
    for i, sentence in enumerate(headwise.read(PROBES / f"{name}.toml").sentences):
        unit = sentence.group if name in FRAMES else str(i)
        units[unit] = units.get(unit, set()) | runs_of_five(sentence)
    counts = Counter(run for runs in units.values() for run in runs)
    assert [run for run, n in counts.items() if n > 1] == []


def test_towers_differ_in_their_adjectives_alone():
    suite = headwise.read(PROBES / "eiffel_tower.toml")
    towers = [g for g in suite.groups if g.startswith("tower-")]
    assert len(towers) >= 24
    for group in towers:
        told = {s.marks[0].label: s for s in suite.sentences if s.group == group}
        bare = told["bare"].words[: told["bare"].marks[0].word]
        eiffel = told["eiffel"].words[: told["eiffel"].marks[0].word]
        mini = told["miniature"].words[: told["miniature"].marks[0].word]
        assert eiffel == (*bare, "Eiffel") or (*eiffel[:-2], "a") == bare
        assert mini[-1] == "Eiffel" and len(mini) == len(eiffel) + 1
        assert not {"paris", "france", "tall", "small", "huge"} & {w.lower() for w in bare}
    fitted = [s for s in suite.sentences if not s.group.startswith("tower-")]
    said = {word.lower() for s in fitted for word in s.words}
    assert not said & {"tower", "towers", "towering", "eiffel", "miniature"}


def test_steps_from_man_to_woman_change_one_word():
    suite = headwise.read(PROBES / "gender_steps.toml")
    fields = Counter(group.partition("-")[0] for group in suite.groups)
    assert set(fields) == {"royalty", "family", "work"} and min(fields.values()) >= 8
    gendered = {"he", "she", "his", "her", "him", "hers", "himself", "herself"}
    for pair in suite.pairs:
        (changed,) = pair.changed
        assert (
            [m.word for m in pair.clean.marks]
            == [changed]
            == [m.word for m in pair.corrupted.marks]
        )
        assert (pair.clean.marks[0].label, pair.corrupted.marks[0].label) == ("male", "female")
        assert not gendered & {word.lower() for word in pair.clean.words}


def test_creatures_have_two_adjectives_that_others_have_too():
    suite = headwise.read(PROBES / "creature.toml")
    assert suite.sentences[0].text == "A fluffy blue creature roamed the verdant forest."
    said = Counter()
    for group in suite.groups:
        own = [s for s in suite.sentences if s.group == group]
        adjectives = [s.words[k.dependent].lower() for s in own for k in s.links]
        assert len(own) == 3 and len(set(adjectives)) == len(adjectives) == 6
        assert len({s.words[s.links[0].governor] for s in own}) == 1
        said.update(adjectives)
    assert min(said.values()) >= 2


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_differ_in_one_word(name):
    """One word before the end decides what comes next; each sentence stands once, each group has several pairs."""
    suite = headwise.read(PROBES / f"{name}.toml")
    assert len(suite.pairs) >= 72 and len(suite) == 2 * len(suite.pairs)
    assert min(Counter(pair.group for pair in suite.pairs).values()) >= 3
    for pair in suite.pairs:
        (changed,) = pair.changed
        assert changed < len(pair.clean.words) - 1
        assert pair.right and pair.wrong and pair.right != pair.wrong
        assert [mark.word for mark in pair.clean.marks] == [m.word for m in pair.corrupted.marks]
    # What is right is not always the same word, so saying it always is no answer.
    counts = Counter(word for pair in suite.pairs for word in (pair.right, pair.wrong))
    assert max(counts.values()) < len(suite.pairs)


def test_mole_has_four_senses_of_forty_sentences(mole):
    counts = Counter(mark.label for sentence in mole.sentences for mark in sentence.marks)
    assert set(counts) == {"animal", "unit", "skin", "spy"}
    assert min(counts.values()) >= 40
    assert all(len(sentence.marks) == 1 for sentence in mole.sentences)
    assert {s.words[s.marks[0].word].lower() for s in mole.sentences} == {"mole"}


def test_mole_holds_the_three_phrases(mole):
    texts = " ".join(sentence.text.lower() for sentence in mole.sentences)
    for phrase in ("american true mole", "one mole of carbon dioxide", "take a biopsy of the mole"):
        assert phrase in texts


def test_mole_stands_in_varied_places(mole):
    for sense in mole.labels:
        places = [
            s.marks[0].word / len(s.words) for s in mole.sentences if s.marks[0].label == sense
        ]
        thirds = Counter(int(3 * place) for place in places)
        assert min(thirds[third] for third in range(3)) >= 10


def test_the_word_before_mole_does_not_give_it_away(mole):
    """Guessing each sentence's sense from the other sentences with the same word before it."""
    before = [(s.words[s.marks[0].word - 1].lower(), s.marks[0].label) for s in mole.sentences]
    counts = Counter(before)
    right = 0
    for word, sense in before:
        others = {label: counts[word, label] - (label == sense) for label in mole.labels}
        right += others[sense] == max(others.values()) > 0
    assert right / len(mole) < 0.4  # four senses: chance is 0.25


def test_mole_groups_allow_honest_folds(mole):
    groups = {}
    for sentence in mole.sentences:
        groups.setdefault(sentence.marks[0].label, set()).add(sentence.group)
    assert min(map(len, groups.values())) >= 10


def kind_of(sentence):
    return sentence.group.split("-")[0]


def test_adjectives_come_in_every_arrangement(adjectives):
    assert len(adjectives) >= 200
    kinds = Counter(map(kind_of, adjectives.sentences))
    assert set(kinds) == {"adjacent", "between", "several", "two", "predicative"}
    assert min(kinds.values()) >= 40
    assert "A fluffy blue creature roamed the verdant forest." in {
        s.text for s in adjectives.sentences
    }


def test_each_arrangement_is_what_it_says(adjectives):
    for sentence in adjectives.sentences:
        distances = [abs(link.governor - link.dependent) for link in sentence.links]
        nouns = Counter(link.governor for link in sentence.links)
        labels = {link.relation for link in sentence.links}
        kind = kind_of(sentence)
        assert sentence.links, sentence.text
        if kind == "adjacent":
            assert distances == [1], sentence.text
        elif kind == "between":
            assert max(distances) > 1, sentence.text
        elif kind == "several":
            assert max(nouns.values()) >= 2, sentence.text
        elif kind == "two":
            assert len(nouns) >= 2, sentence.text
        else:
            assert "pred" in labels, sentence.text


def test_every_marked_adjective_has_a_marked_noun(adjectives):
    for sentence in adjectives.sentences:
        labels = {mark.word: mark.label for mark in sentence.marks}
        linked = {link.dependent for link in sentence.links}
        assert linked == {word for word, label in labels.items() if label != "noun"}, sentence.text
        nouns = {word for word, label in labels.items() if label == "noun"}
        assert nouns == {link.governor for link in sentence.links}, sentence.text


def test_position_alone_cannot_answer(adjectives):
    offsets = Counter(
        link.governor - link.dependent for s in adjectives.sentences for link in s.links
    )
    assert offsets.most_common(1)[0][1] / offsets.total() < 0.6


def test_no_adjective_noun_combination_is_in_two_groups(adjectives):
    seen = {}
    for sentence in adjectives.sentences:
        for link in sentence.links:
            pair = (sentence.words[link.dependent].lower(), sentence.words[link.governor].lower())
            seen.setdefault(pair, set()).add(sentence.group)
    assert [pair for pair, groups in seen.items() if len(groups) > 1] == []


def test_groups_are_sources_not_labels(mole, adjectives):
    for suite in (mole, adjectives):
        sizes = Counter(sentence.group for sentence in suite.sentences)
        assert max(sizes.values()) <= 8
        assert all(a != b for a, b in pairwise(sorted(sizes)))


BINARY = {
    "number": ("singular", "plural", 210),
    "gender": ("female", "male", 216),
    "sentiment": ("positive", "negative", 212),
}


@pytest.mark.parametrize("name", BINARY)
def test_two_labels_in_every_group(name):
    """Whatever tells groups apart must say nothing of the labels."""
    suite = headwise.read(PROBES / f"{name}.toml")
    first, second, least = BINARY[name]
    assert len(suite) >= least and set(suite.labels) == {first, second}
    assert all(len(s.marks) == 1 for s in suite.sentences)
    by_group = {group: Counter() for group in suite.groups}
    for s in suite.sentences:
        by_group[s.group][s.marks[0].label] += 1
    assert len(by_group) >= 44
    assert all(abs(counts[first] - counts[second]) <= 2 for counts in by_group.values())
    total = sum(by_group.values(), Counter())
    assert 0.48 <= total[first] / total.total() <= 0.52


@pytest.mark.parametrize(("name", "kind"), [("number", "same"), ("gender", "work")])
def test_words_that_say_nothing_by_themselves(name, kind):
    """Most words of these groups occur with both labels: only their context tells."""
    suite = headwise.read(PROBES / f"{name}.toml")
    labels = {}
    for s in suite.sentences:
        if s.group.startswith(kind):
            labels.setdefault(s.words[s.marks[0].word].lower(), set()).add(s.marks[0].label)
    assert len(labels) >= 20
    assert sum(len(found) == 2 for found in labels.values()) >= 0.75 * len(labels)
    kinds = {"-".join(s.group.split("-")[:2]) for s in suite.sentences if s.group.startswith(kind)}
    assert kinds == {f"{kind}-before", f"{kind}-after"}
