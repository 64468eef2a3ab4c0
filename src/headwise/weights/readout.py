"""The logit readout: scores of a vector over the vocabulary, and tests of named words against random ones.

A model with an output head turns the last layer's vectors into logits: its final norm, then its own head with whatever
belongs to that (BERT's transform, biases, Gemma 2's cap, T5's scale). Vectors of any layer are put through the same:
the model itself is run with its blocks left out, so that no head needs to be known, and at the last layer the scores are
the model's own. A score is a log probability.

A model without an output head gives the nearest tokens instead: the cosine of the vector and each row of the input
embeddings. Rows are not centred: in all-MiniLM-L6-v2 the nearest tokens with and without are the same but for order.

Memory: three or so times `4 * rows * vocabulary` bytes for the rows that are scored at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import false_discovery_control
from torch import Tensor, nn
from torch.nn.functional import normalize

from headwise.activations import hooks
from headwise.activations._skip_blocks import replaced_forward
from headwise.activations.alignment import align
from headwise.activations.norms import final_norm
from headwise.activations.sites import on_side
from headwise.data.sentence import Sentence, continued
from headwise.errors import HeadwiseError
from headwise.model import evaluating
from headwise.model.architecture import TOLERANCES
from headwise.model.model import Model
from headwise.stats import EPSILON, PValues

from ._output_head import Body, inputs_of

How = Literal["output head", "nearest embeddings"]
FRAME = ("a", "a")  # what stands around a word that is tokenized by itself


@dataclass(frozen=True, eq=False)
class Readout:
    """What turns vectors into scores.

    Attributes:
        model: The model.
        how: By its output head, or by its input embeddings.
        norm: The norm before the output head, which vectors of every layer go through; None in post-norm models.
        n_computed: Scores that are computed for a vector.
        n_tokens: How many of them are of tokens that the tokenizer knows; matrices often have more rows.
        rows: Input embeddings of length 1, where these are compared; else empty.
        body: What the output head is given the output of, and such an output; None where there is no head.
    """

    model: Model
    how: How
    norm: nn.Module | None
    n_computed: int
    n_tokens: int
    rows: Float[Tensor, "some_tokens width"]
    body: "Body | None" = None

    @staticmethod
    def of(model: Model) -> "Readout":
        """How a model is read.

        Raises:
            HeadwiseError: Its embeddings have another width than the stream and it has no output head, or it does
                something unknown between its last block and its output head.
        """
        embedding = model.embedding
        known = len(embedding) if model.tokenizer is None else len(model.tokenizer)
        norm = final_norm(model)
        if model.has_output_head:
            n_rows = len(model.unembedding)
            body = Body.of(model)
            made = Readout(
                model, "output head", norm, n_rows, min(known, n_rows), embedding[:0], body
            )
            made.require_exact()
            return made
        if embedding.shape[1] != model.d_model:
            raise HeadwiseError(
                f"{model.name} has no output head, and embeds tokens in {embedding.shape[1]} dimensions where its residual "
                f"stream has {model.d_model}, so a vector cannot be compared with tokens. Load it with its output head."
            )
        n_tokens = min(known, len(embedding))
        rows = normalize(embedding[:n_tokens].float(), dim=-1)
        return Readout(model, "nearest embeddings", norm, n_tokens, n_tokens, rows)

    @property
    def embeddings(self) -> Float[Tensor, "some_tokens width"]:
        """A row for each token: of the output matrix, or the input embeddings that vectors are compared with."""
        if self.how == "nearest embeddings":
            return self.rows
        return self.model.unembedding[: self.n_tokens]

    def logits(self, vectors: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocabulary"]:
        """Logits as if the stream ended in these vectors; at the last layer, the model's own.

        Raises:
            HeadwiseError: There is no output head.
        """
        model = self.model
        if not model.has_output_head:
            raise HeadwiseError(
                f"{model.name} has no output head, so there are no logits; `scores` compares embeddings."
            )
        assert self.body is not None
        with torch.no_grad(), evaluating(model.hf):
            ended = self._ended(vectors)[None]
            with replaced_forward(self.body.module, self.body.giving(ended)):
                return model.hf(**inputs_of(model, ended)).logits[0]

    def require_exact(self) -> None:
        """Compares what the last layer is read as with the model's own logits, on a few tokens.

        Raises:
            HeadwiseError: They differ: something else stands between the last block and the logits.
        """
        model = self.model
        stack = model.stacks[-1]
        site = on_side(stack.side, "residual")
        tokens = torch.arange(3)[None]
        with hooks.capture(model, [site], layers=[model.n_layers]) as seen:
            expected = model.logits(tokens, targets=tokens if len(model.stacks) == 2 else None)[0]
        error = (self.logits(seen[site, model.n_layers][0]) - expected).abs().max()
        if not float(error / expected.abs().max().clamp(min=1)) <= 10 * TOLERANCES[model.dtype]:
            raise HeadwiseError(
                f"The logit lens is not exact for {model.name} ({type(model.hf).__name__}): at the last layer its logits differ from the model's own by "
                f"{float(error):.1e}, so something else stands between the last block and the output head."
            )

    def scores(self, vectors: Float[Tensor, "row d_model"]) -> Float[Tensor, "row token"]:
        """Log probability of every token (natural logarithm), or cosine with its embedding (-1 to 1)."""
        if self.how == "output head":
            return self.logits(vectors).float().log_softmax(-1)[:, : self.n_tokens]
        with torch.no_grad():
            return normalize(self._ended(vectors).float(), dim=-1) @ self.rows.T

    def _ended(self, vectors: Tensor) -> Tensor:
        """Vectors after the final norm."""
        vectors = vectors.to(device=self.model.device, dtype=self.model.dtype)
        return vectors if self.norm is None else self.norm(vectors)

    def name(self, token: int) -> str:
        """How a token is written."""
        tokenizer: Any = self.model.tokenizer
        return tokenizer.decode([token])


def tokens_of(model: Model, given: Sequence[str]) -> Iterator[int | None]:
    """The token of each word as it stands within a sentence; None where it has several, or one that is unknown."""
    unknown = getattr(model.tokenizer, "unk_token_id", None)
    for start in range(0, len(given), 4096):  # an alignment is much larger than a token
        some = given[start : start + 4096]
        sentences = [Sentence.of(f"{continued(FRAME[0], word)} {FRAME[1]}") for word in some]
        aligned = align(model, sentences)
        for sentence, alignment in zip(sentences, aligned, strict=True):
            own = [t for t, at in zip(alignment.tokens, alignment.words, strict=True) if at == 1]
            is_one = len(sentence.words) == 3 and len(own) == 1 and not alignment.missing
            yield own[0] if is_one and own[0] != unknown else None


def word_tokens(readout: Readout) -> Int[ndarray, " word"]:
    """Tokens that are a word of letters by themselves within a sentence, in order."""
    tokenizer: Any = readout.model.tokenizer
    special = set(tokenizer.all_special_ids)
    written = tokenizer.batch_decode([[token] for token in range(readout.n_tokens)])
    of_letters = {
        token: text.strip()
        for token, text in enumerate(written)
        if token not in special and text.strip().isalpha()
    }
    found = tokens_of(readout.model, list(of_letters.values()))
    kept = [token for token, own in zip(of_letters, found, strict=True) if own == token]
    return np.array(kept, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Targets:
    """Words expected to score high for some labels, and random words in their place.

    Attributes:
        labels: Labels that have targets.
        sets: Of each of them the targets as places in `pool`, first of all; then as many random words, again and again.
        topics: The same with random topics, see `random_topics`.
        pool: Tokens that targets are compared with: every word of letters that is one token, and the targets.
        left_out: Of each label the words that are no token of their own.
    """

    labels: tuple[str, ...]
    sets: list[Int[ndarray, "shuffle _"]]
    topics: list[Int[ndarray, "shuffle _"]]
    pool: Int[ndarray, " word"]
    left_out: Mapping[str, tuple[str, ...]]

    @staticmethod
    def of(
        readout: Readout,
        targets: Mapping[str, Sequence[str]],
        labels: Sequence[str],
        n_null: int,
        seed: int,
    ) -> "Targets":
        """The tokens of some words.

        Raises:
            HeadwiseError: A label that is not read, or one of whose targets none is a token.
        """
        model, found, left_out = readout.model, list[list[int]](), dict[str, tuple[str, ...]]()
        for label, given in targets.items():
            if label not in labels:
                raise HeadwiseError(
                    f"Targets are given for the label {label!r}, which is not read; read are {', '.join(labels)}."
                )
            tokens = dict(zip(given, tokens_of(model, given), strict=True))
            known = {t for t in tokens.values() if t is not None and t < readout.n_tokens}
            left_out[label] = tuple(word for word, t in tokens.items() if t not in known)
            if not known:
                raise HeadwiseError(
                    f"None of the targets for {label!r} is one token of {model.name} within a sentence; got "
                    f"{', '.join(map(repr, given)) or 'none'}. Choose shorter or more frequent words."
                )
            found.append(sorted(known))
        if not found:
            return Targets((), [], [], np.empty(0, dtype=np.int64), {})
        pool = np.union1d(word_tokens(readout), np.concatenate(found))
        at = [np.searchsorted(pool, tokens) for tokens in found]
        sets = random_sets(at, len(pool), n_null, seed)
        topics = random_topics(at, readout.embeddings[pool], n_null, seed)
        return Targets(tuple(targets), sets, topics, pool, left_out)

    def weights(self, n_tokens: int) -> Float[Tensor, "token set"]:
        """What scores are multiplied with for the mean over each label's targets, less that over all words."""
        weights = torch.zeros((n_tokens, len(self.sets)), dtype=torch.float32)
        if self.sets:
            weights[self.pool] = -1 / len(self.pool)
        for i, members in enumerate(self.sets):
            weights[self.pool[members[0]], i] += 1 / members.shape[1]
        return weights


