"""The suites that ship: what they promise is checked on their sentences."""

import re
from collections import Counter
from itertools import pairwise

import pytest

import headwise
from helpers.paths import PROBES


@pytest.fixture(scope="module")
def mole():
    return headwise.read_suite(PROBES / "mole.toml")


@pytest.fixture(scope="module")
def adjectives():
    return headwise.read_suite(PROBES / "adjective_noun.toml")


def runs_of_five(sentence):
    plain = [word.lower() for word in sentence.words if re.search(r"\w", word)]
    return {tuple(plain[i : i + 5]) for i in range(len(plain) - 4)}


NAMES = sorted(path.stem for path in PROBES.glob("*.toml"))
PAIRS = [name for name in NAMES if name.endswith("_pairs")]


# One frame told several ways; what may not recur is a frame in another group.
FRAMES = ("adjective_binding", "creature", "eiffel_tower", "gender_steps")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in PAIRS])
def test_no_two_sentences_share_a_run_of_five_words(name):
    units: dict[str, set] = {}
    for i, sentence in enumerate(headwise.read_suite(PROBES / f"{name}.toml").sentences):
        unit = sentence.group if name in FRAMES else str(i)
        units[unit] = units.get(unit, set()) | runs_of_five(sentence)
    counts = Counter(run for runs in units.values() for run in runs)
    assert [run for run, n in counts.items() if n > 1] == []


def test_towers_differ_in_their_adjectives_alone():
    suite = headwise.read_suite(PROBES / "eiffel_tower.toml")
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
    suite = headwise.read_suite(PROBES / "gender_steps.toml")
    fields = Counter(group.partition("-")[0] for group in suite.groups)
    assert set(fields) == {"royalty", "family", "work"} and min(fields.values()) >= 20
    words = [pair.clean.words[pair.changed[0]] for pair in suite.pairs]
    assert len(set(words)) == len(suite.groups)
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


@pytest.fixture(scope="module")
def binding():
    return headwise.read_suite(PROBES / "adjective_binding.toml")


def test_bound_nouns_have_power(binding):
    assert len(binding.groups) >= 24 and len(binding) == 8 * len(binding.groups)
    poles: dict[str, set] = {}
    groups: dict[str, set] = {}
    for s in binding.sentences:
        (link,) = s.links
        (noun,) = [mark for mark in s.marks if mark.label != "adj"]
        assert noun.word == link.governor > link.dependent + 1
        assert s.words.count(s.words[noun.word]) == 2  # mentioned before, beside its adjective
        adjective = s.words[link.dependent].lower()
        poles.setdefault(adjective, set()).add(noun.label)
        groups.setdefault(adjective, set()).add(s.group)
    assert all(len(found) == 1 for found in [*poles.values(), *groups.values()])
    assert min(Counter(next(iter(found)) for found in poles.values()).values()) >= 48
    for s in binding.sentences:  # both poles stand in every sentence
        said = [poles[w.lower()] for w in s.words if w.lower() in poles]
        assert sorted(map(min, said)) == ["pleasant", "unpleasant"]


def test_one_word_never_tells_the_pole(binding):
    """Bag of words, marked noun, word before, place, and the order of the poles: each says both labels equally often."""
    said: dict[tuple, Counter] = {}
    adjectives = {s.words[k.dependent].lower() for s in binding.sentences for k in s.links}
    for s in binding.sentences:
        (link,) = s.links
        (label,) = [mark.label for mark in s.marks if mark.label != "adj"]
        at = link.governor
        near = max(i for i, w in enumerate(s.words[:at]) if w.lower() in adjectives)
        for rule in (
            ("bag", *sorted(w.lower() for w in s.words)),
            ("noun", s.words[at]),
            ("before", s.words[at - 1]),
            ("place", at, len(s.words)),
            ("nearest is its own", s.group, near == link.dependent),
            ("nearest", s.words[near].lower()),
        ):
            said.setdefault(rule, Counter())[label] += 1
    assert all(counts["pleasant"] == counts["unpleasant"] for counts in said.values())


