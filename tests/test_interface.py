"""What a user types first: one value where several are taken, names that are wrong, errors that can be caught by kind."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
import torch

import headwise
from headwise import (
    HeadwiseError,
    Sentence,
    Suite,
    UnknownName,
    hooks,
)
from headwise._result import Result
from headwise.interventions.prompts import that_fit

TEXTS = ["the fluffy blue creature roamed", "a mole dug"]


@pytest.fixture(scope="module")
def cache(tiny_bert):
    return headwise.capture(tiny_bert, TEXTS, ["q", "pattern"])


def test_a_cache_is_a_mapping(cache, tiny_bert):
    assert ("q", 1) in cache and "pattern" in cache
    assert ("q", 9) not in cache and "v" not in cache and "z" not in cache
    assert cache.keys() == [(s, la) for s in ("q", "pattern") for la in range(tiny_bert.n_layers)]
    assert torch.equal(cache["q"][1], cache["q", 1])
    assert torch.equal(cache["q", 1, 3], cache["q", 1][:, :, 3])
    assert torch.equal(cache["pattern", 0, 2], cache["pattern", 0][:, 2])
    assert torch.equal(cache.sentence(-1)["q", 0], cache.sentence(1)["q", 0])
    for wrong in (lambda: cache["v"], lambda: cache["q", 9], lambda: cache["q", 0, 99], lambda: cache.sentence(2)):  # fmt: skip
        with pytest.raises(UnknownName, match=r"holds|no sentence"):
            wrong()


def test_a_suite_is_a_sequence():
    suite = headwise.read_suite("mole_pairs")
    assert isinstance(suite[0], Sentence) and suite[-1] == suite.sentences[-1]
    assert list(suite) == list(suite.sentences)
    part = suite[:4]
    assert len(part) == 4 and all(p.clean in part.sentences for p in part.pairs) and part.pairs
    frame = suite.to_frame()
    assert len(frame) == sum(len(s.words) for s in suite)
    assert list(frame["text"][: len(suite[0].words)]) == list(suite[0].words)
    marked = frame[frame["sentence"] == 0].dropna(subset=["label"])
    assert dict(zip(marked["word"], marked["label"], strict=True)) == {m.word: m.label for m in suite[0].marks}  # fmt: skip
    texts = Suite.from_texts(TEXTS)
    assert [s.text for s in texts] == TEXTS and len(texts.groups) == 2


def test_texts_go_through_a_model(tiny_gpt2, tiny_bert):
    tokens, mask = tiny_gpt2.tokenize(TEXTS)
    assert tokens.shape == mask.shape and mask.sum(1).tolist() == [
        len(tiny_gpt2.tokenizer(text)["input_ids"]) for text in TEXTS
    ]
    torch.testing.assert_close(tiny_gpt2(TEXTS), tiny_gpt2.logits(tokens, mask))
    assert tiny_gpt2(TEXTS[0]).shape[-1] == tiny_gpt2.hf.config.vocab_size
    torch.testing.assert_close(tiny_gpt2(TEXTS[1])[0], tiny_gpt2(TEXTS)[1, : mask[1].sum()])
    assert tiny_gpt2.to("cpu") is tiny_gpt2
    with pytest.raises(HeadwiseError, match="no text"):
        tiny_bert.tokenize([])


def test_ablated_heads_are_zero(tiny_gpt2):
    tokens, mask = tiny_gpt2.tokenize(TEXTS)
    plain = tiny_gpt2.logits(tokens, mask)
    with hooks.ablated(tiny_gpt2, ["L0H1", "L1H2"]), hooks.capture(tiny_gpt2, "z") as seen:
        ablated = tiny_gpt2.logits(tokens, mask)
    assert not seen["z", 0][:, :, 1].any() and not seen["z", 1][:, :, 2].any()
    assert seen["z", 0][:, :, 2].any() and not torch.allclose(plain, ablated)
    torch.testing.assert_close(tiny_gpt2.logits(tokens, mask), plain)
    with hooks.ablated(tiny_gpt2, "L1H2"):
        one = tiny_gpt2.logits(tokens, mask)
    by_ablate = headwise.ablate(
        tiny_gpt2, TEXTS, metrics="kl", heads="L1H2", method="zero", n_null=0
    )
    assert by_ablate.table["degradation"].iloc[0] > 0 and not torch.allclose(one, plain)


def test_results_say_in_a_line_what_they_are(tiny_gpt2):
    result = headwise.ablate(tiny_gpt2, TEXTS, metrics="kl", method="zero", n_null=0)
    line = f"AblationResult({tiny_gpt2.name}, texts: 8 heads x 1 method; none needed)"
    assert repr(result) == line  # four heads in two layers
    html = result._repr_html_()
    assert html.count("<tr") == 1 + min(8, len(result.table)) and "AblationResult" in html


def public(module):
    return [getattr(module, name) for name in module.__all__]


def test_public_names():
    """A snapshot: a change here is a change for everybody who imports Headwise."""
    assert sorted(headwise.__all__) == NAMES.split()
    assert not [name for name in headwise.__all__ if name.startswith("test")]
    for name in headwise.__all__:
        assert getattr(headwise, name) is not None


ORDER = ("layers", "heads", "positions", "metrics", "n_null", "seed", "batch_tokens", "budget")
BANNED = {
    "at", "how", "way", "ways", "metric", "position", "controls", "n_controls", "n_random", "n_shuffles", "n_models",
    "at_most", "too_few", "resume", "spill",
}  # fmt: skip


def public_functions():
    """Every function that a name in some `__all__` leads to, by where it is defined."""
    packages = [module for module in public(headwise) if inspect.ismodule(module)]
    found = {}
    for package in (headwise, *packages):
        names = getattr(package, "__all__", [name for name in vars(package) if name[0] != "_"])
        for name in names:
            function = getattr(package, name)
            if inspect.isfunction(function) and function.__module__.startswith("headwise."):
                found[f"{function.__module__}.{name}"] = function
    return found


FUNCTIONS = public_functions()


def test_every_test_is_among_the_public_functions():
    names = {path.rsplit(".", 1)[1] for path in FUNCTIONS}
    assert names > {*TESTS, "capture", "reduce", "edit", "from_classes", "max_t"}


@pytest.mark.parametrize("path", sorted(FUNCTIONS))
def test_one_order_of_parameters(path):
    """Model, suite and what is tested stand in this order, and all that follows is named in a call."""
    parameters = inspect.signature(FUNCTIONS[path]).parameters
    names = list(parameters)
    placed = [name for name, p in parameters.items() if p.kind is not p.KEYWORD_ONLY]
    shared = [name for name in names if name in ORDER and name not in placed]
    assert shared == sorted(shared, key=ORDER.index)
    if "model" in names:
        assert names[0] == "model" and len(placed) <= 3
        assert not BANNED.intersection(names)
    if "suite" in names and "model" in names:
        assert names[1] == "suite"


def test_a_test_takes_a_model_and_a_suite():
    for name in TESTS:
        assert list(inspect.signature(getattr(headwise, name)).parameters)[:2] == ["model", "suite"]


AT_ONCE = """
import operator, sys
for path in {paths}:
    for name in [name for name in sys.modules if name.partition(".")[0] == "headwise"]:
        del sys.modules[name]
    import headwise
    print(operator.attrgetter(path)(headwise))
