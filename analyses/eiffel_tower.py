"""Does *tower* move towards Paris after *Eiffel*, and towards small after *miniature*?

Question: one word, *tower*, stands in the same sentence bare, after *Eiffel* and after *miniature Eiffel*. Does its vector
move towards Paris in the second, and from tall towards small in the third?

Method: two directions are differences of class means at the end of the residual stream: from things elsewhere to things in Paris, and
from small things to tall ones. They are fitted on sentences without a tower and without the deciding words of the towers, and
tested on held-out groups. The towers are then measured along them, whole and head by head. burrow is tested in its own English on
the next word (*The tower was in*), along differences of its unembedding.

    uv run analyses/eiffel_tower.py --model minilm
    headwise run eiffel_tower --model gpt2

Caveats: a word that moves along one direction moves along others, too, so the step is compared with random directions, with models
with random weights, and with the same model under uniform attention.
"""

from collections.abc import Callable

import headwise
from headwise import evidence
from headwise.data import enough, without_shared_words
from headwise.directions import DirectionTestResult, direction_tests, from_classes, from_unembedding
from headwise.report import sections
from headwise.report.schema import MINUS, Report, Verdict, percent

SUITE = "eiffel_tower"
BURROW = "towers"
N_CONTROLS = 5  # models with random weights
QUESTION = "Does tower move towards Paris after Eiffel, and towards small after miniature?"
TOWERS = ("bare", "eiffel", "miniature")
# The classes that a direction is fitted on, and the towers of which the first should lie further along it.
TESTED = {"place": (("paris", "elsewhere"), ("eiffel", "bare")), "size": (("tall", "small"), ("eiffel", "miniature"))}  # fmt: skip
NEXT_WORDS = {"place": ("Paris", ["Lisbon", "Chicago", "Moscow", "Tuscany"]), "size": ("tall", ["small"])}  # fmt: skip
FITTED_ON = "groups of things that are tall or small, and in Paris or elsewhere, with the same frames and nouns in both classes and without any tower"
NOT_FITTED = "no sentence, as it is the difference of the unembeddings of the words (the first token of each)"
OPENINGS: dict[Verdict, str] = {
    "supported": "In {model} tower moves towards Paris after Eiffel, and from tall towards small after miniature",
    "not supported": "In {model} tower does not move both towards Paris after Eiffel and towards small after miniature",
    "inconclusive": "Whether tower moves in {model} towards Paris after Eiffel and towards small after miniature, beyond its controls, is inconclusive",
}
Fit = Callable[[headwise.Model], list[headwise.Direction]]


def analyse(
    model: headwise.Model, suite: headwise.Suite, *, seed: int = 0, smoke: bool = False
) -> Report:
    """Measures towers along two directions that were fitted without any."""
    generated = any(group.startswith("place ") for group in suite.groups)
    every_tower = suite.where(label=TOWERS)
    results: list[DirectionTestResult] = []
    others: list[DirectionTestResult] = []
    held_out: dict[str, DirectionTestResult | None] = {}
    for name, (ends, between) in TESTED.items():
        group = f"{name} " if generated else "tower-"
        towers, left_out = suite.where(label=between, group=group), 0
        if generated:
            fit = _unembedding(*NEXT_WORDS[name])
        else:
            things = suite.where(group=f"{name}-")
            held_out[name] = _held_out(model, things, ends, seed)
            fitted, left_out = without_shared_words(things, towers)
            fit = _class_means(fitted, ends)
        (direction,) = fit(model)
        results += direction_tests(
            model, towers, [([direction], between)], refit=fit, n_null=1 if smoke else N_CONTROLS, left_out=left_out, seed=seed
        )  # fmt: skip
        third = between[0], next(tower for tower in TOWERS if tower not in between)
        rest = suite.where(label=third, group=group)
        if all(direction.unseen(rest)):
            others.append(headwise.direction_test(model, rest, direction, between=third, n_traced=0, seed=seed))  # fmt: skip
    heads = evidence.moves(results)
    verdict = evidence.verdict_over_all(evidence.whole_moves(results))
    return sections.compose(
        model,
        analysis="eiffel_tower",
        question=QUESTION,
        verdict=verdict,
        answer=f"{OPENINGS[verdict].format(model=model.name)}: the Eiffel tower lies further towards Paris than a bare tower in {_step(results[0])}; a miniature lies further towards small than the Eiffel tower in {_step(results[1])}.",
        controls=f"{evidence.controls_line(heads)} {sections.whole_steps_controls(results)}",
        sections=[sections.whole_steps(results, others, held_out), sections.direction(results, NOT_FITTED if generated else FITTED_ON, what="the two kinds of towers")],
        suite=suite,
        heads=heads,
        shown=every_tower,
        seed=seed,
    )  # fmt: skip


def _unembedding(ahead: str, behind: list[str]) -> Fit:
    return lambda model: [from_unembedding(model, ahead, behind, inner="plain", first_token=True)]


def _class_means(fitted: headwise.Suite, ends: tuple[str, str]) -> Fit:
    return lambda model: [from_classes(model, fitted, ends, layer=model.n_layers)]


def _held_out(
    model: headwise.Model, things: headwise.Suite, ends: tuple[str, str], seed: int
) -> DirectionTestResult | None:
    """A direction of half of the things, tested on those with other deciding words; None if too few are left to fit on."""
    half, rest = things.split(seed)
    half, _ = without_shared_words(half, rest)
    if not enough(half, ends):
        return None
    (direction,) = _class_means(half, ends)(model)
    return headwise.direction_test(model, rest, direction, n_traced=0, seed=seed)


def _step(result: DirectionTestResult) -> str:
    whole = result.whole
    return (
        f"{percent(whole['separated'])} of comparisons (step {whole['effect']:.2g} [{whole['effect_low']:.2g}, {whole['effect_high']:.2g}], cosine to the direction "
        f"{whole['cosine']:.2f}, p {whole['p']:.1g}; p {whole['p_random']:.2g} against random directions)"
    ).replace("-", MINUS)


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
