"""BLiMP paradigms as minimal pairs."""

import json

import numpy as np
import pytest
import torch

import headwise
from headwise import BadSuite, read_suite

NAMES = ("anaphor_gender_agreement", "determiner_noun_agreement_with_adjective_1", "distractor_agreement_relational_noun")  # fmt: skip


def line(prefix, good, bad, **more):
    row = {"sentence_good": f"{prefix} {good}.", "sentence_bad": f"{prefix} {bad}.", "UID": "own"}
    parts = {"one_prefix_prefix": prefix, "one_prefix_word_good": good, "one_prefix_word_bad": bad}
    return json.dumps(row | parts | more)


GOOD = [line("The king hurt", "himself", "herself"), line("The queen hurt", "herself", "himself")]


def test_lines_become_pairs(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join([*GOOD, "", line("The ship hurt", "itself", "themselves")]))
    suite = read_suite(path)
    assert suite.name == "own" and "1 of 3 prompts have no such other" in suite.about
    (a, b) = suite.pairs
    assert (a.clean.text, a.right, a.wrong) == ("The king hurt", "himself", "herself")
    assert a.corrupted == b.clean and a.group == b.group


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([GOOD[0], line("", "a", "b")], r"own\.jsonl:2: no 'one_prefix_prefix'"),
        ([GOOD[0], line("The king", None, "b")], "2: no 'one_prefix_word_good'"),
        ([line("The king", "a", "a")], "1: the good and the bad word are both 'a'"),
        ([GOOD[0]], "for none of its 1 prompts is there another"),
        (
            [GOOD[0], line("The king hurt", "herself", "himself")],
            "there is another|is there another",
        ),
        (
            [GOOD[0], line("The queen hurt", "herself", "himself", UID="other")],
            "lines of 2 paradigms",
        ),
        ([GOOD[0], "{"], "2: not JSON"),
        ([GOOD[0], "[1]"], "2: expected an object"),
        ([GOOD[0], "{}"], "2: no 'one_prefix_prefix'"),
    ],
)
def test_lines_that_are_none(tmp_path, lines, message):
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(BadSuite, match=message):
        read_suite(path)


@pytest.mark.parametrize("name", NAMES)
def test_accuracy_is_that_of_log_probabilities(shared, burrow, name):
    """The share of pairs with a logit difference above zero is that of a direct computation, answers of several tokens included."""
    suite = read_suite(shared / "data/blimp" / f"{name}.jsonl")
    assert len(suite.pairs) >= 414
    suite = suite.sample_groups(30, 2)
    found = headwise.ablate(burrow, suite, ["L0H0"], method="zero", metrics="logit difference", n_null=0)  # fmt: skip

    def log_probability(text, word):
        before = burrow.tokenizer(text)["input_ids"]
        whole = burrow.tokenizer(f"{text} {word}")["input_ids"]
        with torch.no_grad():
            read = burrow.hf(torch.tensor([whole])).logits[0].log_softmax(-1)
        return sum(read[i - 1, whole[i]].item() for i in range(len(before), len(whole)))

    direct = np.array([log_probability(p.clean.text, p.right) - log_probability(p.clean.text, p.wrong) for p in suite.pairs])  # fmt: skip
    values = found.clean_values["logit difference"]
    assert np.allclose(values, direct, atol=1e-3)
    assert (values > 0).mean() == (direct > 0).mean()


def test_matters_runs_on_a_paradigm(shared, headwise, tmp_path):
    lines = (shared / "data/blimp/anaphor_gender_agreement.jsonl").read_text().splitlines()
    (tmp_path / "own.jsonl").write_text("\n".join(lines[:60]))
    result = headwise("run", "matters", "--model", "burrow", "--data", "own.jsonl", "--smoke", cwd=tmp_path)  # fmt: skip
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "reports/matters-burrow/results.json").read_text())
    assert "BLiMP paradigm anaphor_gender_agreement" in report["sections"][0]["method"][0]


def test_lines_that_repeat_one_are_read_once(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join([*GOOD, *GOOD]))
    suite = read_suite(path)
    assert len(suite.pairs) == 2 and "2 lines repeat an earlier one" in suite.about
