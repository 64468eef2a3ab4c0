"""Sentences with annotations, and the suites they come in.

A `Suite` is the data of every test: sentences split into words, with marks on single words
(a sense, a part of speech, any label), links between words (a dependency relation or a link of the
suite's own) and a group that says which sentences belong together (one source, document or
template) and so may never be split between fitting and scoring.

`headwise.read_suite` takes a TOML suite, a CoNLL-U treebank or a CoarseWSD-20 word folder.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar, overload

import pandas as pd

from headwise._files import write_text
from headwise._formatting import brief
from headwise._validate import as_path, as_tuple, check_counts
from headwise.errors import BadSuite

from ._toml_writer import toml_of
from .sentence import UPOS as UPOS
from .sentence import AnySentence as AnySentence
from .sentence import Link as Link
from .sentence import Mark as Mark
from .sentence import Pair as Pair
from .sentence import Sentence as Sentence
from .sentence import as_sentence

Item = TypeVar("Item", Sentence, Pair)


@dataclass(frozen=True)
class Suite:
    """Sentences for one question.

    Attributes:
        name: Short name, used in file names.
        question: The question in plain words.
        sentences: In the order of the file.
        labels: What each mark's label means.
        license: Licence of the data, or empty if the data do not say.
        path: File or folder that was read, as the user named it.
        sha256: Hash of what was read.
        about: How the sentences came about, in a sentence or two for a report's method.
        pairs: Minimal pairs; their sentences are among `sentences`, one after the other.
    """

    name: str
    question: str
    sentences: tuple[Sentence, ...]
    labels: dict[str, str] = field(default_factory=dict[str, str])
    license: str = ""
    path: str = ""
    sha256: str = ""
    about: str = ""
    pairs: tuple[Pair, ...] = ()

    @classmethod
    def from_texts(
        cls, texts: Iterable[str | Sentence], name: str = "texts", question: str = ""
    ) -> "Suite":
        """Plain sentences as a suite, each text its own group, without marks or links.

        Args:
            texts: The sentences, as texts or as `Sentence`.
            name: What the suite is called.
            question: The question in plain words.

        Raises:
            BadSuite: None was given, one without a word, or something else than sentences.
        """
        return cls(name, question, _sentences_of(texts))

    def __len__(self) -> int:
        return len(self.sentences)

    def __iter__(self) -> Iterator[Sentence]:
        return iter(self.sentences)

    @overload
    def __getitem__(self, index: int) -> Sentence: ...

    @overload
    def __getitem__(self, index: slice) -> "Suite": ...

    def __getitem__(self, index: int | slice) -> "Sentence | Suite":
        """A sentence, or some of them as a suite, with the pairs of which both sentences are among them."""
        if isinstance(index, int):
            return self.sentences[index]
        kept = self.sentences[index]
        texts = {(s.group, s.text) for s in kept}
        pairs = tuple(
            pair
            for pair in self.pairs
            if all((s.group, s.text) in texts for s in (pair.clean, pair.corrupted))
        )
        return replace(self, sentences=kept, pairs=pairs)

    def save(self, path: str | Path) -> Path:
        """Writes a `.toml` file that `read_suite` reads back: sentences, groups, marks, links, tags and pairs.

        Args:
            path: The file; one that is there is replaced once the new one is whole.

        Raises:
            BadSuite: The name does not end in .toml, or the format cannot hold the suite.
            HeadwiseError: The file cannot be written.
        """
        path = as_path(path)
        if path.suffix != ".toml":
            raise BadSuite(f"{path}: a suite is saved as .toml; give the file such a name.")
        return write_text(path, toml_of(self))

    def to_frame(self) -> pd.DataFrame:
        """One row per word: `sentence`, `group`, `split`, `word`, `text`, `tag`, `label`, `relation` and `governor` (of its first link)."""
        rows: list[dict[str, object]] = []
        for i, sentence in enumerate(self.sentences):
            labels = {mark.word: mark.label for mark in sentence.marks}
            links = {link.dependent: link for link in reversed(sentence.links)}
            for word, text in enumerate(sentence.words):
                link = links.get(word)
                rows.append(
                    {
                        "sentence": i,
                        "group": sentence.group,
                        "split": sentence.split,
                        "word": word,
                        "text": text,
                        "tag": sentence.tags[word] if sentence.tags else None,
                        "label": labels.get(word),
                        "relation": link.relation if link else None,
                        "governor": link.governor if link else None,
                    }
                )
        return pd.DataFrame(rows).astype({"governor": "Int64"})

    def __repr__(self) -> str:
        return f"Suite({self.name!r}, {len(self)} sentences, {len(self.groups)} groups)"

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in order of appearance."""
        return tuple(dict.fromkeys(sentence.group for sentence in self.sentences))

    @cached_property
    def relations(self) -> dict[str, int]:
        """How many links there are of each relation, most frequent first."""
        counts = Counter(link.relation for sentence in self.sentences for link in sentence.links)
        return dict(counts.most_common())

    @cached_property
    def has_own_split(self) -> bool:
        """Whether the data say which sentences to fit and which to score."""
        splits = {sentence.split for sentence in self.sentences}
        return splits == {"train", "test"}

    def sample_groups(self, n_groups: int, each: int | None = None) -> "Suite":
        """A small suite for smoke runs: about `n_groups` groups, spread over labels and splits.

        Args:
            n_groups: Groups.
            each: Most sentences, or pairs, of a group; all by default.
        """
        chosen = _spread(self.sentences, n_groups)
        if not self.pairs:
            kept = _first(self.sentences, chosen, each)
            return replace(self, sentences=kept)
        pairs = _first(self.pairs, chosen, each)
        own = {(s.group, s.text) for pair in pairs for s in (pair.clean, pair.corrupted)}
        sentences = tuple(s for s in self.sentences if (s.group, s.text) in own)
        return replace(self, sentences=sentences, pairs=pairs)

    def split(self, seed: int = 0) -> tuple["Suite", "Suite"]:
        """Two suites, to fit on one and to test on the other: the data's own parts, or half of the groups each.

        Groups of every kind (label of the first mark) are divided alike.

        Raises:
            BadSuite: There is one group only.
        """
        check_counts(seed=seed)
        if self.has_own_split:
            return self._of(lambda s: s.split == "train"), self._of(lambda s: s.split == "test")
        if len(self.groups) < 2:
            raise BadSuite(
                f"The suite {self.name!r} has {len(self.groups)} group, and groups are never divided; there must be two at least, and "
                "ten or more to say anything."
            )
        kinds: dict[str, list[str]] = {}
        firsts = {sentence.group: sentence for sentence in reversed(self.sentences)}
        for group in self.groups:
            marks = firsts[group].marks
            kinds.setdefault(marks[0].label if marks else "", []).append(group)
        draw = random.Random(seed)
        order = [group for groups in kinds.values() for group in draw.sample(groups, len(groups))]
        fitting = set(order[::2])
        return self._of(lambda s: s.group in fitting), self._of(lambda s: s.group not in fitting)

    def where(
        self, *, label: str | Iterable[str] | None = None, group: str | Iterable[str] = ""
    ) -> "Suite":
        """The sentences with a word of some label in groups of some name, and the pairs of which both sentences are among them.

        Args:
            label: One label or several, of which a sentence needs one; every sentence by default, also those without marks.
            group: How the name of the group begins, one beginning or several.

        Raises:
            BadSuite: There is no such sentence.
        """
        labels = None if label is None else set(as_tuple(label))
        beginnings = as_tuple(group)

        def chosen(sentence: Sentence) -> bool:
            fits = labels is None or any(mark.label in labels for mark in sentence.marks)
            return fits and sentence.group.startswith(beginnings)

        found = self._of(chosen)
        if not found.sentences:
            known = dict.fromkeys(mark.label for s in self.sentences for mark in s.marks)
            labelled = f" labelled {', '.join(sorted(labels))}" if labels else ""
            where = f" in a group whose name begins with {' or '.join(map(repr, beginnings))}" if any(beginnings) else ""  # fmt: skip
            raise BadSuite(
                f"The suite {self.name!r} has no sentence{labelled}{where}. Its labels are {', '.join(known) or 'none'}, its groups {', '.join(self.groups[:12])}"
                f"{f' and {len(self.groups) - 12} more' if len(self.groups) > 12 else ''}."
            )
        return found

    def _of(self, chosen: Callable[[Sentence], bool]) -> "Suite":
        """The sentences that satisfy a condition, and the pairs of which both do."""
        pairs = tuple(p for p in self.pairs if chosen(p.clean) and chosen(p.corrupted))
        return replace(self, sentences=tuple(filter(chosen, self.sentences)), pairs=pairs)


