"""Dependency trees for the sentences that the grammar writes, in Universal Dependencies.

The grammar writes plain clauses, so their trees follow from the parts of speech by a few rules: a
recursive descent that takes each construction where it must stand and refuses anything else. It is
no parser of English. Time is linear in words.

Reference: de Marneffe, Manning, Nivre and Zeman 2021, Universal Dependencies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from headwise.errors import HeadwiseError

HAVE = frozenset(("had", "has", "have"))
BE = frozenset(("was", "were", "is", "are", "been", "be"))
POSSESSIVE = frozenset(("his", "her", "its", "their"))
TIMES = frozenset(
    ("hour", "morning", "afternoon", "evening", "night", "day", "week", "month", "year")
)
RELATIVE = frozenset(("that", "who", "which"))


@dataclass(frozen=True, slots=True)
class Tree:
    """Heads and relations of one sentence.

    Attributes:
        heads: For each word the position of its head, -1 for the root.
        relations: For each word its relation to the head, `root` for the root.
        tags: Parts of speech, corrected where only syntax can tell (*had* as a verb of its own).
    """

    heads: tuple[int, ...]
    relations: tuple[str, ...]
    tags: tuple[str, ...]


def tree_of(words: Sequence[str], tags: Sequence[str]) -> Tree:
    """The tree of one sentence.

    Raises:
        HeadwiseError: The sentence is not of the kind that the grammar writes.
    """
    return _Descent([word.lower() for word in words], list(tags)).sentence()


@dataclass(slots=True)
class _Descent:
    words: list[str]
    tags: list[str]
    at: int = 0
    heads: list[int] = field(default_factory=list[int])
    relations: list[str] = field(default_factory=list[str])

    def sentence(self) -> Tree:
        self.heads = [-2] * len(self.words)
        self.relations = [""] * len(self.words)
        root = self.clause()
        self._attach(root, -1, "root")
        while self.at < len(self.words) and self._tag() == "PUNCT":
            self._attach(self._next(), root, "punct")
        if self.at < len(self.words) or -2 in self.heads:
            raise self._fail()
        return Tree(tuple(self.heads), tuple(self.relations), tuple(self.tags))

    def _fail(self) -> HeadwiseError:
        place = self.at if self.at < len(self.words) else self.heads.index(-2)
        tagged = " ".join(f"{w}/{t}" for w, t in zip(self.words, self.tags, strict=True))
        return HeadwiseError(f"No rule for word {place} of: {tagged}")

    def _tag(self, ahead: int = 0) -> str:
        return self.tags[self.at + ahead] if self.at + ahead < len(self.tags) else ""

    def _word(self, ahead: int = 0) -> str:
        return self.words[self.at + ahead] if self.at + ahead < len(self.words) else ""

    def _next(self) -> int:
        self.at += 1
        return self.at - 1

    def _attach(self, word: int, head: int, relation: str) -> None:
        if self.heads[word] != -2:
            raise self._fail()
        self.heads[word], self.relations[word] = head, relation

    def _at_nominal(self) -> bool:
        tag = self._tag()
        if tag in ("DET", "NOUN", "PROPN", "NUM"):
            return True
        if tag == "PRON":
            return True
        return tag == "ADJ" and self._after_adjectives() == "NOUN"

    def _after_adjectives(self) -> str:
        ahead = 0
        while self._tag(ahead) in ("ADJ", "ADV"):
            ahead += 1
        return self._tag(ahead)

    def nominal(self) -> int:
        """A noun phrase, with coordination; returns its head."""
        head = self._phrase()
        while True:
            if self._word() == "of" and self._tag() == "ADP":
                case = self._next()
                inner = self._phrase()
                self._attach(case, inner, "case")
                self._attach(inner, head, "nmod")
            elif self._tag() == "PUNCT" and self._word() == "," and self._list_goes_on():
                comma = self._next()
                other = self._phrase()
                self._attach(comma, other, "punct")
                self._attach(other, head, "conj")
            elif self._tag() == "CCONJ" and self._nominal_after_conjunction():
                conjunction = self._next()
                other = self._phrase()
                self._attach(conjunction, other, "cc")
                self._attach(other, head, "conj")
            else:
                return head

    def _list_goes_on(self) -> bool:
        return self._tag(1) == "PROPN" and self._tag(2) in ("PUNCT", "CCONJ")

    def _nominal_after_conjunction(self) -> bool:
        return self._tag(1) in ("DET", "PROPN", "NUM", "NOUN") or self._word(1) in POSSESSIVE

    def _phrase(self) -> int:
        """One noun phrase without coordination."""
        before: list[tuple[int, str]] = []
        while True:
            tag, word = self._tag(), self._word()
            if tag == "DET":
                before.append((self._next(), "det"))
            elif tag == "PRON" and word in POSSESSIVE and self._owns_something():
                before.append((self._next(), "nmod:poss"))
            elif tag == "NUM":
                before.append((self._next(), "nummod"))
            elif tag == "ADV" and self._after_adjectives() == "NOUN":
                adverb, adjective = self._next(), self.at
                self._attach(adverb, adjective, "advmod")
            elif tag == "ADJ":
                if self._after_adjectives() not in ("NOUN", "PROPN"):
                    break
                before.append((self._next(), "amod"))
            else:
                break
        if self._tag() == "PROPN":
            head = self._names()
        elif self._tag() in ("NOUN", "PRON") or (self._tag() == "ADJ" and before):
            head = self._next()
            while self._tag() == "NOUN" and self.tags[head] == "NOUN":
                self._attach(head, self.at, "compound")
                head = self._next()
        else:
            raise self._fail()
        for word, relation in before:
            self._attach(word, head, relation)
        if self.tags[head] == "ADJ" and self._word() == "to" and self._tag(1) == "VERB":
            mark = self._next()
            verb = self._next()
            self.tags[mark] = "PART"
            self._attach(mark, verb, "mark")
            self._attach(verb, head, "acl")
        return head

    def _owns_something(self) -> bool:
        ahead = 1
        while self._tag(ahead) in ("ADJ", "ADV"):
            ahead += 1
        return self._tag(ahead) == "NOUN"

    def _names(self) -> int:
        first = self._next()
        rest: list[int] = []
        while self._tag() == "PROPN":
            rest.append(self._next())
        if self._tag() == "NOUN":  # the Eiffel tower
            head = self._next()
            for name in (first, *rest):
                self._attach(name, head, "compound")
            return head
        for name in rest:
            self._attach(name, first, "flat")
        if self._tag() == "DET" and self._tag(1) == "NOUN" and self._tag(2) == "PUNCT":
            self._attach(self._phrase(), first, "appos")  # Harry the prince
        return first

    def clause(self) -> int:
        """Subject, predicate and all that belongs to them; returns the predicate."""
        loose: list[tuple[int, str]] = []
        while True:
            tag = self._tag()
            if tag == "ADV":
                loose.append((self._next(), "advmod"))
            elif tag == "ADP":
                loose.append((self._prepositional(), "obl"))
            elif tag == "PUNCT" and loose:
                loose.append((self._next(), "punct"))
            elif tag == "CCONJ" and not loose:
                loose.append((self._next(), "cc"))
            else:
                break
        if self._word() == "there" and self._tag() == "PRON":
            return self._existential(loose)
        if self._word() == "came" and self._tag() == "VERB":  # then came Harry Potter
            verb = self._next()
            self._attach(self.nominal(), verb, "nsubj")
            return self._settle(verb, loose)
        subject = self.nominal()
        while self._tag() in ("ADP", "PRON") and (self._tag() == "ADP" or self._word() in RELATIVE):
            if self._tag() == "ADP":
                self._attach(self._prepositional(), subject, "nmod")
            else:
                self._relative(subject)
        verb, passive = self.predicate()
        self._attach(subject, verb, "nsubj:pass" if passive else "nsubj")
        self._settle(verb, loose)
        while self._tag() == "CCONJ":
            conjunction = self._next()
            other, _ = self.predicate()
            self._attach(conjunction, other, "cc")
            self._attach(other, verb, "conj")
        return verb

    def _settle(self, verb: int, loose: list[tuple[int, str]]) -> int:
        for word, relation in loose:
            self._attach(word, verb, relation)
        return verb

    def _existential(self, loose: list[tuple[int, str]]) -> int:
        expletive = self._next()
        verb = self._next()
        self.tags[verb] = "VERB"
        self._attach(expletive, verb, "expl")
        self._attach(self.nominal(), verb, "nsubj")
        self._after_verb(verb)
        return self._settle(verb, loose)

    def _relative(self, noun: int) -> None:
        pronoun = self._next()
        verb, passive = self.predicate(in_relative=True)
        self._attach(pronoun, verb, "nsubj:pass" if passive else "nsubj")
        self._attach(verb, noun, "acl:relcl")

    def _prepositional(self) -> int:
        cases = [self._next()]
        while self._tag() == "ADP":
            cases.append(self._next())
        head = self.nominal()
        for case in cases:
            self._attach(case, head, "case")
        return head

    def predicate(self, *, in_relative: bool = False) -> tuple[int, bool]:
        """Auxiliaries, the verb or what stands in its place, and what follows; whether it is passive."""
        auxiliaries: list[int] = []
        adverbs: list[int] = []
        while self._tag() in ("AUX", "ADV", "PART"):
            (auxiliaries if self._tag() == "AUX" else adverbs).append(self._next())
        if self._tag() == "VERB":
            head = self._next()
            passive = bool(auxiliaries) and self.words[auxiliaries[-1]] in BE
            roles = ["aux"] * len(auxiliaries)
            if passive:
                roles[-1] = "aux:pass"
        elif auxiliaries and self.words[auxiliaries[-1]] in HAVE:
            head, passive = auxiliaries.pop(), False
            self.tags[head] = "VERB"
            roles = ["aux"] * len(auxiliaries)
        elif auxiliaries:
            passive, head = False, self._complement(adverbs)
            roles = ["aux"] * (len(auxiliaries) - 1) + ["cop"]
        else:
            raise self._fail()
        for auxiliary, role in zip(auxiliaries, roles, strict=True):
            self._attach(auxiliary, head, role)
        for adverb in adverbs:
            self._attach(adverb, head, "advmod")
        self._after_verb(head, in_relative=in_relative)
        return head, passive

    def _complement(self, adverbs: list[int]) -> int:
        """What a copula links to: an adjective, a noun phrase or a place."""
        if self._tag() == "ADJ" and not self._at_nominal():
            head = self._next()
            if self._tag() == "CCONJ" and self._tag(1) == "ADJ" and self._tag(2) != "NOUN":
                conjunction, other = self._next(), self._next()
                self._attach(conjunction, other, "cc")
                self._attach(other, head, "conj")
            return head
        if self._tag() == "ADP":
            return self._prepositional()
        if adverbs and (self._word(1) in TIMES or not self._at_nominal()):  # was away that night
            return adverbs.pop()
        if self._at_nominal():
            return self.nominal()
        raise self._fail()

    def _after_verb(self, verb: int, *, in_relative: bool = False) -> None:
        has_object = self.tags[verb] != "VERB"
        while True:
            tag = self._tag()
            if tag == "SCONJ" and not in_relative:
                mark = self._next()
                inner = self.clause()
                self._attach(mark, inner, "mark")
                self._attach(inner, verb, "ccomp" if self.words[mark] == "that" else "advcl")
            elif tag == "ADP":
                self._attach(self._prepositional(), verb, "obl")
            elif tag == "ADV":
                self._attach(self._next(), verb, "advmod")
            elif tag == "ADJ" and not self._at_nominal():
                self._attach(self._next(), verb, "xcomp")
            elif self._at_nominal() and not (tag == "PRON" and self._word() in RELATIVE):
                noun = self.nominal()
                is_time = self.words[noun] in TIMES
                if has_object and not is_time:
                    raise self._fail()
                self._attach(noun, verb, "obl:tmod" if is_time else "obj")
                has_object = has_object or not is_time
            else:
                return
