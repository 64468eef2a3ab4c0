"""What each head would write if it attended to one bare word: the word's value-up image, `W_O W_V e(word)`.

The embedding of the word is put in as the stream before a block, so whatever norm stands there is passed, with the
scale that the embedding gives it. What a stream of zeros would give (biases) is taken away.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from .. import hooks, words
from ..errors import HeadwiseError
from ..models import Model
from ..suites import Sentence
from .stream import Wiring


def token_of(model: Model, word: str) -> int:
    """The token that a word is within a sentence.

    Raises:
        HeadwiseError: It is several, or none that the tokenizer knows.
    """
    sentence = Sentence.of(f"the {word}")
    (alignment,) = words.align(model, [sentence])
    n = len(sentence.words) - 1
    pairs = zip(alignment.tokens, alignment.words, strict=True)
    own = [token for token, of in pairs if of is not None and of > 0]
    unknown = getattr(model.tokenizer, "unk_token_id", None)
    if n != 1 or len(own) != 1 or own[0] == unknown:
        what = "does not know" if unknown in own else f"writes with {len(own)} tokens"
        raise HeadwiseError(
            f"The embedding of {word!r} is asked for, which {model.name} {what}; expected a word that is one token. Choose another."
        )
    return own[0]


def value_up_images(
    model: Model, given: Sequence[str], layers: Sequence[int] | None = None
) -> Float[Tensor, "layer head word d_model"]:
    """What every head of some layers writes when it attends to a word alone.

    Args:
        model: A model of one stack.
        given: The words, each one token.
        layers: Blocks; all by default.

    Raises:
        HeadwiseError: A word of several tokens, no such layer, or a model of two stacks.
    """
    wiring = Wiring.of(model, model.stacks[0].side)
    side = wiring.stack.side
    chosen = list(range(len(wiring.blocks)) if layers is None else layers)
    tokens = torch.tensor([[token_of(model, word)] for word in given], device=model.device)
    embedded = wiring.factor * model.hf.get_input_embeddings()(tokens).detach()
    if wiring.norm is not None:
        embedded = wiring.norm(embedded).detach()
    found: list[Tensor] = []
    for layer in chosen:
        values: list[Tensor] = []
        for stream in (embedded, torch.zeros_like(embedded)):
            with (
                hooks.edit(model, _key(side, "residual"), _instead(stream), [layer]),
                hooks.capture(model, [_key(side, "v")], [layer]) as seen,
            ):
                model.forward(tokens)
                values.append(seen[_key(side, "v"), layer][:, 0].float())
        v = values[0] - values[1]
        attention = model.attention(side, layer)
        v = v.repeat_interleave(attention.n_heads // v.shape[1], dim=1)
        found.append(torch.einsum("whd,hdm->hwm", v, attention.W_O.float()))
    return torch.stack(found)


def _key(side: str, site: str) -> str:
    return f"{side}.{site}" if side else site


def _instead(stream: Tensor):
    def put(x: Tensor, _: hooks.Site) -> Tensor:
        return stream.expand_as(x)

    return put
