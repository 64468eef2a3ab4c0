"""A hypothesis on a model: each kind of evidence that it names, and the report of all of them.

Verdict on the whole: where attention and ablation are both tested, by the verdicts on single heads (`evidence.VERDICT_RULE`); else a head supports the claim if
every tested kind is a yes for it, and contradicts it if one is a no. The claim is supported if a head supports it, not supported if every head
contradicts it, and inconclusive otherwise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from headwise import evidence
from headwise._formatting import MINUS, Verdict
from headwise.attention import relation_query
from headwise.attention.questions import DIRECTIONS
from headwise.attention.relations import relation_test
from headwise.data.suite import Suite
from headwise.directions.ov_alignment import ov_alignment_test
from headwise.errors import HeadwiseError
from headwise.evidence.together import written
from headwise.interventions import metrics as measures
from headwise.interventions.ablation import METHODS, ablate
from headwise.interventions.prompts import that_fit
from headwise.interventions.steering.one_vs_rest import towards_each
from headwise.model.model import Model
from headwise.probing.classifiers import Logistic
from headwise.probing.experiment import probe
from headwise.report import sections
from headwise.report.schema import Report, Section
from headwise.stats.deciding import of_interest

from .file import HypothesisFile

CONTRADICTING = ("refuted", "attends without mattering", "matters without attending")
RULE = (
    "Verdict on the claim: supported if one head supports it, not supported if every head contradicts it, inconclusive otherwise. Where attention and ablation are both tested, a head supports the claim if its verdict "
    "is supported, and contradicts it if it is refuted, attends without mattering or matters without attending; else it supports the claim if every tested kind of evidence is a yes, and contradicts it if one is a no."
)  # fmt: skip
OPENINGS: dict[Verdict, str] = {
    "supported": "{claim}: this is supported in {model}.",
    "not supported": "{claim}: this is not supported, as every head of {model} contradicts it.",
    "inconclusive": "{claim}: whether this holds in {model} is inconclusive.",
}


@dataclass(frozen=True)
class Question:
    """A hypothesis, with the sentences in which one model is to be tested.

    Attributes:
        file: The hypothesis.
        suites: Sentences of each tested kind: `looks`, `carries` and `moves`; `matters` has minimal pairs.
        seed: Fixes every figure.
        smoke: Whether to use few controls, to see that everything runs.
    """

    file: HypothesisFile
    suites: Mapping[str, Suite]
    seed: int = 0
    smoke: bool = False

    @property
    def n_null(self) -> int:
        """Never-trained models of the controls."""
        return 1 if self.smoke else evidence.N_RANDOM


@dataclass
class Found:
    """What was found so far.

    Attributes:
        heads: Evidence on every head, by kind.
        sections: Of the report.
        untested: Kinds that could not be tested.
    """

    heads: list[pd.DataFrame] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    untested: list[str] = field(default_factory=list)


def check(question: Question) -> None:
    """Makes sure that sentences have what each kind of evidence reads in them, before anything is computed.

    Raises:
        HeadwiseError: They lack it: a relation, marks with two labels, the labels named, or minimal pairs.
    """
    file, suites = question.file, question.suites
    if file.looks:
        relation_query.parse(file.looks.relation, suites["looks"])
    for kind in ("carries", "moves"):
        if kind in suites and not (file.moves and kind == "moves" and file.moves.how == "ov"):
            _check_labels(file, kind, suites[kind])
    if file.moves and file.moves.how == "ov":
        relation_query.parse(_linked(file), suites["moves"])
    if file.matters:
        if not suites["matters"].pairs:
            raise HeadwiseError(
                f"[matters] needs minimal pairs, and {suites['matters'].name!r} has none. Name a suite of pairs, as pairs = 'gender_pairs', or give the sentences pairs (docs/suites.md)."
            )
        for name in file.matters.metrics:
            if name not in measures.METRICS:
                raise HeadwiseError(f"[matters] metrics: unknown metric {name!r}; known are {', '.join(measures.METRICS)}.")  # fmt: skip


def _check_labels(file: HypothesisFile, kind: str, suite: Suite) -> None:
    carries = file.carries if kind == "carries" else None
    if carries and isinstance(carries.at, str) and carries.at not in suite.relations:
        raise HeadwiseError(f"[carries] at = {carries.at!r} is no relation of {suite.name!r}; it has {', '.join(suite.relations) or 'none'}.")  # fmt: skip
    if carries and carries.label == "part of speech":
        if not any(sentence.tags for sentence in suite):
            raise HeadwiseError(f"[carries] reads parts of speech, and {suite.name!r} has no tags.")
        return
    known = {mark.label for sentence in suite for mark in sentence.marks}
    wanted = set(carries.labels) if carries else set[str]()
    if lacking := sorted(wanted - known):
        raise HeadwiseError(f"[{kind}] names the label {lacking[0]!r}, which no mark of {suite.name!r} has; it has {', '.join(sorted(known)) or 'no marks'}.")  # fmt: skip
    if len(wanted or known) < 2:
        raise HeadwiseError(
            f"[{kind}] needs words marked with at least two labels, and {suite.name!r} has {f'one, {min(known)!r}' if known else 'no marks'}. Mark words as [word|label] (docs/suites.md)."
        )


def report_on(model: Model, question: Question, on_record: str) -> Report:
    """Tests every kind of evidence and writes it up.

    Args:
        model: The model.
        question: What is tested, already checked.
        on_record: Whether the claim was registered, in a sentence.

    Raises:
        HeadwiseError: No kind could be tested.
    """
    file, found = question.file, Found()
    with of_interest(file.smallest):
        for kind in file.kinds:
            try:
                heads, section = TESTS[kind](model, question)
            except HeadwiseError as error:
                if len(file.kinds) == 1:
                    raise
                found.untested.append(kind)
                found.sections.append(sections.untested(f"Evidence: {kind}", error))
                continue
            found.heads.append(heads)
            found.sections.append(section)
        if not found.heads:
            raise HeadwiseError(" ".join(s.findings[0] for s in found.sections))
        heads = evidence.judge_all(evidence.side_by_side(found.heads))
        verdict = verdict_on(heads, found.untested)
        together = sections.evidence(heads)
        together = together.model_copy(update={"method": [*together.method, RULE]})
        return sections.compose(
            model,
            analysis=file.name,
            question=file.question,
            verdict=verdict,
            answer=_answer(file, heads, verdict, model.name),
            controls=f"{evidence.controls_line(heads)} {on_record}".strip(),
            sections=[*found.sections, together, Section(title="Registration", findings=[on_record])],
            suite=next(iter(question.suites.values())),
            heads=heads,
            relations=[(file.looks.relation, file.looks.order)] if file.looks and "looks" in heads else [],
            seed=question.seed,
        )  # fmt: skip


def verdict_on(heads: pd.DataFrame, untested: list[str]) -> Verdict:
    """The verdict on the claim, by `RULE`; a kind that could not be tested leaves it inconclusive unless every head is contradicted."""
    tested = [kind for kind in evidence.KINDS if kind in heads]
    if {"looks", "matters"} <= set(tested):
        for_it = (heads["verdict"] == "supported").to_numpy()
        against = heads["verdict"].isin(CONTRADICTING).to_numpy()
    else:
        answers = heads[tested].to_numpy()
        for_it, against = (answers == evidence.YES).all(axis=1), (answers == evidence.NO).any(axis=1)  # fmt: skip
    if for_it.any() and not untested:
        return "supported"
    return "not supported" if against.all() else "inconclusive"


def _answer(file: HypothesisFile, heads: pd.DataFrame, verdict: Verdict, model: str) -> str:
    tested = [kind for kind in evidence.KINDS if kind in heads]
    lines = [OPENINGS[verdict].format(model=model, claim=file.claim.rstrip(". "))]
    lines += [_most_promising(kind, heads) for kind in tested]
    return " ".join([*lines, evidence.summary(heads)]).rstrip()


def _most_promising(kind: str, heads: pd.DataFrame) -> str:
    """The best head by one kind of evidence, and the smallest effect that would have been found."""
    rule = evidence.rule_of(kind, heads)
    effects = heads[f"{kind}_effect"].to_numpy(float)
    if np.isnan(effects).all():
        return f"{kind.capitalize()}: nothing could be measured."
    is_yes = (heads[kind] == evidence.YES).to_numpy()
    best = int(np.lexsort((np.nan_to_num(effects, nan=-np.inf), is_yes))[-1])
    value, low, high, p, least = (
        float(heads[f"{kind}_{name}"].to_numpy(float)[best])
        for name in ("effect", "low", "high", "p", "detectable")
    )
    interval = f"[{written(low, rule.unit)}, {written(high, rule.unit)}]".replace(" points", "")
    power = (
        f"{written(least, rule.unit).removeprefix('+')} would have been found in 80% of samples like this"
        if np.isfinite(least)
        else "no effect, however large, would have been found in 80% of samples like this"
    )
    answer = str(heads[kind].to_numpy()[best])
    known = "" if np.isnan(p) else f", p {p:.2g}"
    seen = "" if answer == evidence.YES else f"; {power}"
    return f"{kind.capitalize()}: {answer} for the most promising head, {heads['name'].to_numpy()[best]}, {written(value, rule.unit)} {interval}{known}{seen}.".replace(" -", f" {MINUS}")  # fmt: skip


def _looks(model: Model, question: Question) -> tuple[pd.DataFrame, Section]:
    asked, suite = question.file.looks, question.suites["looks"]
    assert asked is not None
    result = relation_test(
        model, suite, asked.relation, seed=question.seed, n_null=question.n_null,
        n_splits=4 if question.smoke else evidence.N_SPLITS,
    )  # fmt: skip
    orders = [order for order in result.relations[0].directions if order in DIRECTIONS]
    if asked.order not in orders:
        raise HeadwiseError(f"[looks] order = {asked.order!r} cannot be tested along {asked.relation!r}.")  # fmt: skip
    return evidence.looks(result, asked.order), sections.attention(result, suite)


def _carries(model: Model, question: Question) -> tuple[pd.DataFrame, Section]:
    asked, suite = question.file.carries, question.suites["carries"]
    assert asked is not None
    read = probe(
        model, suite, asked.label, labels=asked.labels or None, sites="z", positions=asked.at,
        classifiers=asked.classifier, folds=3 if question.smoke else 5,
        draws=1 if question.smoke else evidence.N_DRAWS, seed=question.seed,
        rare_labels="drop" if asked.label == "part of speech" else "refuse",
        n_null=1 if question.smoke else evidence.N_RANDOM_PROBED,
        logistic=Logistic(C=(0.1,)) if question.smoke else None,
    )  # fmt: skip
    kind = "label" if asked.label == "mark" else asked.label
    return evidence.carries(read, asked.classifier), sections.probing(read, model, suite, kind=kind)


def _matters(model: Model, question: Question) -> tuple[pd.DataFrame, Section]:
    asked = question.file.matters
    assert asked is not None
    pairs = that_fit(model, question.suites["matters"])
    if len(pairs.groups) < 2:
        raise HeadwiseError(f"fewer than two groups of the pairs of {pairs.name!r} fit into the context of {model.name}.")  # fmt: skip
    result = ablate(
        model, pairs, method=asked.methods or METHODS, metrics=asked.metrics or None,
        seed=question.seed,
    )  # fmt: skip
    return evidence.matters(result), sections.ablation(result)


def _moves(model: Model, question: Question) -> tuple[pd.DataFrame, Section]:
    asked, suite = question.file.moves, question.suites["moves"]
    assert asked is not None
    if asked.how == "ov":
        aligned = ov_alignment_test(
            model, suite, _linked(question.file), seed=question.seed, n_null=question.n_null
        )
        return evidence.collects(aligned), sections.ov_alignment(aligned, suite)
    fitted, tested = suite.split(question.seed)
    moved = towards_each(model, fitted, tested, question.seed, n_null=question.n_null)
    if not moved:
        raise HeadwiseError(f"no label of {suite.name!r} has two words in both halves of its groups.")  # fmt: skip
    return evidence.moves(moved), sections.direction(moved, suite.name)


def _linked(file: HypothesisFile) -> str:
    assert file.moves is not None
    return file.moves.relation or (file.looks.relation if file.looks else "")


Test = Callable[[Model, Question], tuple[pd.DataFrame, Section]]
TESTS: dict[str, Test] = {"looks": _looks, "carries": _carries, "matters": _matters, "moves": _moves}  # fmt: skip
