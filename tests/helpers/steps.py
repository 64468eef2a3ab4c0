"""Sentences with one marked word."""

from headwise.data.suite import Mark, Sentence


def marked(text, word, label, group, links=()):
    plain = Sentence.of(text)
    return Sentence(plain.words, plain.spaces, group=group, marks=(Mark(word, label),), links=links)
