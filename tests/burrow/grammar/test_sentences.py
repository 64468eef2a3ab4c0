"""The grammar: what it holds out, what it charges, what it says about its own sentences."""

import math
from collections import Counter
from itertools import islice

import pytest

import headwise
from headwise import HeadwiseError, burrow_sentences
from headwise.burrow.grammar.annotation import conllu_text, toml_text
from headwise.burrow.grammar.chance import Chance
from headwise.burrow.grammar.lexicon import is_held_out, load
from headwise.burrow.grammar.passages import PHENOMENA, training_text, write
from headwise.burrow.grammar.syntax import tree_of
from headwise.burrow.grammar.writer import Writer

N = 300


def writers(phenomenon, n=N, held_out=False):
    return [write(PHENOMENA[phenomenon], f"test {i}", held_out=held_out) for i in range(n)]


def test_the_vocabulary():
    words = Counter()
    for text in islice(training_text(0), 12_000):
        words.update(text.replace(".", " ").replace(",", " ").lower().split())
    assert len(words) >= 2500
    assert min(words.values()) >= 1 and words["mole"] > 30


def test_a_seed_fixes_the_text():
    assert list(islice(training_text(7), 50)) == list(islice(training_text(7), 50))
    assert list(islice(training_text(7), 50)) != list(islice(training_text(8), 50))
    first, second, other = (burrow_sentences("mysteries", 5, seed) for seed in (1, 1, 2))
    assert first.sentences == second.sentences and first.sha256 == second.sha256
    assert first.sha256 != other.sha256


def test_choices_cost_their_surprise():
    chance = Chance(0)
    chance.pick(range(10))
    assert chance.settle() == pytest.approx(math.log(10))
    chance.told(range(10))
    assert chance.settle() == 0
    assert chance.happens(0.25) in (True, False)
    assert chance.settle() in (pytest.approx(math.log(4)), pytest.approx(-math.log(0.75)))
    chance.sample(range(5), 2)
    assert chance.settle() == pytest.approx(math.log(20))
    chance.subset(range(5), 2)
    assert chance.settle() == pytest.approx(math.log(10))
    drawn = Counter(chance.number((0.7, 0.2, 0.1)) for _ in range(20_000))
    assert [drawn[i] / 20_000 for i in range(3)] == pytest.approx([0.7, 0.2, 0.1], abs=0.015)


def test_what_a_text_costs_is_how_rare_it_is():
    """The oracle is a probability: texts of one cost occur as often as the cost says."""
    seen, costs = Counter(), {}
    n = 10_000
    for i in range(n):
        w = Writer(Chance(i), load())
        PHENOMENA["relatives"](w)
        text = " ".join(w.words)
        seen[text] += 1
        costs[text] = sum(w.costs)
    for text, count in seen.most_common(20):
        expected = n * math.exp(-costs[text])
        assert abs(count - expected) < 5 * math.sqrt(expected), text


def adjective_noun_pairs(w):
    """Pairs that stand in a noun phrase or are said of a noun."""
    start = 0
    for end in [i + 1 for i, word in enumerate(w.words) if word == "."]:
        words = [word.lower() for word in w.words[start:end]]
        tree = tree_of(w.words[start:end], w.tags[start:end])
        for i, (head, relation) in enumerate(zip(tree.heads, tree.relations, strict=True)):
            if relation == "amod":
                yield words[i], words[head]
        start = end
    for link in w.links:
        if link.relation == "pred":
            yield w.words[link.dependent].lower(), w.words[link.governor].lower()


@pytest.mark.parametrize("phenomenon", sorted(PHENOMENA))
def test_no_held_out_adjective_is_ever_written_in_training(phenomenon):
    lexicon = load()
    known = {adjective.word for adjective in lexicon.adjectives}
    checked = 0
    for w in writers(phenomenon):
        for adjective, noun in adjective_noun_pairs(w):
            singular = noun if noun in lexicon.class_of else noun.removesuffix("s")
            if adjective in known and singular in lexicon.class_of:
                checked += 1
                may_not = is_held_out(adjective, singular)
                assert not may_not or (adjective, singular) in lexicon.fixed_pairs
    assert checked or phenomenon in ("completions", "landmarks", "mysteries", "senses")


def test_held_out_adjectives():
    pairs = [
        (w.words[cause], w, point)
        for w in writers("adjectives", held_out=True)
        for point in w.points
        for cause in point.causes
    ]
    assert len(pairs) > 200
    for adjective, w, _ in pairs:
        assert any(is_held_out(adjective, word.lower()) for word in w.words)


