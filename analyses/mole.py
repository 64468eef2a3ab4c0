"""Where in the model does mole become an animal, a unit, a skin mark or a spy?

Question: before attention every *mole* is the same vector. From which layer on can its sense be decoded, and better than from the words
of the sentence without any model?

Method: the vector of the marked word, at every layer and from every head, is classified by the nearest class mean and by logistic
regression; only sentences that were not fitted are scored. What counts is the gain over the best of several model-free baselines (the
mean of the words' input embeddings, a bag of words, the words beside it, its position), chosen on what is fitted; models with random
weights and uniform attention must not reach it. Each half of the groups chooses the layer that is scored on the other, over many
halvings. The sense is then erased there, and the forward pass continues without it. In minimal pairs that differ in the word that
decides the sense, each head is tested for attention to that word and ablated; the update of each head is measured along the directions
from the other senses to one; steps of these directions are added to the word at a layer before the last; and the word is read through
the model's own end, layer by layer.

    uv run analyses/mole.py --model minilm
    headwise run mole --model minilm --data coarsewsd20/mole
    headwise run mole --data treebank.conllu --label "part of speech"

Caveats: that a sense can be decoded does not show that the model uses it.
"""

from collections import Counter

import headwise
from headwise import evidence
from headwise.cli import other_pairs
from headwise.data import transforms
from headwise.interventions import that_fit
from headwise.interventions.steering import SeenWords, read_label, steer_between, towards_each
from headwise.probing import BEST, ProbeResult
from headwise.report import sections
from headwise.report.schema import Verdict, could_be_found, percent, points
from headwise.weights import tokens_of

SUITE = "mole"
PAIRS = "mole_pairs"
BURROW = "mole"
LOOKS = "governor->dependent"  # the word attends to what decides its sense
MOST_READ = 8  # heads that are read through the logit lens
MIN_GROUPS = 4  # of pairs, to choose baselines on some and report on others
OPENINGS: dict[Verdict, str] = {
    "supported": "The {kind} of {word} can be decoded at layer {layer} of {model} better than by any model-free baseline",
    "not supported": "At no layer of {model} is the {kind} of {word} decoded better than by the best model-free baseline, and a gain of {smallest} is ruled out",
    "inconclusive": "Whether the {kind} of {word} can be decoded in {model} better than by a model-free baseline is inconclusive",
}  # fmt: skip


def analyse(
    model: headwise.Model,
    suite: headwise.Suite,
    *,
    seed: int = 0,
    smoke: bool = False,
    label: str = "mark",
    position: int | str = 0,
    pairs: headwise.Suite | None = None,
) -> headwise.Report:
    """Decodes a word's sense, or any label, at every layer and head, and tests whether heads implement it."""
    n_null, n_probed, n_erased = (1, 1, 1) if smoke else (evidence.N_RANDOM, evidence.N_RANDOM_PROBED, 3)  # fmt: skip
    probed = {"label": label, "positions": position, "folds": 3 if smoke else 5, "seed": seed}
    draws = 1 if smoke else evidence.N_DRAWS
    penalty = headwise.Logistic(C=(0.1,)) if smoke else None  # else chosen on inner folds
    rare = "refuse" if label == "mark" else "drop"  # a treebank's rarest parts of speech
    read = headwise.probe(
        model, suite, **probed, draws=draws, rare_labels=rare, n_null=n_probed, logistic=penalty
    )
    layer = read.chosen("residual").key[1]
    word, kind = _wording(suite, label, position)
    parts = [sections.probing(read, model, suite, word=word, kind=kind)]
    known = [evidence.carries(read)]
    if label == "mark":
        # A decoder also at its end, after which no layer can recover the label.
        layers = sorted({layer, model.n_layers}) if model.is_causal else [layer]
        try:
            erased = headwise.erase(model, suite, layers=layers, **probed, n_null=n_erased)
            parts.append(sections.erasure(erased, kind))
        except headwise.HeadwiseError as error:
            parts.append(sections.untested(f"Erasing the {kind}", error))
    is_word = (label, position) == ("mark", 0)
    pairs = that_fit(model, pairs) if pairs and is_word else None
    if pairs is None or len(pairs.groups) < MIN_GROUPS:
        pairs = None
    shown, of_pairs, moved, steered = suite, [], [], []
    if pairs:
        shown = transforms.cues(pairs)
        looked = headwise.relation_test(
            model, shown, f"cue: {LOOKS}", seed=seed, n_null=n_null, n_splits=4 if smoke else evidence.N_SPLITS
        )  # fmt: skip
        ablated = headwise.ablate(model, pairs, seed=seed)
        known += [evidence.looks(looked, LOOKS), evidence.matters(ablated)]
        title = "Attention to the deciding word"
        of_pairs = [
            sections.attention(looked, shown, ("word", "cue"), title=title),
            sections.ablation(ablated, " In sentences where the word's sense decides."),
        ]
    if is_word:
        fitted, tested = (suite, pairs) if pairs else suite.split(seed)
        try:
            moved = towards_each(model, fitted, tested, seed, n_null=n_null)
            if pairs:
                elsewhere = other_pairs(model, pairs.name, smoke=True)
                steered = steer_between(
                    model, suite, pairs, elsewhere=elsewhere, n_null=3 if smoke else 5, seed=seed
                )
            known += [evidence.moves(moved)] if moved else []
        except SeenWords as error:
            moved = []
            parts.append(sections.untested("Direct contribution", error))
    heads = evidence.judge_all(evidence.side_by_side(known))
    parts += [*of_pairs, sections.evidence(heads)]
    if moved:
        what = f"{word} in one sense from {word} in the others"
        parts.append(sections.direction(moved, suite.name, what=what))
    parts.append(sections.steering(steered, f"the sense of {word}"))
    if pairs and steered:
        moving = evidence.where(heads, moves="yes")[:MOST_READ]
        lens = headwise.logit_lens(model, suite, heads=moving, targets=_targets(model, suite, pairs), seed=seed)  # fmt: skip
        parts.append(sections.logit_lens(lens))
    return sections.compose(
        model,
        analysis="mole",
        question=suite.question if label == "mark" else f"From which layer on can the {label} of a word be decoded?",
        verdict=evidence.verdict(read.chosen("residual")),
        answer=f"{_answer(read, word, kind)} {evidence.summary(heads)}".rstrip(),
        controls=evidence.controls_line(heads),
        sections=parts,
        suite=suite,
        heads=heads,
        shown=shown,
        relations=[("cue", LOOKS)] if pairs else [],
        seed=seed,
    )  # fmt: skip