def random_sets(
    sets: Sequence[Int[ndarray, " _"]], n_words: int, n_null: int, seed: int
) -> list[Int[ndarray, "shuffle _"]]:
    """Sets of words, and the same after `n_null` permutations of the vocabulary.

    Each shuffle is one for all sets, so that they keep their sizes and the words that they share.

    Args:
        sets: Words of each set, as places in a vocabulary of `n_words`.
        n_words: Size of the vocabulary.
        n_null: How often it is shuffled.
        seed: Fixes the shuffles.

    Returns:
        For each set a row as it is, then one for each shuffle.
    """
    rng = np.random.default_rng(seed)
    members, places = np.unique(np.concatenate(sets), return_inverse=True)
    drawn = [rng.choice(n_words, len(members), replace=False) for _ in range(n_null)]
    everything = np.stack([members, *drawn])[:, places.ravel()]
    return np.split(everything, np.cumsum([len(s) for s in sets])[:-1], axis=1)


def random_topics(
    sets: Sequence[Int[ndarray, " _"]],
    embeddings: Float[Tensor, "word width"],
    n_null: int,
    seed: int,
) -> list[Int[ndarray, "shuffle _"]]:
    """Sets of words, and others that have as much in common.

    Words of one topic rise and fall together, so that their mean is less steady than that of random words. Another topic is
    a random word with those words that are as near to it as the set's are to the one in its middle: by rank of the
    cosine of embeddings less their mean. The middle is the word with the largest sum of cosines to the set.

    Args:
        sets: Words of each set, as rows of `embeddings`.
        embeddings: Of every word.
        n_null: How many topics are drawn; those of different sets have different random words.
        seed: Fixes them.

    Returns:
        For each set a row as it is, then one for each topic.
    """
    rows = normalize(embeddings.float() - embeddings.float().mean(0), dim=-1)
    ranks: list[Int[ndarray, " _"]] = []
    for own in sets:
        cosines = rows[own] @ rows.T
        middle = int(cosines[:, own].sum(1).argmax())
        order = cosines[middle].argsort(descending=True, stable=True)
        ranks.append(np.sort(order.argsort().cpu().numpy()[own]))
    wanted = np.unique(np.concatenate(ranks))
    centres = np.random.default_rng(seed).integers(len(rows), size=n_null)
    found = [np.empty((n_null, len(own)), dtype=np.int64) for own in sets]
    for start in range(0, n_null, 64):
        far = -(rows[centres[start : start + 64]] @ rows.T).cpu().numpy()
        order = np.argpartition(far, wanted, axis=1)
        for topics, rank in zip(found, ranks, strict=True):
            topics[start : start + 64] = order[:, rank]
    # The n-th topic of one set is about another word than the n-th of the next.
    return [
        np.concatenate([own[None], np.roll(topics, i, axis=0)])
        for i, (own, topics) in enumerate(zip(sets, found, strict=True))
    ]