"""


def test_sub_packages_are_there_at_once():
    """Each of them right after `import headwise`, whatever was used before; other libraries are loaded once."""
    paths = ["weights.circuits", "data.Suite", "activations.hooks", "directions.from_classes", "probing.probe", "interventions.steering", "evidence", "report"]  # fmt: skip
    program = AT_ONCE.format(paths=paths)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) == len(paths)


def test_what_is_a_number_stays_one():
    assert np.isfinite(headwise.burrow_sentences("mole", 3).to_frame()["word"].to_numpy()).all()


TESTS = (
    "ablate", "ablate_set", "attribution_patch", "direct_effects", "direction_test", "erase", "logit_lens", "ov_alignment_test", "patch",
    "path_patch", "probe", "relation_test", "steer", "transfer_test",
)  # fmt: skip
NAMES = """
AblationResult AttributionResult BadSuite CircuitResult Column Columns Decomposition DirectEffectResult Direction
DirectionTestResult ErasureResult Head HeadCache HeadSetResult HeadwiseError Hypothesis Logistic
LogitLensResult Model ModelShape OVAlignmentTestResult OverBudget ParameterCount PatchResult
PathPatchResult Probe ProbeResult RelationTestResult ReplicationResult Report Result Sentence SteerResult Suite
TransferTestResult UnknownName UnsupportedModel View ablate ablate_set activations attention
attribution_patch burrow burrow_pairs burrow_sentences capture count_parameters data decompose
direct_effects direction_test directions erase evidence fit_probe hooks hypotheses interventions ioi_pairs load
logit_lens model ov_alignment_test patch path_patch probe probing read_circuits read_suite reduce
relation_test replicate report show show_attention stats steer top_tokens transfer_test weights
"""


def test_every_result_names_its_model_and_has_a_table(tiny_gpt2):
    """What `view()` and the line that a notebook shows are made of."""
    for kind in Result.__subclasses__():
        known = {*kind.__annotations__, *vars(kind)}
        assert {"model", "table"} <= known or kind.__name__ in TABLES_OF_THEIR_OWN, kind
        assert "__repr__" not in vars(kind), kind  # that of a dataclass holds every number
    pairs = that_fit(tiny_gpt2, headwise.read_suite("adjective_pairs")).sample_groups(6)
    found = headwise.ablate_set(
        tiny_gpt2, pairs, "L0H1", metrics="kl", method="zero", n_null=2, n_null_kept=1
    )
    assert repr(found).startswith(f"HeadSetResult({tiny_gpt2.name}, ")
    assert "degradation" in found.view().html


TABLES_OF_THEIR_OWN = ("LogitLensResult",)


NEEDS_SENTENCES = {
    "ablate": lambda m, s: headwise.ablate(m, s, method=["zero"]),
    "ablate_set": lambda m, s: headwise.ablate_set(m, s, ["L0H0"]),
    "attribution_patch": lambda m, s: headwise.attribution_patch(m, s),
    "capture": lambda m, s: headwise.capture(m, s, ["pattern"]),
    "decompose": lambda m, s: headwise.decompose(m, s),
    "direct_effects": lambda m, s: headwise.direct_effects(m, s),
    "fit_probe": lambda m, s: headwise.fit_probe(m, s, layer=1),
    "logit_lens": lambda m, s: headwise.logit_lens(m, s),
    "ov_alignment_test": lambda m, s: headwise.ov_alignment_test(m, s, "amod"),
    "patch": lambda m, s: headwise.patch(m, s),
    "path_patch": lambda m, s: headwise.path_patch(m, s, "L1H0"),
    "probe": lambda m, s: headwise.probe(m, s),
    "relation_test": lambda m, s: headwise.relation_test(m, s, "amod"),
    "show_attention": lambda m, s: headwise.show_attention(m, s.sentences),
}


@pytest.mark.parametrize("name", NEEDS_SENTENCES)
def test_a_suite_of_nothing_is_named(name, tiny_gpt2):
    nothing = headwise.Suite("nothing", "?", ())
    with pytest.raises(HeadwiseError, match=r"no sentences|No sentences|got none"):
        NEEDS_SENTENCES[name](tiny_gpt2, nothing)
