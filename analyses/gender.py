"""Is the step from man to woman one direction, from king to queen as from uncle to aunt and from actor to actress?

Question: the words of a pair such as *king* and *queen* differ in one respect. Is the step between them the same in
other pairs of its field, in families and at work?

Method: the mean step of royal pairs is a direction, at every layer. Royal pairs that it was not fitted on (each is left out in
turn), families and occupations are measured along it: how often the step goes the right way, how far, and at what angle.
The layer is the one at which left-out royal pairs lie closest to it, so that the other fields do not influence the choice. The
direct contribution of every head and MLP is measured along it, and, where the model predicts a next token, the step is added to a
person and the pronoun that follows is tested.

    uv run analyses/gender.py --model minilm
    headwise run gender --model burrow

Caveats: a direction that separates words is not thereby used; and what is called male or female here is a word's form, not a person.
"""

import headwise
from headwise import evidence
from headwise.burrow import by_field
from headwise.cli import other_pairs
from headwise.interventions import how_it_speaks, that_fit
from headwise.report import sections
from headwise.report.schema import MINUS, Verdict, percent

SUITE = "gender_steps"
BURROW_PAIRS = "gender"
QUESTION = "Is the step from man to woman one direction, from king to queen as from uncle to aunt?"
SOURCE = "royalty"
N_NULL = 5  # models with random weights
OPENINGS: dict[Verdict, str] = {
    "supported": "The step between man and woman of royal pairs is also that of the other fields, by more than their embeddings account for",
    "not supported": "The step between man and woman of royal pairs is not that of all other fields",
    "inconclusive": "Whether the step between man and woman of royal pairs is that of other fields is inconclusive",
}


def analyse(
    model: headwise.Model, suite: headwise.Suite, *, seed: int = 0, smoke: bool = False
) -> headwise.Report:
    """Measures steps between the words of pairs along the step of royal ones."""
    suite = that_fit(model, _labelled(suite))
    found = headwise.transfer_test(model, suite, SOURCE, seed=seed)
    royal = suite.where(group=f"{SOURCE}-")
    others = suite.where(group=[f"{field}-" for field in found.fields[1:]])
    moved, heads = [], None
    if found.layer:
        refit = lambda twin: [headwise.directions.from_pairs(twin, royal, layer=found.layer)]  # noqa: E731
        moved = [
            headwise.direction_test(
                model, others, found.direction, between=("male", "female"), n_null=1 if smoke else N_NULL, seed=seed, refit=refit
            )
        ]  # fmt: skip
        heads = evidence.moves(moved)
    steered = []
    if how_it_speaks(model) and any(pair.right for pair in suite.pairs):
        # Early enough for later words to attend to the person.
        layer = min(found.layer, max(1, model.n_layers // 4))
        direction = headwise.directions.from_pairs(model, royal, layer=layer)
        unrelated = other_pairs(model, suite.name, smoke=True)
        steered.append(
            headwise.steer(
                model, others, direction, unrelated=unrelated, n_null=3 if smoke else 10, seed=seed
            )
        )
    verdict = evidence.verdict_over_all(found.said(field) for field in found.fields[1:])
    controls = [evidence.controls_line(heads)] if heads is not None else []
    untested = "the model, or the sentences, do not predict a next token."
    return sections.compose(
        model,
        analysis="gender",
        question=QUESTION,
        verdict=verdict,
        answer=_answer(found, verdict),
        controls=" ".join([*controls, sections.transfer_controls(found)]),
        sections=[
            sections.transfer(found),
            sections.direction(moved, f"{SOURCE} pairs") if moved else None,
            sections.steering(steered, "the pronoun", seed)
            or sections.untested("Steering", untested),
        ],
        suite=suite,
        heads=heads,
        seed=seed,
    )


def _labelled(suite: headwise.Suite) -> headwise.Suite:
    """Pairs of which the marked words are labelled male and female, in groups named by field."""
    labels = [{mark.label for mark in sentence.marks} for sentence in suite.sentences]
    if suite.pairs and all("person" in own for own in labels):
        return by_field(suite)
    has_fields = any(group.startswith(f"{SOURCE}-") for group in suite.groups)
    if suite.pairs and has_fields and all(own & {"male", "female"} for own in labels):
        return suite
    has = "has others" if suite.pairs else "has none"
    raise headwise.BadSuite(
        f"This analysis needs minimal pairs whose marked words are labelled male and female, in groups named '{SOURCE}-...' and others, and {suite.name!r} {has}. "
        "probes/gender_steps.toml shows how it is written."
    )  # fmt: skip


def _answer(found: headwise.TransferTestResult, verdict: Verdict) -> str:
    fields = [f for f in found.fields if f == SOURCE or found.n_pairs[f] >= evidence.MIN_CLUSTERS]
    rows = [found.row(field=field, layer=found.layer) for field in fields]
    shares = [
        f"{percent(row['right'])} of {row['field']} [{percent(row['right_low'])}, {percent(row['right_high'])}] ({row['step']:.2f} royal steps [{row['step_low']:.2f}, {row['step_high']:.2f}], cosine {row['cosine']:.2f})"
        for row in rows
    ]  # fmt: skip
    return (
        f"{OPENINGS[verdict]}. At layer {found.layer} of {found.model} it goes the right way in {'; '.join(shares)}. Chance is 50%, and {SOURCE} pairs are measured along the step of the others."
    ).replace("-", MINUS)  # fmt: skip


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