def as_suite(given: object) -> Suite:
    """A suite with a sentence or more, or one made of texts and sentences.

    Raises:
        BadSuite: It is none, it holds no sentence, or a text cannot be encoded.
    """
    if not isinstance(given, Suite):
        return Suite("texts", "", _sentences_of(given))
    if not given.sentences and not given.pairs:
        raise BadSuite(
            f"The suite {given.name!r} has no sentences, so there is nothing to test. Read a suite with headwise.read_suite(path), or choose others: "
            "suite[:0] and a condition that no sentence meets are empty."
        )
    return given


def _sentences_of(given: object) -> tuple[Sentence, ...]:
    """One text or several, or sentences.

    Raises:
        BadSuite: There is none, one without a word, or something else.
    """
    several: object = [given] if isinstance(given, str | Sentence) else given
    if not isinstance(several, Iterable):
        raise BadSuite(
            f"Sentences are given as a Suite or as a list of texts; got {type(given).__name__}. Read a suite with headwise.read_suite(path), "
            "or make one with Suite.from_texts([...])."
        )
    sentences = tuple(map(as_sentence, several))
    empty = [sentence.text for sentence in sentences if not sentence.words]
    if not sentences or empty:
        raise BadSuite(
            f"A suite is made of sentences with at least one word each; got {brief(empty[0]) if empty else 'none'}. Pass a list of texts."
        )
    return sentences


def _first(items: Iterable[Item], groups: set[str], each: int | None) -> tuple[Item, ...]:
    """The first of each group."""
    number = Counter[str]()
    kept: list[Item] = []
    for item in items:
        number[item.group] += 1
        if item.group in groups and (each is None or number[item.group] <= each):
            kept.append(item)
    return tuple(kept)


def _spread(sentences: Iterable[Sentence], n_groups: int) -> set[str]:
    """Names of groups drawn in turn from every kind of sentence (its label and split)."""
    kinds: dict[tuple[str | None, str | None], dict[str, None]] = {}
    for sentence in sentences:
        label = sentence.marks[0].label if sentence.marks else None
        kinds.setdefault((label, sentence.split), {})[sentence.group] = None
    queues = [list(groups) for groups in kinds.values()]
    chosen: dict[str, None] = {}
    for rank in range(max(map(len, queues), default=0)):
        for queue in queues:
            if rank < len(queue) and len(chosen) < n_groups:
                chosen[queue[rank]] = None
    return set(chosen)
