"""Fingerprints say which sentences two suites share."""

from headwise import Suite
from headwise.data.fingerprints import fingerprints


def test_the_same_words_have_the_same_fingerprint():
    one = Suite.from_texts(["The mole dug.", "A king sat."])
    two = Suite.from_texts(["the  mole dug .", "A queen sat.", "A king sat"])
    assert len(fingerprints([one])) == 2 and fingerprints([one, one]) == fingerprints([one])
    assert len(set(fingerprints([one])) & set(fingerprints([two]))) == 1
    assert all(len(name) == 12 for name in fingerprints([two]))
