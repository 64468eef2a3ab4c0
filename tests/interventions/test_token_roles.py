"""Every token has one role, told by its word, and only the roles that occur can be asked for."""

import pytest

from headwise import HeadwiseError
from headwise.interventions import token_roles
from headwise.interventions.prompts import Prompts


def test_every_token_has_one_role(tiny_gpt2, tiny_bert, asked):
    for model in (tiny_gpt2, tiny_bert):
        prompts = Prompts.of(model, asked, answers=True)
        first, second = token_roles.roles(prompts)
        assert second == [] and [len(r) for r in first] == [len(r.tokens) for r in prompts.rows]
        covered = [sum(token_roles.masks(prompts, n)[0][0] for n in token_roles.names(prompts))]
        assert (covered[0] == 1).all()
        for row, own in zip(prompts.rows, first, strict=True):
            words = [w for w, role in zip(row.words, own, strict=True) if role == "marked"]
            marks = prompts.sentences[prompts.owners[first.index(own)]].marks
            assert set(words) <= {mark.word for mark in marks}
            special = [i for i, w in enumerate(row.words) if w is None]
            assert {own[i] for i in special} <= {"special", "end"}


def test_the_end_is_where_the_model_says_what_comes_next(tiny_gpt2, asked):
    prompts = Prompts.of(tiny_gpt2, asked, answers=True)
    masks, _ = token_roles.masks(prompts, "end")
    for owner, (row, at) in enumerate(prompts.ends):
        assert masks[row].nonzero()[0].tolist() == [at], owner


def test_roles_that_nothing_has(tiny_gpt2, asked):
    prompts = Prompts.of(tiny_gpt2, asked, answers=True)
    with pytest.raises(HeadwiseError, match=r"No position is called 'verb' here; there are: .*end"):
        token_roles.masks(prompts, "verb")
