"""What `headwise new` writes can be tested as it stands."""

import re

import pytest

from headwise import HeadwiseError, Hypothesis
from headwise.hypotheses import template
from helpers.paths import ROOT


def test_it_is_a_hypothesis(tmp_path):
    (tmp_path / "mine.toml").write_text(template("mine"), encoding="utf-8")
    made = Hypothesis.read(tmp_path / "mine.toml")
    assert made.name == "mine" and made.file.kinds == ("looks", "matters")
    for model in ("burrow", "minilm"):
        made.check(made.suites(model=model))


@pytest.mark.parametrize("name", ["", "1a", "a b", "a/b", "../a", "a" * 61, "é\ud800"])
def test_names_that_are_none(name):
    with pytest.raises(HeadwiseError, match="cannot be the name of a hypothesis"):
        template(name)


def test_the_example_in_the_documentation_is_a_hypothesis(tmp_path):
    (example,) = re.findall(
        r"```toml\n(.*?)```", (ROOT / "docs/hypotheses.md").read_text(), re.DOTALL
    )
    (tmp_path / "own.toml").write_text(example)
    made = Hypothesis.read(tmp_path / "own.toml")
    assert made.file.kinds == ("looks", "carries", "matters")
    (python,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/hypotheses.md").read_text(), re.DOTALL)  # fmt: skip
    compile(python, "docs/hypotheses.md", "exec")
