"""Taps belong to the thread that set them, and nothing of them stays on a model."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import headwise
from headwise import HeadwiseError
from headwise.activations import hooks
from headwise.model import attention_backend
from helpers.architectures import TOKENS, load, run


@pytest.fixture
def llama(byte_level, wordpiece):
    return load("Llama", byte_level, wordpiece)


def rows(seed):
    length = int(torch.randint(2, 8, (1,), generator=torch.Generator().manual_seed(seed)))
    return torch.randint(1, 60, (2, length), generator=torch.Generator().manual_seed(seed))


def test_two_threads_capture_their_own(llama):
    """Sentences of like and unlike lengths: what each thread keeps is what it keeps alone."""

    def captured(seed):
        sites = ["q_before_rotary", "pattern", "z", "residual"]
        with hooks.capture(llama, sites) as seen:
            llama.forward(rows(seed))
        return dict(seen)

    alone = [captured(seed) for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(captured, range(40)))
    for a, b in zip(alone, together, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            torch.testing.assert_close(a[key], b[key], rtol=0, atol=1e-5)
    assert not llama.engine.taps and llama.engine.stop_after is None
    assert llama.hf.config._attn_implementation == "sdpa"


def in_another_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


@pytest.mark.parametrize("site", ["residual", "q", "pattern", "z"])
def test_the_edit_of_one_thread_does_not_reach_another(llama, site):
    """A plain pass of the raw model by another thread, within a block of this one."""
    expected = llama.hf(TOKENS).logits
    with hooks.edit(llama, site, lambda x, _: 0 * x):
        assert not torch.allclose(llama.logits(TOKENS), expected, atol=1e-3)
        found = in_another_thread(lambda: llama.hf(TOKENS).logits)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_who_waits_too_long_is_told(llama, monkeypatch):
    monkeypatch.setattr(attention_backend, "PATIENCE", 0.05)

    def blocked():
        with pytest.raises(HeadwiseError, match="Another thread has been running this Llama"):
            llama.forward(TOKENS)
        with (
            pytest.raises(HeadwiseError, match="load the model once for each thread"),
            hooks.capture(llama, "z"),
        ):
            pass

    with hooks.capture(llama, "z"):
        llama.forward(TOKENS)
        in_another_thread(blocked)


def test_a_thread_waits_for_a_block_to_end(llama):
    inside, done = threading.Event(), []

    def other():
        inside.wait()
        done.append(llama.logits(TOKENS))

    thread = threading.Thread(target=other)
    thread.start()
    with hooks.edit(llama, "z", lambda z, _: 0 * z):
        inside.set()
        llama.logits(TOKENS)
        assert not done
    thread.join()
    torch.testing.assert_close(done[0], llama.logits(TOKENS))


def test_a_layer_that_fails_is_left(byte_level, wordpiece):
    """Another model of the family is not taken for the layer that failed before its rotary embedding."""
    first, second = (load("Llama", byte_level, wordpiece) for _ in range(2))
    attention = first.stacks[-1].attention[0].module

    def fail(module, inputs):
        raise ValueError("no")

    handle = attention.q_proj.register_forward_pre_hook(fail)
    seen = []
    with hooks.edit(first, "q_before_rotary", lambda q, _: seen.append(q) or q):
        with pytest.raises(ValueError, match="no"):
            first.forward(TOKENS)
        second.hf(TOKENS)
        assert not seen
        handle.remove()
        first.forward(TOKENS)
    assert len(seen) == 2


def test_blocks_on_two_models_may_end_in_the_order_they_began(byte_level, wordpiece):
    first, second = (load("Llama", byte_level, wordpiece) for _ in range(2))
    one = hooks.capture(first, "q_before_rotary", layers=[0])
    two = hooks.capture(second, "q_before_rotary", layers=[0])
    one.__enter__()
    seen = two.__enter__()
    first.forward(TOKENS)
    one.__exit__(None, None, None)
    other = TOKENS.flip(1)
    second.forward(other)
    found = seen["q_before_rotary", 0]
    two.__exit__(None, None, None)
    with hooks.capture(second, "q_before_rotary", layers=[0]) as again:
        second.forward(other)
    torch.testing.assert_close(found, again["q_before_rotary", 0])
    modeling = __import__(type(first.hf).__module__, fromlist=["x"])
    assert not hasattr(modeling.apply_rotary_pos_emb, "headwise_original")


@pytest.mark.parametrize("name", ["GPT2", "Llama", "Bert", "T5"])
def test_captured_tensors_can_be_trained_on(name, byte_level, wordpiece):
    """Also where the caller runs in inference mode, in which torch would make tensors that cannot."""
    model = load(name, byte_level, wordpiece)
    site = "decoder.z" if len(model.stacks) == 2 else "z"
    with torch.inference_mode(), hooks.capture(model, site) as seen:
        out = run(model)
    kept = headwise.capture(model, ["one sentence", "another one here"], [site])
    for x in (out, seen[site, 0], kept[site, 0]):
        assert not x.is_inference()
        layer = torch.nn.Linear(x.shape[-1], 2)
        layer(x).sum().backward()
        assert layer.weight.grad is not None
        x += 1


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_model_can_be_copied_and_sent_to_another_process(again, llama):
    """The copy has hooks of its own."""
    other = again(llama)
    expected = llama.logits(TOKENS)
    with hooks.edit(other, "z", lambda z, _: 0 * z):
        assert not torch.allclose(other.logits(TOKENS), expected, atol=1e-3)
        torch.testing.assert_close(llama.logits(TOKENS), expected)