def set_means(
    differences: Float[ndarray, "place word"], sets: Int[ndarray, "shuffle target"]
) -> Float[ndarray, "place shuffle"]:
    """Mean over each set of words."""
    total = np.zeros((len(differences), len(sets)))
    for members in sets.T:  # one word of every set at a time, or memory would grow with their size
        total += differences[:, members]
    return total / sets.shape[1]


def compare(null: Float[ndarray, "test shuffle"]) -> PValues:
    """Tests the first number of each row against the others, with the maximum over rows.

    Each is compared with its own row (`p`) and, in units of the row's spread, with the largest of all rows at every
    shuffle (`p_fwer`); it counts as one of them. One-sided. Westfall and Young 1993.

    Args:
        null: For every test the statistic as it was found, then under each shuffle, the same for all tests.
    """
    spread = null.std(axis=1, keepdims=True)
    moved = spread > EPSILON  # else rounding: all words of the suite are one vector there
    deviations = np.where(
        moved, (null - null.mean(axis=1, keepdims=True)) / np.where(moved, spread, 1), 0
    )
    observed = deviations[:, :1] - EPSILON
    p = (deviations >= observed).mean(axis=1)
    largest = np.sort(deviations.max(axis=0))
    p_fwer = 1 - np.searchsorted(largest, observed[:, 0]) / len(largest)
    return PValues(p, p_fwer, false_discovery_control(p))
