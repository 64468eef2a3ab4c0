"""Does tower become the one in Paris after Eiffel, and shrink after miniature?

Question: one word, *tower*, is told bare, after *Eiffel* and after *miniature Eiffel*. Does its vector move
towards Paris in the second, and from tall towards small in the third?

Method: two directions are fitted on sentences without any tower: from things elsewhere to things in Paris, and from small
things to tall ones (differences of class means at the end of the residual stream), without the words that tell of the towers. Whether they
are good for anything is seen on groups they were not fitted on. Then the same frames, told three ways, are measured along them, whole and head by
head. burrow is asked in its own English for what it says next (*The tower was in*), along differences of its unembedding.

    uv run analyses/eiffel_tower.py --model minilm
    headwise run eiffel_tower --model gpt2

Caveats: a word that moves along a direction moves along others, too; so the step is compared with random directions, with models that were
never trained, and with the same model under uniform attention.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

import headwise
from headwise import evidence
from headwise._formatting import MINUS, Verdict, percent
from headwise.data.unseen_words import enough, without_shared_words
from headwise.directions.contributions import DirectionTestResult, direction_tests
from headwise.report import sections
from headwise.report.schema import Column, Report, Section, Table
from headwise.report.sections import head_cards, head_details
from headwise.report.sections.examples import examples_shown
from headwise.stats.deciding import LEVEL, NO, SMALLEST, YES

SUITE = "eiffel_tower"
BURROW = "towers"
N_CONTROLS = 5  # models with random weights
QUESTION = "Does tower become the one in Paris after Eiffel, and shrink after miniature?"
# What is asked: the groups that are fitted, both ends of the direction, and which tower should lie ahead of which.
ASKED = {
    "place": (("paris", "elsewhere"), ("eiffel", "bare")),
    "size": (("tall", "small"), ("eiffel", "miniature")),
}
SPOKEN = {
    "place": ("Paris", ["Lisbon", "Chicago", "Moscow", "Tuscany"]),
    "size": ("tall", ["small"]),
}
TOLD = ("bare", "eiffel", "miniature")
PROJECTIONS = [
    Column(name="direction", title="Direction"),
    Column(name="told", title="Told"),
    Column(name="mean", title="Lies at", kind="number"),
    Column(name="low", title="from", kind="number", note="Lower end of the 95% interval over groups"),
    Column(name="high", title="to", kind="number"),
]  # fmt: skip
TESTS = [
    Column(name="direction", title="Direction"),
    Column(name="told", title="Told"),
    Column(name="effect", title="Step", kind="number"),
    Column(name="low", title="from", kind="number"),
    Column(name="high", title="to", kind="number"),
    Column(name="separated", title="Apart", kind="rate", note="How often one lies further ahead than the other; 50% is chance"),
    Column(name="cosine", title="Cosine", kind="number", note="Between the whole step and the direction"),
    Column(name="p", title="p", kind="number", note="Against shuffled labels"),
    Column(name="p_random", title="p random", kind="number", note="Against random directions that vary as the words do"),
    Column(name="t", title="t", kind="number"),
    Column(name="control_t", title="Control t", kind="number", note="The largest t of a model with random weights, along a direction of its own"),
    Column(name="uniform", title="Uniform", kind="number", note="The step in the same model with uniform attention"),
    Column(name="excess_p", title="p excess", kind="number", note="Of the excess over uniform attention, against shuffled labels"),
]  # fmt: skip


def analyse(
    model: headwise.Model, suite: headwise.Suite, *, seed: int = 0, smoke: bool = False
) -> Report:
    """Measures towers along two directions that were fitted without any."""
    if not {mark.label for s in suite.sentences for mark in s.marks} >= set(TOLD):
        raise headwise.HeadwiseError(
            f"This analysis needs sentences whose marked word is labelled {', '.join(TOLD)}; {suite.name!r} has others. "
            "probes/eiffel_tower.toml shows how it is written."
        )
    spoken = any(group.startswith("place ") for group in suite.groups)
    found: dict[str, DirectionTestResult] = {}
    others: list[DirectionTestResult] = []
    held_out: dict[str, DirectionTestResult | None] = {}
    n_controls = 1 if smoke else N_CONTROLS
    for name, (ends, asked) in ASKED.items():
        towers = _told(_part(suite, f"{name} " if spoken else "tower-"), asked)
        third = (asked[0], next(told for told in TOLD if told not in asked))
        fitted, left_out = None, 0
        if not spoken:
            whole = _part(suite, f"{name}-")
            fitted, left_out = without_shared_words(whole, towers)
            held_out[name] = _held_out(model, whole, ends, seed)
        fit = _fit(name, fitted, ends)
        (direction,) = fit(model)
        (found[name],) = direction_tests(
            model, towers, [([direction], asked)], refit=fit, n_controls=n_controls, left_out=left_out, seed=seed
        )  # fmt: skip
        rest = _told(_part(suite, f"{name} " if spoken else "tower-"), third)
        if all(direction.unseen(rest)):
            others.append(
                headwise.direction_test(model, rest, direction, third, n_traced=0, seed=seed)
            )
    results = [found["place"], found["size"]]
    said = evidence.whole_moves(results)
    verdict: Verdict = "inconclusive"
    if NO in said:
        verdict = "not supported"
    elif said == [YES, YES]:
        verdict = "supported"
    tests = [*results, *others, *(r for r in held_out.values() if r)]
    heads = evidence.moves(results)
    along = head_details.pushed_along(results)
    towers = _told(suite, TOLD)
    return Report(
        analysis="eiffel_tower",
        model=model.name,
        question=QUESTION,
        verdict=verdict,
        answer=_answer(model.name, verdict, found),
        controls=f"{evidence.controls_line(heads)} {_controls(results)}",
        sections=[
            Section(
                title="Results",
                tables=[
                    Table.of("steps", "Whole steps", _tests(tests), TESTS, caption="Lengths along the direction at the end of the stream. The last rows are "
                        "sentences about other things, on which the directions were not fitted: whether they are good for anything." if held_out else ""),
                    Table.of("projections", "Where towers lie", _projections([*results, *others]), PROJECTIONS, caption="Along each direction, as lengths."),
                ],
                findings=_not_found(results, held_out),
                method=[
                    *([suite.about] if suite.about else []),
                    *([] if spoken else ["Directions are fitted on groups about other things, told as tall and as small, and as in Paris and elsewhere, with the same frames and nouns on both sides; no tower among them."]),
                    f"Verdict: 'supported' if along both directions the step is at least {percent(SMALLEST)} of one of the direction, and further by as much than in the same model with uniform attention, with p below 5% (times two) "
                    "against shuffled labels, against random directions and of that excess, and a t larger than in every model with random weights; 'not supported' if one step lies within that much of zero (90% interval) or its interval ends "
                    "below zero; otherwise, and with fewer than 20 cases or 10 groups, 'inconclusive'.",
                ],
                references=[
                    "Kim et al. 2018, Interpretability beyond feature attribution: testing with concept activation vectors.",
                    "Park, Choe and Veitch 2024, The linear representation hypothesis and the geometry of large language models.",
                    "Elhage et al. 2021, A mathematical framework for transformer circuits.",
                ],
            ),
            sections.direction(results, "these groups" if not spoken else "no sentence at all (it is the difference of the words' unembeddings, each word by its first token)"),
        ],
        heads=head_cards.heads_section(model, heads, [along]),
        attention=examples_shown(model, towers, heads_first=head_cards.first(heads), seed=seed),
    )  # fmt: skip


def _fit(
    name: str, fitted: headwise.Suite | None, ends: tuple[str, str]
) -> Callable[[headwise.Model], list[headwise.Direction]]:
    """Fits a direction on a model; without sentences, of its unembedding."""

    def fit(model: headwise.Model) -> list[headwise.Direction]:
        if fitted is None:
            right, wrong = SPOKEN[name]
            return [headwise.directions.from_unembedding(model, right, wrong, inner="plain", first_token=True)]  # fmt: skip
        return [headwise.directions.from_classes(model, fitted, *ends, layer=model.n_layers)]

    return fit


def _held_out(
    model: headwise.Model, suite: headwise.Suite, ends: tuple[str, str], seed: int
) -> DirectionTestResult | None:
    """Whether a direction sets other things apart, told by other words than it was fitted on; None if too few are."""
    half, rest = suite.split(seed)
    half, _ = without_shared_words(half, rest)
    if not enough(half, ends):
        return None
    direction = headwise.directions.from_classes(model, half, *ends, layer=model.n_layers)
    return headwise.direction_test(model, rest, direction, n_traced=0, seed=seed)


def _told(suite: headwise.Suite, ways: Sequence[str]) -> headwise.Suite:
    """The sentences in which a tower is told in some ways."""
    kept = tuple(s for s in suite.sentences if any(mark.label in ways for mark in s.marks))
    return replace(suite, sentences=kept)


def _controls(results: Sequence[DirectionTestResult]) -> str:
    """What never-trained models and uniform attention come to."""
    said = [
        f"along {r.direction.name} t {r.whole['t']:.1f}, of {r.control.n_models} models with random weights at most {r.whole['control_t']:.1f}, step {r.whole['effect']:.2g}, under uniform attention {r.whole['uniform']:.2g}"
        for r in results
    ]
    return f"Whole steps: {'; '.join(said)}.".replace("-", MINUS)


def _part(suite: headwise.Suite, prefix: str) -> headwise.Suite:
    kept = tuple(s for s in suite.sentences if s.group.startswith(prefix))
    if not kept:
        raise headwise.HeadwiseError(
            f"This analysis needs groups whose names begin with {prefix!r}, and {suite.name!r} has none. "
            "probes/eiffel_tower.toml shows how it is written."
        )
    return replace(suite, sentences=kept)


def _answer(model: str, verdict: Verdict, found: dict[str, DirectionTestResult]) -> str:
    opening = {
        "supported": f"In {model} tower moves towards Paris after Eiffel, and from tall towards small after miniature",
        "not supported": f"In {model} tower does not move both towards Paris after Eiffel and towards small after miniature",
        "inconclusive": f"Whether tower moves towards Paris after Eiffel and towards small after miniature, more than it moves anyhow, cannot be told for {model}",
    }[verdict]
    said = [
        f"{what} {_step(found[name])}"
        for name, what in (
            ("place", "the Eiffel tower lies further towards Paris than a bare one in"),
            ("size", "a miniature lies further towards small than the Eiffel tower in"),
        )
    ]
    return f"{opening}: {said[0]}; {said[1]}."


def _step(result: DirectionTestResult) -> str:
    whole = result.whole
    return (
        f"{percent(whole['separated'])} of comparisons (step {whole['effect']:.2g} [{whole['low']:.2g}, {whole['high']:.2g}], cosine to the direction "
        f"{whole['cosine']:.2f}, p {whole['p']:.1g}; as long along a random direction with p {whole['p_random']:.2g})"
    ).replace("-", MINUS)


def _tests(results: Sequence[DirectionTestResult]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"direction": r.direction.name, "told": " against ".join(r.between)} | r.whole
            for r in results
        ]
    )


def _projections(results: Sequence[DirectionTestResult]) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for result in results:
        last = result.trajectory[result.trajectory["layer"] == result.direction.layer]
        rows += [
            {"direction": result.direction.name, "told": row.label, "mean": row.mean_, "low": row.low, "high": row.high}
            for row in last.rename(columns={"mean": "mean_"}).itertuples()
            if row.label != "difference"
        ]  # fmt: skip
    table = pd.DataFrame(rows).drop_duplicates(["direction", "told"])
    return table.sort_values(["direction", "told"])


def _not_found(
    results: Sequence[DirectionTestResult], held_out: dict[str, DirectionTestResult | None]
) -> list[str]:
    lines = [
        f"Along {result.direction.name}, heads that push {result.between[0]} ahead of {result.between[1]} by every test and beyond every control: {', '.join(result.pushing) or 'none'}."
        for result in results
    ]
    for result in results:
        if result.whole["p_random"] >= LEVEL:
            lines.append(
                f"Along {result.direction.name} the step is no longer than along many random directions in which such words vary (p "
                f"{result.whole['p_random']:.2g}): the word moves, and not along this direction above all."
            )
    for name, result in held_out.items():
        if result is None:
            lines.append(
                f"Whether the direction of {name} sets other things apart could not be tested: half of its groups is told by the words of the other half."
            )
        elif result.whole["p"] >= LEVEL or result.whole["low"] <= 0:
            lines.append(
                f"The direction of {name} does not set other things apart on which it was not fitted, so little can be said with it."
            )
    start = [r.trajectory[(r.trajectory["layer"] == 0) & (r.trajectory["label"] == "difference")].iloc[0] for r in results]  # fmt: skip
    apart = [
        r.direction.name
        for r, row in zip(results, start, strict=True)
        if row["low"] > 0 or row["high"] < 0
    ]
    lines.append(
        f"At layer 0, before any attention, towers are {'apart already along ' + ', '.join(apart) + ', by their place in the sentence alone' if apart else 'at one point along both directions, but for their place in the sentence'}."
    )
    return lines


if __name__ == "__main__":
    from headwise.cli.main import script

    script(__file__)
