"""SyntaxGym suites as minimal pairs."""

import json

import pytest

from headwise import BadSuite, read_suite


def suite(conditions, predictions, name="own"):
    made = [
        {"condition_name": c, "regions": [{"region_number": i + 1, "content": text} for i, text in enumerate(texts)]}
        for c, texts in conditions.items()
    ]  # fmt: skip
    return {"meta": {"name": name}, "predictions": predictions, "items": [{"item_number": 1, "conditions": made}]}  # fmt: skip


LESS = {"relation": "lessthan", "region_number": 2, "l_operand": "good", "r_operand": "bad"}
MORE = {"relation": "greaterthan", "region_number": 2, "l_operand": "bad", "r_operand": "good"}
FORMULA = {"type": "formula", "formula": "((2;%good%) < (2;%bad%))"}


def written(tmp_path, data):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize("prediction", [LESS, MORE, FORMULA])
def test_the_same_region_after_other_words(tmp_path, prediction):
    data = suite({"good": ["I know what", "our aunt"], "bad": ["I know that", "our aunt"]}, [prediction])  # fmt: skip
    (pair,) = read_suite(written(tmp_path, data)).pairs
    assert (pair.clean.text, pair.corrupted.text) == ("I know what", "I know that")
    assert pair.right == pair.wrong == ""


def test_another_region_after_the_same_words(tmp_path):
    both = {
        "good": ["The ship", "is here"], "bad": ["The ship", "are here"],
        "plural good": ["The ships", "are here"], "plural bad": ["The ships", "is here"],
    }  # fmt: skip
    plural = LESS | {"l_operand": "plural good", "r_operand": "plural bad"}
    a, b = read_suite(written(tmp_path, suite(both, [LESS, plural]))).pairs
    assert (a.clean.text, a.corrupted.text, a.right, a.wrong) == ("The ship", "The ships", "is", "are")  # fmt: skip
    assert (b.clean, b.corrupted, b.right, b.wrong) == (a.corrupted, a.clean, "are", "is")


def test_what_is_no_comparison_of_two_is_counted(tmp_path):
    data = suite({"good": ["I know what", "our"], "bad": ["I know that", "our"]}, [LESS, {"type": "formula", "formula": "((2;%good%) + (3;%good%)) < (2;%bad%)"}])  # fmt: skip
    assert "1 predictions are sums" in read_suite(written(tmp_path, data)).about


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "not a SyntaxGym suite: KeyError"),
        ([], "not a SyntaxGym suite"),
        (suite({"good": ["a", "b"]}, [LESS]), "item 1: no region 2 in a condition 'bad'"),
        (suite({"good": ["I know", "b"], "bad": ["I", "b"]}, [LESS]), "none of its predictions"),
        (
            suite(
                {"good": ["I know", "b"], "bad": ["I see", "b"]},
                [LESS | {"relation": "greaterThan"}],
            ),
            "none of its predictions",
        ),
        (
            suite({"good": ["The dog", "eats fish"], "bad": ["The dogs", "eats meat"]}, [LESS]),
            "none of its predictions",
        ),
        (suite({"good": ["", "b"], "bad": ["a", "b"]}, [LESS]), "none of its predictions"),
    ],
)
def test_what_is_none(tmp_path, data, message):
    with pytest.raises(BadSuite, match=message):
        read_suite(written(tmp_path, data))


def test_cut_in_half(tmp_path):
    (tmp_path / "own.json").write_text('{"meta": {')
    with pytest.raises(BadSuite, match=r"own\.json:1: not JSON"):
        read_suite(tmp_path / "own.json")


def test_the_example_suite(shared):
    found = read_suite(shared / "data/syntaxgym/example_suite.json")
    assert [p.clean.text for p in found.pairs] == ["I know what our aunt", "My neighbor told me what the dog"]  # fmt: skip
