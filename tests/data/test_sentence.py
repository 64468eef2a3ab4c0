"""Words of plain texts, and the text that a model is given."""

from dataclasses import replace

import pytest

from headwise.data.sentence import Link, Mark, Sentence, continued
from headwise.errors import BadSuite


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी में लिखो", ["हिन्दी", "में", "लिखो"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("မြန်မာ", ["မြန်မာ"]),
        ("الْمَدِينَةُ שָׁלוֹם", ["الْمَدِينَةُ", "שָׁלוֹם"]),
        ("Zu\u0308rich, cafe\u0301!", ["Zu\u0308rich", ",", "cafe\u0301", "!"]),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"]),
        ("അവന്\u200d പോയി", ["അവന്\u200d", "പോയി"]),
        ("soft\u00adhyphen x\u200by", ["soft\u00adhyphen", "x\u200by"]),
        ("mole\u2028rat and\x85so", ["mole\u2028rat", "and\x85so"]),
        ("a \u2028 b", ["a", "b"]),
        ("don't sea-green 3.14", ["don't", "sea-green", "3", ".", "14"]),
        ("The [MASK] dug.<|endoftext|>", ["The", "[MASK]", "dug", ".", "<|endoftext|>"]),
        ("<s>a</s> <mask> <b>", ["<s>", "a", "</s>", "<mask>", "<", "b", ">"]),
        ("\u2764\ufe0f \U0001f469\u200d\U0001f52c!", ["\u2764\ufe0f", "\U0001f469\u200d\U0001f52c", "!"]),
    ],
)  # fmt: skip
def test_words_of_many_scripts_are_whole(text, words):
    assert list(Sentence.of(text).words) == words


@pytest.mark.parametrize(
    "text",
    ["The mole\ndug.", "def f(x):\n    return x\n", "The  mole", " The mole", "The\tmole ", "The\u00a0mole", "a\r\nb", "a\u2028b", "Zu\u0308rich"],
)  # fmt: skip
def test_white_space_stays(text):
    sentence = Sentence.of(text)
    assert sentence.text == text
    assert [text[a:b] for a, b in sentence.spans()] == list(sentence.words)


def test_words_that_changed_have_a_text_of_their_own():
    sentence = Sentence.of("The  mole dug.")
    assert replace(sentence, words=("The", "king", "dug", ".")).text == "The king dug."
    assert replace(sentence, words=sentence.words[:2], spaces=(True, True)).text == "The mole"
    assert replace(sentence, group="g").text == "The  mole dug."


def test_half_of_a_surrogate_pair_is_refused():
    with pytest.raises(BadSuite, match=r"'a\\ud800b' cannot be encoded: its character 2 "):
        Sentence.of("a\ud800b")


@pytest.mark.parametrize(
    ("text", "option", "expected"),
    [
        ("The mole dug", "a", "The mole dug a"),
        ("The mole dug", ".", "The mole dug."),
        ("(the mole", ")", "(the mole)"),
        ("the mole", "(", "the mole ("),
        ("the king", "'s", "the king's"),
        ("he said", "\u201d", "he said\u201d"),
        ("the mole", " dug", "the mole dug"),
        ("the mole\n", "dug", "the mole\ndug"),
        ("the mole", "", "the mole"),
        ("鼹鼠", "挖", "鼹鼠挖"),
        ("鼹鼠", "。", "鼹鼠。"),
        ("두더지", "가", "두더지 가"),
    ],
)
def test_what_comes_next_is_written_as_it_would_be(text, option, expected):
    assert continued(text, option) == expected


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"links": (Link(-1, 0, "amod"),)}, "names word -1"),
        ({"links": (Link(0, 5, "amod"),)}, "names word 5, and the words are 0 to 2"),
        ({"links": (Link(1, 1, "amod"),)}, "from a word to itself"),
        ({"marks": (Mark(3, "a"),)}, "names word 3"),
        ({"marks": (Mark(-1, "a"),)}, "names word -1"),
        ({"tags": ("NOUN",)}, "3 words, 3 spaces and 1 tags"),
        ({"spaces": (True,)}, "3 words, 1 spaces"),
        ({"words": "abc"}, "a tuple of texts"),
        ({"words": ("a", 3, "b")}, "a tuple of texts"),
    ],
)
def test_what_does_not_fit_the_words_is_refused(parts, message):
    with pytest.raises(BadSuite, match=message):
        Sentence(**{"words": ("a", "blue", "mole"), "spaces": (True,) * 3, "group": "g"} | parts)
