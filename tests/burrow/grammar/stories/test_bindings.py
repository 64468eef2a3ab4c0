"""Two nouns with adjectives of opposite kinds: nothing but binding tells, and burrow binds."""

from collections import Counter

import headwise


def test_a_bound_adjective_is_told_by_nothing_but_binding():
    """Words, the word before, the noun and what stands nearer: alike for both labels, in every group."""
    found = headwise.burrow_sentences("binding", 400)
    told, kind_of = Counter(), {}
    for sentence in found.sentences:
        (mark,) = sentence.marks
        told[mark.label, sentence.words[mark.word - 1]] += 1
        told[mark.label, sentence.words[mark.word], sentence.group] += 1
        kind_of.setdefault(sentence.group, Counter())[mark.label] += 1
    first, second = sorted(found.labels)
    for key, count in told.items():
        assert key[0] in (first, second)
        assert told[(second if key[0] == first else first, *key[1:])] == count
    assert len(kind_of) >= 19 and all(count[first] == count[second] for count in kind_of.values())
    bags = {label: Counter() for label in (first, second)}
    for sentence in found.sentences:
        bags[sentence.marks[0].label].update(word.lower() for word in sentence.words)
    assert bags[first] == bags[second]


def test_burrow_knows_what_is_bound():
    """It says *was* after a thing to which something will be done, and seldom after others."""
    import torch

    burrow = headwise.load("burrow", device="cpu", verify=False)
    found = headwise.burrow_sentences("binding", 40, seed=1)
    was = burrow.tokenizer("was", add_special_tokens=False)["input_ids"][0]
    said = {"undergoes": [], "acts": []}
    for sentence in found.sentences:
        tokens = burrow.tokenizer(sentence.text)["input_ids"]
        logits = burrow.logits(torch.tensor([tokens]))[0, -1]
        said[sentence.marks[0].label].append(float(logits.softmax(-1)[was]) > 0.5)
    assert sum(said["undergoes"]) > 0.85 * len(said["undergoes"])
    assert sum(said["acts"]) < 0.35 * len(said["acts"])
