"""Tables of what words read as: the first tokens of each list, or the nearest token alone."""

import headwise
from headwise.report import sections
from headwise.report.sections.directions.logit_lens import SHOWN
from helpers.word_tokens import suite, tiny


def test_the_first_tokens_in_one_cell(tokenizer):
    given = {"animal": ["dig", "fur"], "unit": ["gram"]}
    result = headwise.logit_lens(
        tiny(tokenizer), suite(), k=7, heads=["L1H2"], targets=given, n_null=20
    )
    stream, heads, named = (table.to_frame() for table in sections.logit_lens(result).tables)
    for row in stream.itertuples():
        own = result.stream[(result.stream["label"] == row.label) & (result.stream["layer"] == row.layer)]  # fmt: skip
        assert row.tokens == ", ".join(own.sort_values("rank")["token"][:SHOWN])
    assert set(heads["head"]) == {"L1H2"} and set(heads["label"]) == {"animal", "unit"}
    assert set(named["place"]) == {"layer 0", "layer 1", "layer 2", "L1H2"}
    assert len(named) == len(result.table)
    (text,) = sections.logit_lens(result).method
    assert "output head" in text and "20 sets" in text


def test_without_an_output_head_the_nearest_token_alone(tiny_bert, tokenizer):
    silent = headwise.load(tiny_bert.hf.bert, tokenizer=tiny_bert.tokenizer, verify=False)
    result = headwise.logit_lens(silent, suite(), k=3)
    assert result.how != "output head"
    (table,) = sections.logit_lens(result).tables
    nearest = result.stream[result.stream["rank"] == 0].sort_values(["label", "layer"])
    assert table.to_frame()["token"].tolist() == nearest["token"].tolist()
    assert "nearest token embeddings" in sections.logit_lens(result).method[0]
