"""Models and data that several test files need. Tiny models are random but real architectures."""

import os
from pathlib import Path

import pytest

import typecheck
from helpers.paths import ROOT

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports the hub: no test needs a network
# Before anything imports torch: threads that share a tiny model wait for each other longer than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run tests that take minutes")


LONG = ("test_runner", "test_mole", "test_package", "test_training", "test_experiment")


def pytest_collection_modifyitems(config, items):
    # Files of few and long tests come first: begun last, one would keep a single process busy when all others are done.
    items.sort(key=lambda item: item.path.stem not in LONG)
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes minutes; run with --slow"))


def pytest_runtest_setup():
    typecheck.again()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of data and reference results beside the checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the data in ../shared, which are not part of the project")
    return folder


@pytest.fixture(scope="session")
def minilm():
    import headwise

    return headwise.load("minilm", device="cpu")


@pytest.fixture(scope="session")
def burrow():
    import headwise

    return headwise.load("burrow", device="cpu")


@pytest.fixture(scope="session")
def wordpiece(minilm):
    """A tokenizer that does not see spaces."""
    return minilm.tokenizer


@pytest.fixture(scope="session")
def byte_level():
    """A tokenizer that sees spaces, trained on a few sentences: byte-level BPE as GPT-2's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        ["the fluffy blue creature roamed the verdant forest"] * 9, trainer
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>", model_max_length=64
    )


@pytest.fixture(scope="session")
def word_level():
    """Every word of the sentences of `helpers.planted_head` is one token."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from helpers.planted_head import FILLERS, N_IDS

    entries = ["<end>", *FILLERS]
    entries += [f"{kind}{i}" for kind in ("adj", "noun") for i in range(N_IDS)]
    tokenizer = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate(entries)}, unk_token="<end>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>", model_max_length=64
    )


@pytest.fixture(scope="session")
def tokenizer():
    """A token for every word of `helpers.word_tokens`."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from helpers.word_tokens import WORDS

    vocabulary = {word: i for i, word in enumerate(["<unk>", *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", pad_token="<unk>", model_max_length=40
    )


def _gpt2(tokenizer):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        n_layer=2, n_head=4, n_embd=32, n_positions=64, vocab_size=len(tokenizer),
        bos_token_id=0, eos_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    return GPT2LMHeadModel(config).eval()


def _bert(tokenizer):
    import torch
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=64, vocab_size=len(tokenizer), initializer_range=0.3,
    )  # fmt: skip
    return BertForMaskedLM(config).eval()


@pytest.fixture(scope="session")
def tiny_gpt2(byte_level):
    import headwise

    return headwise.load(_gpt2(byte_level), tokenizer=byte_level)


@pytest.fixture(scope="session")
def tiny_bert(wordpiece):
    import headwise

    return headwise.load(_bert(wordpiece), tokenizer=wordpiece)


@pytest.fixture(scope="session")
def tiny_llama(wordpiece):
    import headwise
    from helpers.architectures import make

    return headwise.load(make("Llama", len(wordpiece)), tokenizer=wordpiece)


@pytest.fixture(scope="session")
def raw(byte_level, wordpiece):
    """The same random models as Hugging Face makes them, never hooked."""
    models = {"GPT2LMHeadModel": _gpt2(byte_level), "BertForMaskedLM": _bert(wordpiece)}
    for model in models.values():
        model.set_attn_implementation("eager")
    return models


@pytest.fixture(scope="session")
def chromium():
    from helpers.browsing import a_browser

    with a_browser() as browser:
        yield browser


@pytest.fixture
def visitor(chromium, tmp_path):
    from helpers.browsing import Visitor

    someone = Visitor(chromium, tmp_path)
    yield someone
    someone.leave()


@pytest.fixture
def headwise(monkeypatch, capsys):
    """Runs the command in this process, where the libraries are loaded already."""
    from headwise.cli.main import main
    from helpers.command import Outcome

    def run(*arguments, cwd):
        monkeypatch.chdir(cwd)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr("sys.argv", ["headwise", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        return Outcome(code, *capsys.readouterr())

    return run
