"""Sentences that may be shown: short enough, each once, with the expected key of each query word."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from headwise.activations import alignment as words
from headwise.attention import relation_query
from headwise.attention.annotations import Corpus
from headwise.attention.questions import AttentionOrder
from headwise.attention.relation_query import Relation
from headwise.data.suite import Sentence, Suite
from headwise.model.model import Model
from headwise.report.schema import Linked

MOST_TOKENS = 64
FEW = 6  # of sentences that are all too long

TestedRelation = tuple[str | Relation, AttentionOrder]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A sentence that may be shown.

    Attributes:
        sentence: The sentence.
        alignment: Its tokens.
        links: Query words with their expected keys; of a decoder without keys that come later.
        tested: For each link, which of the tested relations it belongs to.
    """

    sentence: Sentence
    alignment: words.Alignment
    links: tuple[Linked, ...] = ()
    tested: tuple[int, ...] = ()

    @property
    def n_tokens(self) -> int:
        """Tokens with special ones."""
        return len(self.alignment.tokens)


def candidates(
    model: Model,
    suite: Suite,
    tested: Sequence[TestedRelation],
    *,
    is_causal: bool,
    seed: int,
    n: int,
) -> list[Candidate]:
    """At most `n` different sentences in random order, those with links first.

    Sentences of more than 64 tokens are passed over; where all are longer, the few shortest are taken.

    Args:
        model: The model.
        suite: Sentences.
        tested: Relations in the notation of `headwise.attention.relation_query`, each with which of the two words is the query.
        is_causal: Whether links to what stands later are left out.
        seed: Fixes the order.
        n: How many.
    """
    links = _links(suite, tested, is_causal=is_causal)
    order = np.random.default_rng(seed).permutation(len(suite.sentences)).tolist()
    order.sort(key=lambda i: not links[i])
    once: dict[tuple[str, ...], int] = {}
    for i in order:
        once.setdefault(suite.sentences[i].words, i)
    found: list[Candidate] = []
    long: list[Candidate] = []
    for i in once.values():
        (alignment,) = words.align(model, [suite.sentences[i]])
        if alignment.truncated or not alignment.tokens:
            continue
        own = [(a, k) for a, k in links[i] if not alignment.missing & {k.query, k.key}]
        judged_along, linked = tuple(a for a, _ in own), tuple(k for _, k in own)
        candidate = Candidate(suite.sentences[i], alignment, linked, judged_along)
        (found if candidate.n_tokens <= MOST_TOKENS else long).append(candidate)
        if len(found) == n:
            break
    found.sort(key=lambda candidate: not candidate.links)  # links may have had no tokens
    return found or sorted(long, key=lambda candidate: candidate.n_tokens)[: min(FEW, n)]


def _links(
    suite: Suite, tested: Sequence[TestedRelation], *, is_causal: bool
) -> list[list[tuple[int, Linked]]]:
    """For every sentence the query words with their expected keys, and along which relation each is."""
    found: list[list[tuple[int, Linked]]] = [[] for _ in suite.sentences]
    corpus = Corpus.of(suite.sentences)
    for index, (text, direction) in enumerate(tested):
        (relation,) = relation_query.parse(text, suite)
        labels = {
            (i, link.dependent, link.governor): link.relation
            for i, sentence in enumerate(suite.sentences)
            for link in reversed(sentence.links)  # of two labels of a pair the first is shown
            if not relation.labels or link.relation in relation.labels
        }
        for sentence, dependent, governor in relation.pairs(corpus).tolist():
            query, key = governor, dependent
            if direction == "dependent->governor":
                query, key = dependent, governor
            if not (is_causal and key > query):
                label = labels[sentence, dependent, governor]
                found[sentence].append((index, Linked(query=query, key=key, relation=label)))
    return found


def renumbered(found: Sequence[Candidate]) -> list[Candidate]:
    """The same with all links together, as if they were one relation."""
    return [replace(c, tested=(0,) * len(c.links)) for c in found]
