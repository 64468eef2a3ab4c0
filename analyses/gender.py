"""Is the step from man to woman one direction, from king to queen as from uncle to aunt and from actor to actress?

Question: the words of a pair such as *king* and *queen* differ in one respect. Is the step between them the same in
other pairs of its field, in families and at work?

Method: the mean step of royal pairs is a direction, at every layer. Royal pairs that it was not fitted on (each is left out in
turn), families and occupations are measured along it: how often the step goes the right way, how far, and at what angle.
The layer is the one at which left-out royal pairs lie closest to it, so that the other fields have no part in choosing it. Then every
head's and MLP's push along it is measured, and, where the model says what comes next, the step is added to a person and
it is seen whether another pronoun follows.

    uv run analyses/gender.py --model minilm
    headwise run gender --model burrow

Caveats: a direction that sets words apart is not thereby used; and what is called male or female here is a word's form, not a person.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

import headwise
from headwise import evidence
from headwise._formatting import MINUS, Verdict, percent
from headwise.cli import discovery
from headwise.data.suite import Mark, Pair, Sentence
from headwise.directions.contributions import DirectionTestResult
from headwise.directions.transfer import TransferTestResult, transfer_test
from headwise.interventions.prompts import how_it_speaks, that_fit
from headwise.interventions.steering.steering import SteerResult
from headwise.report import sections
from headwise.report.schema import Column, Lines, Report, Section, Series, Table
from headwise.report.sections import head_cards, head_details
from headwise.report.sections.examples import examples_shown
from headwise.stats.deciding import LEVEL, MIN_CASES, MIN_CLUSTERS, NO, SMALLEST, YES

SUITE = "gender_steps"
BURROW_PAIRS = "gender"
QUESTION = "Is the step from man to woman one direction, from king to queen as from uncle to aunt?"
SOURCE = "royalty"
N_CONTROLS = 5  # models with random weights
HE = ("he", "him", "his", "himself")
# Of burrow's English: what field a noun is of; names are a field of their own, and all else is work.
ROYAL = ("king", "queen", "prince", "princess", "duke", "duchess", "emperor", "empress", "count", "countess", "baron", "baroness", "lord", "lady")  # fmt: skip
FAMILY = ("father", "mother", "brother", "sister", "uncle", "aunt", "son", "daughter", "nephew", "niece", "husband", "wife",
          "grandfather", "grandmother", "grandson", "granddaughter", "groom", "bride", "widower", "widow", "bridegroom")  # fmt: skip
COLUMNS = [
    Column(name="layer", title="Layer", kind="integer"),
    Column(name="field", title="Field"),
    Column(name="words", title="Word pairs", kind="integer"),
    Column(name="right", title="Right way", kind="rate", note="How often the step goes the way of the royal one; 50% is chance"),
    Column(name="right_low", title="from", kind="rate"),
    Column(name="right_high", title="to", kind="rate"),
    Column(name="step", title="Step", kind="number", note="In royal steps"),
    Column(name="step_low", title="from", kind="number", note="Lower end of the 95% interval over word pairs"),
    Column(name="step_high", title="to", kind="number"),
    Column(name="cosine", title="Cosine", kind="number", note="Mean, to the royal step"),
    Column(name="p_fwer", title="p", kind="number", note="Sign-flip test over word pairs; over all layers and fields"),
    Column(name="t", title="t", kind="number"),
    Column(name="control_t", title="Control t", kind="number", note="The largest t of any field at any layer of models with random weights"),
    Column(name="uniform", title="Uniform", kind="number", note="Step in the same model with uniform attention"),
    Column(name="excess_p_fwer", title="p excess", kind="number", note="Of what the step has beyond that, as p"),
    Column(name="p_random", title="p random", kind="number", note="Share of random directions along which the mean step is as long"),
]  # fmt: skip


def analyse(
    model: headwise.Model, suite: headwise.Suite, *, seed: int = 0, smoke: bool = False
) -> Report:
    """Measures steps between the words of pairs along the step of royal ones."""
    if not suite.pairs:
        raise headwise.HeadwiseError(
            f"This analysis needs minimal pairs, and {suite.name!r} has none. Name a suite with pairs = [...] and groups named "
            f"'{SOURCE}-...' and others; probes/gender_steps.toml shows how it is written."
        )
    told = [{mark.label for mark in sentence.marks} for sentence in suite.sentences]
    if all("person" in labels for labels in told):
        suite = _of_burrow(suite)
    elif not all(labels & {"male", "female"} for labels in told):
        raise headwise.HeadwiseError(
            f"This analysis needs pairs whose marked words are labelled male and female, and {suite.name!r} has others. "
            "probes/gender_steps.toml shows how it is written."
        )
    suite = that_fit(model, suite)
    found = transfer_test(model, suite, SOURCE, seed=seed)
    others = _of_fields(suite, lambda field: field != SOURCE)
    pushed = None
    if found.layer:
        royal = _of_fields(suite, lambda field: field == SOURCE)
        pushed = headwise.direction_test(
            model, others, found.direction, between=("male", "female"), n_null=1 if smoke else N_CONTROLS, seed=seed,
            refit=lambda twin: [headwise.directions.from_pairs(twin, royal, layer=found.layer)],
        )  # fmt: skip
    steered = _steered(model, suite, found, smoke=smoke, seed=seed)
    heads = evidence.moves([pushed]) if pushed else None
    along = [head_details.pushed_along([pushed])] if pushed else []
    first = [] if heads is None else head_cards.first(heads)
    said = [found.said(field) for field in found.fields[1:]]
    verdict: Verdict = "inconclusive"
    if NO in said:
        verdict = "not supported"
    elif set(said) == {YES}:
        verdict = "supported"
    return Report(
        analysis="gender",
        model=model.name,
        question=QUESTION,
        verdict=verdict,
        answer=_answer(found, verdict),
        controls=" ".join([*([evidence.controls_line(heads)] if heads is not None else []), _controls(found)]),
        sections=[
            Section(
                title="Results",
                figures=[
                    _lines(found),
                ],
                tables=[
                    Table.of("transfer", "Every field, layer by layer", found.table, COLUMNS, folded=True,
                             caption=f"Steps from the woman's to the man's word along the mean step of {SOURCE} pairs; of {SOURCE} itself, of pairs that it was not fitted on."),
                ],
                findings=_not_found(found, pushed, steered),
                method=[
                    *([suite.about] if suite.about else []),
                    f"Words of a pair stand in the same sentence. A step is the difference of their vectors (means over pieces) in the residual stream; the direction is the mean step of "
                    f"{found.n_pairs[SOURCE]} {SOURCE} word pairs. A pair of {SOURCE} is measured along the mean of the others. The layer, {found.layer}, is that at which these have the largest mean cosine. "
                    f"Intervals are t intervals over word pairs (of shares, Wilson's); p flips the signs of whole word pairs, the largest of all layers and fields. Random directions vary as the words do, within men and within women. "
                    f"{found.n_null} models with random weights, and the model with uniform attention, are measured along royal steps of their own.",
                    f"Verdict: 'supported' if in every other field the mean step along the direction is at least {percent(SMALLEST)} of a royal step, and by as much longer than with uniform attention; p of both is below 5%, no more than 5% of random directions do as much, and its t "
                    f"is larger than that of any field in the models with random weights. 'not supported' if one step lies within {percent(SMALLEST)} of zero; otherwise, and with fewer than {MIN_CASES} pairs of sentences or {MIN_CLUSTERS} word pairs of a field, 'inconclusive'.",
                ],
                references=[
                    "Mikolov, Yih and Zweig 2013, Linguistic regularities in continuous space word representations.",
                    "Bolukbasi, Chang, Zou, Saligrama and Kalai 2016, Man is to computer programmer as woman is to homemaker?",
                    "Rimsky et al. 2024, Steering Llama 2 via contrastive activation addition.",
                ],
            ),
            *([sections.direction([pushed], f"{SOURCE} pairs")] if pushed else []),
            *([section] if (section := sections.steering([steered] if steered else [], "the pronoun", seed)) else []),
        ],
        heads=head_cards.heads_section(model, heads, along),
        attention=examples_shown(model, suite, heads_first=first, seed=seed),
    )  # fmt: skip


def _of_burrow(suite: headwise.Suite) -> headwise.Suite:
    """Pairs of burrow's English, with the person labelled male or female and groups named by field."""

    def told(sentence: Sentence, group: str, label: str) -> Sentence:
        mark = next(m for m in sentence.marks if m.label == "person")
        return replace(sentence, group=group, marks=(Mark(mark.word, label),))

    pairs: list[Pair] = []
    for pair in suite.pairs:
        first, _, second = pair.group.partition("-")
        field = "names" if first[:1].isupper() else "work"
        if first.lower() in ROYAL or second.lower() in ROYAL:
            field = "royalty"
        elif first.lower() in FAMILY or second.lower() in FAMILY:
            field = "family"
        group, is_male = f"{field}-{pair.group}", pair.right in HE
        pairs.append(
            replace(
                pair,
                clean=told(pair.clean, group, "male" if is_male else "female"),
                corrupted=told(pair.corrupted, group, "female" if is_male else "male"),
            )
        )
    return replace(
        suite, pairs=tuple(pairs), sentences=tuple(s for p in pairs for s in (p.clean, p.corrupted))
    )