def test_context_words_that_are_held_out_never_meet_their_sense():
    lexicon = load()
    met = 0
    for w in writers("senses", 1500):
        for mark in w.marks:
            word, sense = mark.label.split(".")
            (entry,) = (s for s in lexicon.senses[word] if s.name == sense)
            domain = lexicon.domains[entry.domain]
            said = {v for s in lexicon.senses[word] for f in s.continuations for v, _ in f}
            for other in w.words:
                if other.lower() in {*domain.people, *domain.things, *domain.places} - said:
                    met += 1
                    assert not is_held_out(mark.label, other.lower())
    assert met > 1000
    for w in writers("senses", held_out=True):
        for link in w.links:
            if link.relation == "sense":
                label = next(m.label for m in w.marks if m.word == link.governor)
                assert is_held_out(label, w.words[link.dependent])


def test_what_a_mystery_proves():
    """Alibis clear everybody but the murderer, and a trace points to the murderer's trait."""
    story = load().people["mystery"]
    alibis = {" ".join(word for word, _ in alibi) for alibi in story["alibis"]}
    ways = Counter()
    for i in range(N):
        w = write(PHENOMENA["mysteries"], f"test {i}")
        if w.group == "trace only":
            continue
        murderer = w.words[-2]
        (point,) = (p for p in w.points if p.kind == "murderer")
        suspects = {murderer, *point.wrong}
        text = " ".join(w.words)
        cleared = {name for name in suspects for alibi in alibis if f"{name} {alibi} ." in text}
        assert murderer not in cleared
        ways[w.group] += 1
        if w.group == "alibis":
            assert cleared == suspects - {murderer}
            continue
        sentences = [s.strip() for s in text.lower().split(" .")]
        (trait,) = (
            t for t in story["traits"] if " ".join(word for word, _ in t["clue"]) in sentences
        )
        told = " ".join(word for word, _ in trait["trait"])
        (line,) = (s for s in text.split(" . ") if s.endswith(told) and not s.startswith("So the"))
        suspected = {name for name in suspects if name in line.split()}
        assert suspected - cleared == {murderer}
        assert len(suspected) == (2 if w.group == "both" else 1)
    assert set(ways) == {"alibis", "trace", "both"}


def test_mysteries_are_long_and_fit_the_context():
    lengths = [len(w) for w in writers("mysteries", 1500)]
    assert max(lengths) > 120 and max(lengths) < 220


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("phenomenon", sorted(PHENOMENA))
def test_points_know_what_could_stand_there(phenomenon, held_out):
    points = [(w, p) for w in writers(phenomenon, held_out=held_out) for p in w.points]
    assert points
    for w, point in points:
        assert w.words[point.word] in point.right
        assert point.wrong and not set(point.right) & set(point.wrong)
        assert all(cause < point.word for cause in point.causes)


@pytest.mark.parametrize("phenomenon", sorted(PHENOMENA))
def test_every_sentence_is_one_tree(phenomenon):
    suite = burrow_sentences(phenomenon, 150)
    for sentence in suite.sentences:
        conllu_text(headwise.Suite("one", "?", (sentence,)))  # refuses anything but whole trees
        for link in sentence.links:
            tags = sentence.tags[link.dependent], sentence.tags[link.governor]
            if link.relation == "amod":
                assert tags[0] == "ADJ" and tags[1] in ("NOUN", "PROPN")
            if link.relation == "det":
                assert tags[0] == "DET"
            if link.relation == "case":
                assert tags[0] == "ADP"


def tree(tagged):
    words, tags = zip(*(pair.split("/") for pair in tagged.split()), strict=True)
    found = tree_of(words, tags)
    return {
        word: (relation, words[head] if head >= 0 else "")
        for word, head, relation in zip(words, found.heads, found.relations, strict=True)
    }


