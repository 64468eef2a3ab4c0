"""Paths are followed as by hand."""

import numpy as np
import pytest

import headwise
from headwise import HeadwiseError, path_patch
from headwise.activations import hooks
from headwise.model.heads import Head, order_met
from helpers.architectures import GROUPED, load, small
from helpers.patches import LD, PatchByHand, key_of


@pytest.mark.parametrize(
    ("name", "receiver", "through"),
    [
        ("GPT2", "L1H2", "q"),
        ("GPTNeoX", "L1H0", "v"),
        ("Llama", "L1H3", "k"),
        ("Bert", "L1H1", "v"),
        ("Bart", "cross.L1H1", "q"),
        ("T5", "cross.L0H1", "v"),
    ],
)
def test_paths_are_followed_as_by_hand(name, receiver, through, byte_level, wordpiece, few):
    model = load(name, byte_level, wordpiece)
    result = path_patch(model, few, receiver, through=through)
    by_hand = PatchByHand(model, few, "noising")
    goal = next(head for head in model.heads if head.name == receiver)
    place = key_of(through, goal.side)
    shared = result.shared_by
    assert shared == (2 if name == "Llama" else 1)
    (moved,) = result.effects[LD]
    for at in range(0, len(result.table), 3):
        row = result.table.iloc[at]
        sender = Head(int(row["layer"]), int(row["head"]), row["side"])

        def arrived(i, sender=sender):
            with hooks.capture(model, [place], layers=[goal.layer]) as seen:
                by_hand.edited(i, list(isolated(by_hand, i, sender, goal)))
            return seen[place, goal.layer][0]

        expected = by_hand.effect(place, goal.layer, [goal.head], arrived)
        np.testing.assert_allclose(moved[at], expected, atol=1e-4)


def isolated(by_hand, i, sender, goal):
    """The sender's output from the other sentence, all heads between as they were."""
    key = key_of("z", sender.side)
    own = by_hand.activations(by_hand.base, i, key, sender.layer).clone()
    own[:, sender.head] = by_hand.activations(by_hand.other, i, key, sender.layer)[:, sender.head]
    yield key, sender.layer, None, own
    met = {order_met(h)[:3]: h for h in by_hand.model.heads}
    for at, head in met.items():
        if order_met(sender)[:3] < at and (goal is None or at < order_met(goal)[:3]):
            between = key_of("z", head.side)
            yield (
                between,
                head.layer,
                None,
                by_hand.activations(by_hand.base, i, between, head.layer),
            )


@pytest.mark.parametrize("name", ["GPT2", "GPTNeoX", "Bert"])
def test_paths_to_the_output(name, byte_level, wordpiece, asked):
    model = load(name, byte_level, wordpiece)
    result = path_patch(model, asked, mode=["denoising"])
    by_hand = PatchByHand(model, asked, "denoising")
    (moved,) = result.effects[LD]
    for at in range(len(result.table)):
        row = result.table.iloc[at]
        sender = Head(int(row["layer"]), int(row["head"]))
        expected = by_hand.moved(lambda row, s=sender: list(isolated(by_hand, row, s, None)))
        np.testing.assert_allclose(moved[at], expected, atol=1e-4)


MAMBA = {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 4}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_paths_where_words_mix_in_another_way_too(byte_level, asked):
    """Falcon-H1 has a recurrent branch beside its heads: its patterns are read, but no path is followed."""
    raw = small("FalconH1ForCausalLM", GROUPED | MAMBA, len(byte_level))
    model = headwise.load(raw, tokenizer=byte_level)
    assert headwise.capture(model, ["the blue forest"], ["pattern"])["pattern", 0].shape[1] == 4
    with pytest.raises(HeadwiseError, match="with all heads off a word still reaches the words after"):  # fmt: skip
        path_patch(model, asked)