def _of_fields(suite: headwise.Suite, chosen: Callable[[str], bool]) -> headwise.Suite:
    pairs = tuple(p for p in suite.pairs if chosen(p.group.partition("-")[0]))
    return replace(
        suite, pairs=pairs, sentences=tuple(s for p in pairs for s in (p.clean, p.corrupted))
    )


def _steered(
    model: headwise.Model,
    suite: headwise.Suite,
    found: TransferTestResult,
    *,
    smoke: bool,
    seed: int,
) -> SteerResult | None:
    """Adds the royal step to persons of other fields, early enough for later words to look them up."""
    if not how_it_speaks(model) or not any(pair.right for pair in suite.pairs):
        return None
    layer = min(found.layer, max(1, model.n_layers // 4))
    royal = _of_fields(suite, lambda field: field == SOURCE)
    others = _of_fields(suite, lambda field: field != SOURCE)
    direction = headwise.directions.from_pairs(model, royal, layer=layer)
    elsewhere = discovery.other_pairs(model, suite.name, smoke=True)
    return headwise.steer(
        model, others, direction, unrelated=elsewhere, n_null=3 if smoke else 10, seed=seed
    )


def _controls(found: TransferTestResult) -> str:
    """What never-trained models and uniform attention come to."""
    if not found.n_null:
        return f"Steps: no model with random weights could be measured ({found.why_not})."
    rows = [found.row(field=field, layer=found.layer) for field in found.fields[1:]]
    said = ", ".join(f"{r['field']} {r['uniform']:.2f} ({r['step']:.2f} as it is)" for r in rows)
    ts = ", ".join(f"{r['t']:.1f} in {r['field']}" for r in rows if np.isfinite(r["t"]))
    few = " and ".join(r["field"] for r in rows if not np.isfinite(r["t"]))
    compared = f"t of the other fields is {ts}, in {found.n_null} models with random weights at most {rows[0]['control_t']:.1f}; " if ts else ""  # fmt: skip
    untested = f" Too few pairs for a t: {few}." if few else ""
    return f"Steps: {compared}with uniform attention steps are {said}.{untested}".replace(
        "-", MINUS
    )


def _answer(found: TransferTestResult, verdict: str) -> str:
    opening = {
        "supported": "The step between man and woman of royal pairs is one that other pairs take, too, further than their embeddings do",
        "not supported": "The step between man and woman of royal pairs is not one that all other pairs take",
        "inconclusive": "Whether other pairs take the step between man and woman of royal ones cannot be told",
    }[verdict]
    said = [
        f"{percent(row['right'])} of {field} [{percent(row['right_low'])}, {percent(row['right_high'])}] ({row['step']:.2f} royal steps [{row['step_low']:.2f}, {row['step_high']:.2f}], "
        f"cosine {row['cosine']:.2f})"
        for field in found.fields
        if field == found.source or found.n_pairs[field] >= MIN_CLUSTERS
        for row in [found.row(field=field, layer=found.layer)]
    ]
    return (
        f"{opening}: at layer {found.layer} of {found.model} it goes the right way in {'; '.join(said)}, where chance is 50% and {SOURCE} pairs are "
        "measured along the step of the others."
    ).replace("-", MINUS)


def _lines(found: TransferTestResult) -> Lines:
    layers = sorted({int(layer) for layer in found.table["layer"]})
    series: list[Series] = []
    for field in found.fields:
        rows = found.table[found.table["field"] == field]
        series.append(
            Series(
                name=f"{field}, left out" if field == found.source else field,
                values=np.array(rows["step"]),
                low=np.array(rows["step_low"]),
                high=np.array(rows["step_high"]),
            )
        )
    return Lines(
        title="How far pairs of each field go along the royal step",
        caption="Mean step in percent of the mean royal step, at every layer of the residual stream, with 95% intervals over word pairs. A step of another "
        "kind would be at zero. Layer 0 is before any attention.",
        x_label="layer of the residual stream",
        x=[float(layer) for layer in layers],
        series=series,
    )


def _not_found(
    found: TransferTestResult,
    pushed: DirectionTestResult | None,
    steered: SteerResult | None,
) -> list[str]:
    lines: list[str] = []
    if few := [f for f in found.fields if found.n_pairs[f] < MIN_CLUSTERS]:
        lines.append(
            f"Of {', '.join(few)} there are fewer than {MIN_CLUSTERS} word pairs, so nothing is said of them."
        )
    for field in found.fields[1:]:
        row = found.row(field=field, layer=found.layer)
        if row["p_random"] >= LEVEL:
            lines.append(
                f"In {field} the step is no longer along the royal one than along many random directions in which such words vary (p {row['p_random']:.2g})."
            )
    lines.append(
        f"One step for all it is not: cosines to the royal step lie between {min(found.row(field=f, layer=found.layer)['cosine'] for f in found.fields):.2f} and "
        f"{max(found.row(field=f, layer=found.layer)['cosine'] for f in found.fields):.2f}, so most of the length of a pair's own step points elsewhere.".replace(
            "-", MINUS
        )
    )
    if pushed is not None:
        start = pushed.table[~pushed.table["kind"].isin(["head", "mlp"])]["share"].sum()
        lines.append(
            f"Of the step in other fields {percent(start)} is there before any block, in the words' embeddings; heads that add to it by every test and beyond every control: "
            f"{', '.join(pushed.significant()['name'][:12]) or 'none'}."
        )
    if steered is None:
        lines.append(
            "Nothing was steered: the model, or the sentences, do not say what comes next."
        )
    return lines


if __name__ == "__main__":
    from headwise.cli.main import script

    script(__file__)
