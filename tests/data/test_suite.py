from headwise import read_suite
from headwise.data.suite import Sentence, Suite


def test_text_and_spans_agree():
    sentence = Sentence(("It", "'s", "late", "!"), (False, True, False, True), "g")
    assert sentence.text == "It's late!"
    assert [sentence.text[a:b] for a, b in sentence.spans()] == list(sentence.words)


def test_head_takes_groups_of_every_label():
    from headwise.data.suite import Mark

    sentences = tuple(
        Sentence(("mole",), (True,), f"{label}{n}", marks=(Mark(0, label),))
        for label in "ab"
        for n in range(5)
    )
    suite = Suite("s", "?", sentences)
    assert sorted(suite.sample_groups(4).groups) == ["a0", "a1", "b0", "b1"]


def test_head_takes_whole_pairs_of_a_group():
    suite = read_suite("probes/adjective_pairs.toml")
    few = suite.sample_groups(5, 2)
    assert len(few.groups) == 5 and len(few.pairs) == 10
    kept = {(s.group, s.text) for s in few.sentences}
    assert kept == {(s.group, s.text) for p in few.pairs for s in (p.clean, p.corrupted)}
    assert len(read_suite("probes/mole.toml").sample_groups(5, 2)) == 10
