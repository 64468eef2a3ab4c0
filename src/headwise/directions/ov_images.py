"""OV images: what each head would write if it attended to one bare word, `W_O W_V e(word)`.

The embedding of the word is put in as the stream before a block, so whatever norm stands there is passed, with the
scale that the embedding gives it. What a stream of zeros would give (biases) is subtracted.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from headwise.activations import hooks
from headwise.activations.alignment import align
from headwise.activations.sites import Site
from headwise.data.sentence import Sentence, continued
from headwise.errors import HeadwiseError
from headwise.model.model import Model
from headwise.weights.readout import tokens_of

from ._stream.wiring import Wiring


def token_of(model: Model, word: str) -> int:
    """The token that a word is within a sentence.

    Raises:
        HeadwiseError: It is several, or none that the tokenizer knows.
    """
    token = next(tokens_of(model, [word]))
    if token is None:
        own = len(_tokens(model, word))
        what = "does not know" if own == 1 else f"writes with {own} tokens"
        raise HeadwiseError(
            f"The embedding of {word!r} is needed, which {model.name} {what}; expected a word that is one token. Choose another."
        )
    return token


def first_token_of(model: Model, word: str) -> int:
    """The first token of a word within a sentence.

    Raises:
        HeadwiseError: The tokenizer makes nothing of it, or does not know it.
    """
    own = _tokens(model, word)
    if not own or own[0] == getattr(model.tokenizer, "unk_token_id", None):
        raise HeadwiseError(f"{model.name} does not know {word!r}. Choose another word.")
    return own[0]


def _tokens(model: Model, word: str) -> list[int]:
    sentence = Sentence.of(continued("the", word))
    (alignment,) = align(model, [sentence])
    pairs = zip(alignment.tokens, alignment.words, strict=True)
    return [token for token, of in pairs if of is not None and of > 0]


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
    if len(model.stacks) == 2:
        raise HeadwiseError(
            f"{model.name} has an encoder and a decoder; what a bare word gives is known of models of one stack only. Take another model."
        )
    wiring = Wiring.of(model)
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
                hooks.edit(model, "residual", _instead(stream), layers=[layer]),
                hooks.capture(model, ["v"], layers=[layer]) as seen,
            ):
                model.forward(tokens)
                values.append(seen["v", layer][:, 0].float())
        v = values[0] - values[1]
        attention = model.attention(layer=layer)
        v = v.repeat_interleave(attention.n_heads // v.shape[1], dim=1)
        found.append(torch.einsum("whd,hdm->hwm", v, attention.W_O.float()))
    return torch.stack(found)


def _instead(stream: Tensor):
    def put(x: Tensor, _: Site) -> Tensor:
        return stream.expand_as(x)

    return put
