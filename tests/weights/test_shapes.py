"""Parameters counted from a shape alone: the table of GPT-3 to the last digit."""

import pytest
import torch
from pydantic import ValidationError

import headwise
from headwise import HeadwiseError, count_parameters
from headwise.weights.shapes import EXAMPLE, SHAPES, shape_of


def lines(tally):
    return {line.part: line for line in tally.lines}


def test_gpt3_to_the_last_digit():
    tally = count_parameters("gpt3")
    for part in ("query", "key", "value-down", "value-up"):
        line = lines(tally)[part]
        assert line.per_head == 1_572_864
        assert line.total == 96 * 96 * 1_572_864 == 14_495_514_624
    assert tally.attention.per_head == 6_291_456
    assert tally.attention.per_block == 603_979_776
    assert tally.attention.total == 57_982_058_496
    # Each of the MLP's matrices has as many, which is not to be mixed up.
    assert tally.count("MLP up") == tally.count("MLP down") == 57_982_058_496
    assert tally.count("embedding") == tally.count("unembedding") == 617_558_016
    assert tally.matrices == 175_181_291_520
    assert tally.n_heads == 9_216
    assert tally.total == tally.matrices - 617_558_016 + 25_165_824 + sum(
        tally.count(part) for part in ("biases", "norms")
    )


def test_gpt3s_context():
    costs = count_parameters("gpt3").context()
    assert costs["tokens"].tolist() == [128, 256, 512, 1024, 2048, 4096, 8192]
    row = costs[costs["tokens"] == 2048].iloc[0]
    assert row["scores_per_head"] == 4_194_304 and row["heads"] == 9_216
    assert row["scores"] == 4_194_304 * 9_216 == 38_654_705_664
    assert row["bytes"] == 4 * 38_654_705_664
    half = count_parameters("gpt3").context([2048, 4096], bytes_per_score=2)
    assert half["bytes"].tolist() == [2 * 38_654_705_664, 8 * 38_654_705_664]
    with pytest.raises(HeadwiseError, match="at least 1 token; got 0"):
        count_parameters("gpt3").context([0])


CLASSES = {
    "gpt2": ("GPT2LMHeadModel", {"n_embd": "d_model", "n_layer": "n_layers", "n_head": "n_heads", "n_positions": "n_context"}),
    "pythia": ("GPTNeoXForCausalLM", {}), "llama": ("LlamaForCausalLM", {}),
    "mistral": ("MistralForCausalLM", {}), "gemma": ("GemmaForCausalLM", {}),
}  # fmt: skip
USUAL = {
    "hidden_size": "d_model", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads", "intermediate_size": "d_mlp",
    "num_key_value_heads": "n_key_value_heads", "head_dim": "d_head", "max_position_embeddings": "n_context",
}  # fmt: skip
KNOWN = {  # as Hugging Face's num_parameters() has them for the published weights
    "gpt2": 124_439_808, "gpt2-medium": 354_823_168, "gpt2-large": 774_030_080, "gpt2-xl": 1_557_611_200,
    "pythia-70m": 70_426_624, "pythia-160m": 162_322_944, "llama-2-7b": 6_738_415_616, "llama-3-8b": 8_030_261_248,
    "mistral-7b": 7_241_732_096, "gemma-2b": 2_506_172_416,
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_shapes_equal_the_models_they_stand_for(name):
    """The same lines from numbers alone as from a model of that shape, without memory for its weights."""
    import transformers

    shape = shape_of(name)
    class_name, names = CLASSES[name.split("-")[0]]
    model_class = getattr(transformers, class_name)
    options = {key: getattr(shape, field) for key, field in (names or USUAL).items()}
    config = model_class.config_class(vocab_size=shape.vocabulary, **options)
    with torch.device("meta"):
        hf = model_class(config)
    by_walking, by_numbers = count_parameters(hf), count_parameters(shape)
    assert by_numbers.total == hf.num_parameters() == KNOWN[name]
    assert by_walking.lines == by_numbers.lines
    assert by_walking.n_heads == by_numbers.n_heads


def test_known_and_named_shapes_are_the_same():
    assert set(KNOWN) == set(SHAPES) - {"gpt3"}


def test_heads_that_do_not_fill_the_stream_are_counted_as_given():
    shape = shape_of("d_model=100,n_layers=2,n_heads=3,d_head=20")
    tally = count_parameters(shape)
    assert lines(tally)["query"].total == 2 * 3 * 100 * 20
    assert tally.notes[0].startswith("3 heads of 20 are 60 wide and the residual stream is 100")
    assert any("No vocabulary" in note for note in tally.notes)
    assert tally.context()["tokens"].max() == 4 * 4096


def test_a_shape_in_numbers():
    tally = count_parameters(EXAMPLE)
    assert tally.total == KNOWN["gpt2"]
    assert tally.name == EXAMPLE
    assert lines(count_parameters("d_model=8, n_layers=1, n_heads=2, biases=no")).keys() >= {
        "norms"
    }
    with pytest.raises(ValidationError):
        shape_of("gpt2").d_model = 3
    assert isinstance(shape_of("gpt2"), headwise.ModelShape)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpt-3", "no shape called 'gpt-3'; known are gpt3, .* Did you mean 'gpt3'"),
        ("bird", "no shape called 'bird'"),
        ("d_model=8,n_layers=1", "n_heads is missing"),
        ("d_model=8,n_heads=2,n_layers=0", "n_layers=0: input should be greater than 0"),
        ("d_model=8,n_heads=2,n_layers=many", "n_layers=many: input should be a valid integer"),
        ("d_model=8,n_heads=2,n_layer=1", "a shape has no 'n_layer'; did you mean 'n_layers'"),
        ("d_model=8,n_heads=9,n_layers=1", "d_head=0: input should be greater than 0"),
        ("d_model=8,n_heads=4,n_layers=1,n_key_value_heads=3", "no multiple of n_key_value_heads=3"),
        ("d_model=8,n_heads=0,n_layers=1", "n_heads=0: input should be greater than 0"),
        ("d_model=8,d_model=8", "a list of different sizes"),
        ("d_model=8,,n_heads=4", "a list of different sizes"),
        ("d_model=", "got 'd_model='"),
        ("name=x", "got 'name=x'"),
    ],
)  # fmt: skip
def test_bad_shapes(text, message):
    with pytest.raises(HeadwiseError, match=message):
        count_parameters(text)


@pytest.mark.parametrize(("given", "d_head"), [("", 2), (",d_head=3", 3)])
def test_heads_that_do_not_divide_the_width_are_counted_as_given(given, d_head):
    """GPT-3 13B has 40 heads of 128 in a stream of 5,140."""
    tally = count_parameters(f"d_model=8,n_heads=3,n_layers=2{given}")
    said = f"3 heads of {d_head} are {3 * d_head} wide and the residual stream is 8"
    assert any(said in note for note in tally.notes)
    heads = tally.table.set_index("part").loc[["query", "key", "value-down", "value-up"]]
    assert (heads["per_head"] == 8 * d_head).all() and (heads["per_block"] == 3 * 8 * d_head).all()