def test_creatures_have_two_adjectives_in_one_frame():
    suite = headwise.read_suite(PROBES / "creature.toml")
    assert suite.sentences[0].text == "A fluffy blue creature roamed the verdant forest."
    assert len(suite.groups) >= 26
    said = Counter()
    for group in suite.groups:
        own = [s for s in suite.sentences if s.group == group]
        adjectives = [s.words[k.dependent].lower() for s in own for k in s.links]
        assert len(own) == 3 and len(set(adjectives)) == len(adjectives) == 6
        assert len({s.words[s.links[0].governor] for s in own}) == 1
        said.update(adjectives)
    # A deciding word that recurs ties groups together that are counted as independent.
    assert len(said) >= 150 and max(said.values()) <= 2


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_differ_in_one_word(name):
    """One word before the end decides what comes next; each sentence stands once, each group has several pairs."""
    suite = headwise.read_suite(PROBES / f"{name}.toml")
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


# Suite: least number of pairs and of groups.
PAIRED = {"mole_pairs": (110, 36), "adjective_pairs": (110, 36), "gender_pairs": (72, 24)}


def deciding(name):
    """Every sentence of a suite of pairs with the place of the word that decides, and the place that it decides about."""
    for pair in headwise.read_suite(PROBES / f"{name}.toml").pairs:
        (changed,) = pair.changed
        for sentence in (pair.clean, pair.corrupted):
            at = [mark.word for mark in sentence.marks if mark.word != changed]
            yield sentence, changed, len(sentence.words) if name == "gender_pairs" else max(at)


@pytest.mark.parametrize("name", PAIRS)
def test_a_word_decides_in_one_group_only(name):
    """So that groups are blocks of deciding words, and intervals over groups are intervals over words."""
    suite = headwise.read_suite(PROBES / f"{name}.toml")
    pairs, groups = PAIRED[name]
    assert len(suite.pairs) >= pairs and len(suite.groups) >= groups
    blocks: dict[str, set] = {}
    for sentence, cue, _ in deciding(name):
        blocks.setdefault(sentence.words[cue].lower(), set()).add(sentence.group)
    assert [word for word, found in blocks.items() if len(found) > 1] == []
    others = {w.lower() for s, cue, _ in deciding(name) for i, w in enumerate(s.words) if i != cue}
    assert others & set(blocks) == set()


@pytest.mark.parametrize("name", PAIRS)
def test_no_position_gives_the_deciding_word_away(name):
    """Of the rules first and nearest word of its class, and so many words before, each finds at most two in five."""
    found: list[tuple[bool, bool, int]] = []
    for sentence, cue, target in deciding(name):
        assert cue < target
        own = "ADJ" if name == "adjective_pairs" else "NOUN"
        same = [i for i in range(target) if sentence.tags[i] == own]
        found.append((same[:1] == [cue], same[-1:] == [cue], target - cue))
    first, nearest, offsets = zip(*found, strict=True)
    assert sum(first) / len(found) <= 0.4 and sum(nearest) / len(found) <= 0.4
    assert Counter(offsets).most_common(1)[0][1] / len(found) <= 0.35


def test_mole_pairs_set_every_sense_against_every_other():
    suite = headwise.read_suite(PROBES / "mole_pairs.toml")
    senses = Counter(
        frozenset(s.marks[0].label for s in (pair.clean, pair.corrupted)) for pair in suite.pairs
    )
    assert len(senses) == 6 and min(senses.values()) >= 15


@pytest.mark.parametrize("name", [*PAIRS, "gender_steps"])
def test_an_article_fits_the_word_after_it(name):
    for sentence in headwise.read_suite(PROBES / f"{name}.toml").sentences:
        for article, word in pairwise(word.lower() for word in sentence.words):
            if article in ("a", "an"):
                vowel = (
                    word[0] in "aeiou" or word in ("hour", "heir", "heiress")
                ) and word not in (
                    "ukulele",
                    "unicycle",
                )
                assert (article == "an") == vowel, sentence.text


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