def _targets(
    model: headwise.Model, suite: headwise.Suite, pairs: headwise.Suite
) -> dict[str, list[str]]:
    """Words that should score high at each sense: those that are correct after it in the pairs, where one of them is a single token."""
    known = {mark.label for sentence in suite for mark in sentence.marks}
    correct: dict[str, set[str]] = {}
    for pair in pairs.pairs:
        correct.setdefault(read_label(pair.clean), set()).add(pair.right)
    return {label: sorted(words) for label, words in correct.items() if label in known and any(tokens_of(model, sorted(words)))}  # fmt: skip


def _wording(suite: headwise.Suite, label: str, position: int | str) -> tuple[str, str]:
    """The probed word and what its labels are, as sentences name them."""
    if label != "mark":
        return "a word", label
    forms = Counter(s.words[mark.word].lower() for s in suite for mark in s.marks)
    form, n = forms.most_common(1)[0]
    word, kind = (form, "sense") if 2 * n >= forms.total() else ("the marked word", "label")
    if isinstance(position, str):
        return f"the dependent of {word} ({position})", kind
    side = "before" if position < 0 else "after"
    return (f"the word {abs(position)} {side} {word}" if position else word), kind


def _answer(read: ProbeResult, word: str, kind: str) -> str:
    choice = read.chosen("residual")
    verdict, layer = evidence.verdict(choice), choice.key[1]
    best, gain = choice.accuracy, choice.gain
    smallest = f"{100 * evidence.SMALLEST:.0f} points"
    opening = OPENINGS[verdict].format(
        kind=kind, word=word, model=read.model, layer=layer, smallest=smallest
    )
    start, majority = (
        percent(read.rate((site, 0, None), way).value)
        for site, way in (("residual", "logistic"), ("majority", "majority"))
    )
    seen = "" if verdict == "supported" else f"; {could_be_found(choice.detectable, 'gain')}"
    return (
        f"{opening}: balanced accuracy is {percent(best.value)} on {choice.cases} unseen sentences [{percent(best.low)}, {percent(best.high)}], against {percent(read.rate(*BEST).value)} for the best baseline "
        f"({points(gain.value, gain.low, gain.high)}; p below 5% in {percent(choice.passes)} of divisions of the data){seen}; {f'before any attention, at layer 0, it is {start}; ' if layer else ''}the most frequent {kind} alone gives {majority}."
    )  # fmt: skip


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