def test_trees_by_hand():
    relative = tree(
        "The/DET very/ADV rusty/ADJ gate/NOUN that/PRON passed/VERB a/DET blue/ADJ car/NOUN creaked/VERB ./PUNCT"
    )
    assert relative["creaked"] == ("root", "")
    assert relative["gate"] == ("nsubj", "creaked")
    assert relative["rusty"] == ("amod", "gate")
    assert relative["very"] == ("advmod", "rusty")
    assert relative["passed"] == ("acl:relcl", "gate")
    assert relative["that"] == ("nsubj", "passed")
    assert relative["car"] == ("obj", "passed")
    assert relative["blue"] == ("amod", "car")
    passive = tree(
        "In/ADP the/DET kitchen/NOUN ,/PUNCT it/PRON was/AUX stroked/VERB by/ADP his/PRON aunt/NOUN ./PUNCT"
    )
    assert passive["kitchen"] == ("obl", "stroked")
    assert passive["it"] == ("nsubj:pass", "stroked")
    assert passive["was"] == ("aux:pass", "stroked")
    assert passive["his"] == ("nmod:poss", "aunt")
    copula = tree(
        "Therefore/ADV the/DET murderer/NOUN was/AUX Anna/PROPN because/SCONJ she/PRON had/AUX a/DET rope/NOUN ./PUNCT"
    )
    assert copula["Anna"] == ("root", "")
    assert copula["murderer"] == ("nsubj", "Anna")
    assert copula["had"] == ("advcl", "Anna")
    assert copula["rope"] == ("obj", "had")


def test_a_sentence_of_another_kind_is_refused():
    with pytest.raises(HeadwiseError, match="No rule for word 0 of: quickly/ADV"):
        tree_of(["Quickly", "."], ["ADV", "PUNCT"])


def test_mole_for_a_probe():
    suite = burrow_sentences("mole", 200)
    labels = Counter(sentence.marks[0].label for sentence in suite.sentences)
    assert labels == dict.fromkeys(("animal", "unit", "mark", "spy"), 50)
    context = {}
    for sentence in suite.sentences:
        (mark,) = sentence.marks
        assert sentence.words[mark.word] == "mole"
        setting = [link for link in sentence.links if link.relation == "sense"]
        assert setting and all(link.dependent < link.governor == mark.word for link in setting)
        words = {sentence.words[link.dependent] for link in setting}
        context.setdefault(sentence.group, set()).update(words)
    groups = sorted(context)
    for i, one in enumerate(groups):
        for other in groups[i + 1 :]:
            assert not context[one] & context[other], "a word that sets a sense is in two groups"


def test_distances():
    distances = {
        link.governor - link.dependent
        for sentence in burrow_sentences("senses", 2000).sentences
        for link in sentence.links
        if link.relation == "sense"
    }
    assert min(distances) >= 3 and max(distances) >= 30


@pytest.mark.parametrize("phenomenon", ["senses", "mysteries", "adjectives", "gender"])
def test_conllu_can_be_read_again(phenomenon, tmp_path):
    suite = burrow_sentences(phenomenon, 40)
    path = tmp_path / "some.conllu"
    path.write_text(conllu_text(suite))
    again = headwise.read_suite(path)
    assert len(again.groups) == len(suite)
    start = 0
    for passage in suite.sentences:
        parts = []
        while sum(len(part.words) for part in parts) < len(passage.words):
            parts.append(again.sentences[start])
            start += 1
        assert sum((part.words for part in parts), ()) == passage.words
        assert sum((part.tags for part in parts), ()) == passage.tags
        offset, links = 0, set()
        for part in parts:
            links |= {(link.dependent + offset, link.governor + offset) for link in part.links}
            offset += len(part.words)
        assert links <= {(link.dependent, link.governor) for link in passage.links}
    assert start == len(again.sentences)


def test_a_toml_suite_can_be_read_again(tmp_path):
    suite = burrow_sentences("mole", 40)
    path = tmp_path / "mole.toml"
    path.write_text(toml_text(suite, ["sense"]))
    again = headwise.read_suite(path)
    assert [s.words for s in again.sentences] == [
        s.words for g in suite.groups for s in suite.sentences if s.group == g
    ]
    assert again.relations["sense"] == suite.relations["sense"]
    assert {s.text: s.tags for s in again.sentences} == {s.text: s.tags for s in suite.sentences}
    assert set(again.labels) == {"animal", "unit", "mark", "spy", "sense"}


def test_bad_requests():
    with pytest.raises(HeadwiseError, match=r"no phenomenon 'mol'.*Did you mean 'mole'"):
        burrow_sentences("mol", 3)
    with pytest.raises(HeadwiseError, match="at least 1; got 0"):
        burrow_sentences("mole", 0)
    with pytest.raises(HeadwiseError, match="nothing to ask about"):
        toml_text(burrow_sentences("agreement", 3), ["no such relation"])
    with pytest.raises(HeadwiseError, match="no single tree"):
        conllu_text(headwise.Suite("s", "?", (headwise.Sentence.of("Hello world."),)))


def test_a_word_of_unknown_part_of_speech_is_named():
    with pytest.raises(HeadwiseError, match="'the gnu'"):
        load().phrase("the gnu")