def asked_of(suite, direction):
    """(sentence, word that looks, right answers): a noun's adjectives, or an adjective's noun."""
    for sentence in suite.sentences:
        answers: dict[int, set] = {}
        for link in sentence.links:
            pair = (link.governor, link.dependent)
            looks, right = pair if direction == "noun" else pair[::-1]
            answers.setdefault(looks, set()).add(right)
        for looks, right in answers.items():
            yield sentence, looks, right


def test_adjectives_have_power(adjectives):
    links = [(s, k) for s in adjectives.sentences for k in s.links]
    apart = sum(abs(k.governor - k.dependent) > 1 for _, k in links)
    assert len(adjectives.groups) >= 40 and len(links) >= 600 and apart >= 400
    assert apart >= 0.6 * len(links)
    assert min(Counter(k.relation for _, k in links).values()) >= 250
    assert "A fluffy blue creature roamed the verdant forest." in {
        s.text for s in adjectives.sentences
    }


@pytest.mark.parametrize(("direction", "tag"), [("noun", "ADJ"), ("adjective", "NOUN")])
def test_no_simple_rule_finds_the_other_word(adjectives, direction, tag):
    """Fixed offsets, nearest, first and last of the right part of speech; before the word as a decoder sees it too."""
    right, offsets, cases, seen = Counter(), Counter(), 0, 0
    for sentence, looks, answers in asked_of(adjectives, direction):
        others = [i for i, t in enumerate(sentence.tags) if t == tag and i != looks]
        cases += 1
        offsets.update(answer - looks for answer in answers)
        right["nearest"] += min(others, key=lambda i: abs(i - looks)) in answers
        right["first"] += others[0] in answers
        right["last"] += others[-1] in answers
        if any(i < looks for i in answers):
            seen += 1
            right["nearest before"] += max(i for i in others if i < looks) in answers
    assert offsets.most_common(1)[0][1] <= 0.4 * cases
    assert right["nearest"] <= 0.75 * cases
    assert right["nearest before"] <= 0.75 * seen
    assert max(right["first"], right["last"]) <= cases / 3


def test_the_word_before_a_noun_says_little_of_its_having_an_adjective(adjectives):
    before: dict[str, Counter] = {}
    for sentence in adjectives.sentences:
        described = {link.governor for link in sentence.links}
        for i, tag in enumerate(sentence.tags):
            if tag == "NOUN":
                kind = sentence.tags[i - 1] if i else "start"
                before.setdefault(kind, Counter())[i in described] += 1
    total = sum(before.values(), Counter())
    right = sum(max(counts.values()) for counts in before.values()) / total.total()
    assert right - max(total.values()) / total.total() < 0.06


def test_no_adjective_is_in_two_groups(adjectives):
    seen: dict[tuple[str, str], set] = {}
    for sentence in adjectives.sentences:
        described = {link.governor for link in sentence.links}
        for i, (word, tag) in enumerate(zip(sentence.words, sentence.tags, strict=True)):
            if tag == "ADJ" or i in described:
                seen.setdefault((tag, word.lower()), set()).add(sentence.group)
    assert [word for word, groups in seen.items() if len(groups) > 1] == []


def test_every_marked_adjective_has_a_marked_noun(adjectives):
    for sentence in adjectives.sentences:
        labels = {mark.word: mark.label for mark in sentence.marks}
        linked = {link.dependent for link in sentence.links}
        assert linked == {word for word, label in labels.items() if label != "noun"}, sentence.text
        nouns = {word for word, label in labels.items() if label == "noun"}
        assert nouns == {link.governor for link in sentence.links}, sentence.text


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
    suite = headwise.read_suite(PROBES / f"{name}.toml")
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
    suite = headwise.read_suite(PROBES / f"{name}.toml")
    labels = {}
    for s in suite.sentences:
        if s.group.startswith(kind):
            labels.setdefault(s.words[s.marks[0].word].lower(), set()).add(s.marks[0].label)
    assert len(labels) >= 20
    assert sum(len(found) == 2 for found in labels.values()) >= 0.75 * len(labels)
    kinds = {"-".join(s.group.split("-")[:2]) for s in suite.sentences if s.group.startswith(kind)}
    assert kinds == {f"{kind}-before", f"{kind}-after"}
