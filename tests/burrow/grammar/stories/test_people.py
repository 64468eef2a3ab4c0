"""Verbs and pronouns that agree, first names that are completed, landmarks and mishaps."""

import pytest

from headwise.burrow.grammar.lexicon import is_held_out, load
from headwise.burrow.grammar.stories.narration import PRONOUNS
from headwise.burrow.grammar.stories.people import GENDERS, MINIATURE
from helpers.passages import writers


@pytest.mark.parametrize("held_out", [False, True])
def test_a_verb_agrees_with_its_subject_over_another_noun(held_out):
    numbers = set()
    for w in writers("agreement", held_out=held_out):
        (point,) = (p for p in w.points if p.kind == "agreement")
        (subject,) = point.causes
        between = [i for i in range(subject + 1, point.word) if w.tags[i] == "NOUN"]
        assert len(between) == 1  # the noun that it must not agree with
        plural = w.group == "plural"
        assert (w.words[point.word] in ("were", "are", "have")) == plural
        singular = {w.lexicon.plural(noun): noun for noun in w.lexicon.class_of}
        noun, other = (w.words[i].lower() for i in (subject, between[0]))
        if plural:
            noun = singular[noun]
        assert noun in w.lexicon.class_of
        assert is_held_out(noun, singular.get(other, other)) == held_out
        numbers.add((plural, other in singular))
    assert len(numbers) == 4


def test_a_pronoun_is_of_the_gender_of_its_passage():
    for w in writers("gender"):
        points = [p for p in w.points if p.kind == "pronoun"]
        assert points and w.group in GENDERS
        for point in points:
            assert w.words[point.word].lower() in PRONOUNS[w.group]


def test_a_first_name_has_an_end_of_its_own_story():
    ends = {entry["name"]: entry["ends"] for entry in load().people["completions"]}
    for w in writers("completions"):
        for point in (p for p in w.points if p.kind == "completion"):
            name = w.words[point.word - 1]
            (end,) = (e for e in ends[name] if e["end"][0][0] == w.words[point.word])
            assert point.causes and {w.words[i] for i in point.causes} <= set(end["context"])


def test_a_miniature_is_told_otherwise_than_its_landmark():
    landmarks = {c["name"]: c for c in load().people["landmarks"]}
    told = {True: 0, False: 0}
    for w in writers("landmarks"):
        small = "miniature" in w.words
        for point in (p for p in w.points if p.kind == "landmark"):
            told[small] += 1
            own = {landmarks[w.group][fact] for fact in MINIATURE}
            assert (w.words[point.word] in own) != small
    assert min(told.values()) > 50
