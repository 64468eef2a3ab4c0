"""Where in the model does mole become an animal, a unit, a skin mark or a spy?

Question: before attention every *mole* is the same vector. From which layer on can its sense be
read off it, and is that more than the words of the sentence give away without any model?

Method: the vector of the marked word, at every layer and from every head, is classified by the
nearest class mean and by logistic regression; scored are only sentences that were not fitted. What
counts is the gain over the best of several baselines that need no layer and no head (the mean of the
words' input embeddings, a bag of words, the words beside it, its place), chosen on what is fitted; never-trained
models and uniform attention must not reach it. Each half of the groups chooses the layer that is
scored on the other, over many halvings. Then the sense is erased there, and the model goes on without
it. Last, in minimal pairs that differ in the word that decides the sense, each head is ablated, and tested for
attention to that word; the update of each head is measured along the directions from the other senses to one;
steps of these directions are added to the word half way up; and the word is read through the model's own
end, layer by layer.

    uv run analyses/mole.py --model minilm
    headwise run mole --model minilm --data coarsewsd20/mole
    headwise run mole --data treebank.conllu --label "part of speech"

Caveats: that a sense can be read does not show that the model uses it.
"""

import headwise
from headwise import evidence
from headwise._formatting import MINUS, could_be_found, head_name, percent, points
from headwise.attention.relations import RelationTestResult
from headwise.cli import discovery
from headwise.data import transforms
from headwise.directions.contributions import DirectionTestResult
from headwise.directions.lens import LogitLensResult
from headwise.evidence.verdicts import judge_all, summary
from headwise.interventions.prompts import that_fit
from headwise.interventions.steering.one_vs_rest import SeenWords, steer_between, towards_each
from headwise.interventions.steering.steering import SteerResult, read_label
from headwise.probing import erasure
from headwise.probing.experiment import BEST, MAJORITY, Choice, ProbeResult
from headwise.report import sections
from headwise.report.schema import Detail, Report, Section
from headwise.report.sections import directions, head_cards, head_details, probing
from headwise.report.sections import evidence as exhibits
from headwise.report.sections import logit_lens as says
from headwise.report.sections import relations as asked_
from headwise.report.sections.examples import examples_shown
from headwise.stats.deciding import N_RANDOM, N_RANDOM_PROBED, N_SPLITS
from headwise.weights.readout import tokens_of

SUITE = "mole"
PAIRS = "mole_pairs"
BURROW = "mole"
LOOKS = "governor->dependent"  # the word looks at what decides its sense
MOST_READ = 8  # heads of which it is said which words they raise
COSTS = " In sentences where the word's sense decides."
MIN_GROUPS = 4  # of pairs, to choose rules on some and report on others


def analyse(
    model: headwise.Model,
    suite: headwise.Suite,
    *,
    seed: int = 0,
    smoke: bool = False,
    label: str = "mark",
    position: int | str = 0,
    pairs: headwise.Suite | None = None,
) -> Report:
    """Reads a word's sense, or any label, at every layer and head, and cuts heads to see what that costs."""
    asked = {"label": label, "position": position, "folds": 3 if smoke else 5, "seed": seed}
    if label != "mark":
        asked["rare_labels"] = "drop"  # a treebank's rarest parts of speech
    result = headwise.probe(model, suite, **asked, n_random=1 if smoke else N_RANDOM_PROBED)
    choice = result.chosen("residual", probing.HEADLINE)
    layer = choice.key[1]
    verdict = evidence.verdict(choice)
    word, kind = _wording(suite, label, position)
    erased = None
    if erasure.is_installed() and label == "mark":
        # A decoder also at its end, from where nothing can be looked up again.
        layers = sorted({layer, model.n_layers}) if model.is_causal else [layer]
        erased = headwise.erase(model, suite, layers=layers, **asked, n_random=1 if smoke else 3)
    known = [evidence.carries(result, probing.HEADLINE)]
    cut, looked = None, None
    pairs = pairs and that_fit(model, pairs)
    if pairs and len(pairs.groups) >= MIN_GROUPS and (label, position) == ("mark", 0):
        cut = headwise.ablate(model, pairs, seed=seed)
        looked = headwise.relation_test(
            model,
            transforms.cues(pairs),
            f"cue: {LOOKS}",
            seed=seed,
            controls=1 if smoke else N_RANDOM,
            n_splits=4 if smoke else N_SPLITS,
        )
        known += [evidence.looks(looked, LOOKS), evidence.matters(cut)]
    pushed, steered, limits = [], [], []
    if (label, position) == ("mark", 0):
        pushed, steered, limits = _moves(model, suite, pairs if cut else None, smoke, seed)
    known += [evidence.moves(pushed)] if pushed else []
    heads = judge_all(evidence.side_by_side(known))
    read = _lens(model, suite, pairs, evidence.where(heads, moves="yes"), seed) if steered else None
    return Report(
        analysis="mole",
        model=model.name,
        question=_question(suite, label),
        verdict=verdict,
        answer=_answer(model.name, word, kind, result, choice)
        + (f" {told}" if (told := summary(heads)) else ""),
        controls=evidence.controls_line(heads),
        sections=[
            Section(
                title="Results",
                figures=[
                    *probing.figures(result, layer, kind),
                    *(directions.steering_figures(steered, f"what {model.name} takes {word} for")),
                ],
                tables=[
                    *probing.tables(result, choice.key),
                    *([exhibits.heads_table(heads)] if cut else []),
                    *([probing.erasure_table(erased)] if erased else []),
                    *directions.steering_tables(steered),
                    *(says.tables(read) if read else []),
                ],
                findings=[
                    *_not_found(result, word, kind, erased),
                    *(looked.limits if looked else []),
                    *(exhibits.sentences(heads) if cut else [exhibits.UNCUT]),
                    *limits,
                    *([directions.steering_sentence(steered)] if steered else []),
                ],
                method=[
                    *_method(model, suite, result, word, kind, erased),
                    *(asked_.method(looked, len(pairs.groups)) if looked and pairs else []),
                    *(exhibits.method(cut, len(pairs.pairs)) if cut and pairs else []),
                    *(directions.steering_method(steered) if steered else []),
                    *(says.method(read) if read else []),
                ],
                references=[
                    "Loureiro, Rezaee, Pilehvar and Camacho-Collados 2021, Analysis and evaluation of language models for "
                    "word sense disambiguation.",
                    "Hewitt and Liang 2019, Designing and interpreting probes with control tasks.",
                    "Zhang and Bowman 2018, Language modeling teaches you more than translation does: never-trained models as controls.",
                    "Voita and Titov 2020, Information-theoretic probing with minimum description length.",
                    *(
                        [
                            "Belrose et al. 2023, LEACE: Perfect linear concept erasure in closed form."
                        ]
                        if erased
                        else []
                    ),
                ],
            ),
            *(
                [
                    sections.direction(
                        pushed, suite.name, what=f"{word} in one sense from {word} in the others"
                    )
                ]
                if pushed
                else []
            ),
        ],
        heads=head_cards.heads_section(model, heads, _details(model, result, cut, looked, pushed)),
        attention=examples_shown(
            model,
            transforms.cues(pairs) if looked and pairs else suite,
            [("cue", LOOKS)] if looked else [],
            heads_first=head_cards.first(heads),
            seed=seed,
        ),
    )


def _moves(
    model: headwise.Model,
    suite: headwise.Suite,
    pairs: headwise.Suite | None,
    smoke: bool,
    seed: int,
) -> tuple[list[DirectionTestResult], list[SteerResult], list[str]]:
    """Contributions of heads along the directions between senses, and steering; or why they could not be measured."""
    fitted, tested = (suite, pairs) if pairs else suite.split(seed)
    try:
        pushed = towards_each(model, fitted, tested, seed, n_controls=1 if smoke else N_RANDOM)
        if not pairs:
            return pushed, [], []
        elsewhere = discovery.other_pairs(model, pairs.name, smoke=True)
        return pushed, steer_between(model, suite, pairs, elsewhere, 3 if smoke else 5, seed), []
    except SeenWords as error:
        return [], [], [f"Whether heads move the word was not tested: {error}"]


def _details(
    model: headwise.Model,
    result: ProbeResult,
    cut: headwise.AblationResult | None,
    looked: RelationTestResult | None,
    pushed: list[DirectionTestResult],
) -> list[Detail]:
    shape = head_cards.shape_shown(model)
    return [
        head_details.read_from(result, probing.HEADLINE, shape),
        *([head_details.directions_asked(looked, shape)] if looked else []),
        *([head_details.ways(cut, shape, note=COSTS)] if cut else []),
        *([head_details.pushed_along(pushed)] if pushed else []),
    ]


def _lens(
    model: headwise.Model,
    suite: headwise.Suite,
    pairs: headwise.Suite | None,
    heads: list[str],
    seed: int,
) -> LogitLensResult:
    """What the word reads as; words that should stand high are those that are right after each sense in the pairs."""
    targets: dict[str, list[str]] = {}
    for pair in pairs.pairs if pairs else ():
        targets.setdefault(read_label(pair.clean), []).append(pair.right)
    known = {mark.label for sentence in suite.sentences for mark in sentence.marks}
    named = {name: sorted(set(own)) for name, own in targets.items() if name in known}
    # Words of several tokens cannot be looked up; without any other the lists are still worth reading.
    able = {name: own for name, own in named.items() if any(tokens_of(model, own))}
    return headwise.logit_lens(model, suite, heads[:MOST_READ], targets=able, seed=seed)


def _question(suite: headwise.Suite, label: str) -> str:
    if label == "mark":
        return suite.question
    return f"From which layer on can the {label} of a word be read?"


def _wording(suite: headwise.Suite, label: str, position: int | str) -> tuple[str, str]:
    """The word that is marked and what its marks are; words of many forms just have labels."""
    if label != "mark":
        return "a word", label
    marked = [s.words[mark.word].lower() for s in suite.sentences for mark in s.marks]
    word = max(set(marked), key=marked.count)
    word, kind = (
        ("the marked word", "label") if marked.count(word) < len(marked) / 2 else (word, "sense")
    )
    if position == 0:
        return word, kind
    if isinstance(position, str):
        return f"the word that {word} needs ({position})", kind
    side = "before" if position < 0 else "after"
    return f"the word {abs(position)} {side} {word}", kind


def _answer(model: str, word: str, kind: str, result: ProbeResult, choice: Choice) -> str:
    verdict, gain, best = evidence.verdict(choice), choice.gain, choice.accuracy
    layer = choice.key[1]
    place = f"By layer {layer}" if layer else "Before any attention, at layer 0"
    opening = {
        "supported": f"{place} of {model} the {kind} of {word} can be read off its vector, better than by any baseline without the model's layers",
        "not supported": f"In no layer of {model} is the {kind} of {word} read better than by the best baseline without the model's layers, and a gain of "
        f"{percent(evidence.SMALLEST)} is ruled out",
        "inconclusive": f"Whether the {kind} of {word} can be read off its vector in {model} better than by a baseline without the model's layers is inconclusive",
    }[verdict]
    baseline, start = result.rate(*BEST), result.rate(("residual", 0, None), probing.HEADLINE)
    majority = result.rate(MAJORITY, "majority")
    seen = "" if verdict == "supported" else f"; {could_be_found(choice.detectable, 'gain')}"
    before = (
        "" if layer == 0 else f"before any attention, at layer 0, it is {percent(start.value)}; "
    )
    return (
        f"{opening}: balanced accuracy {percent(best.value)} on {choice.cases} unseen sentences [{percent(best.low)}, "
        f"{percent(best.high)}] against {percent(baseline.value)} for the best baseline ({points(gain.value, gain.low, gain.high)}){seen}; "
        f"{before}the most frequent {kind} alone gives {percent(majority.value)}."
    )  # fmt: skip


def _not_found(
    result: ProbeResult,
    word: str,
    kind: str,
    erased: headwise.ErasureResult | None,
) -> list[str]:
    best = result.chosen("z", probing.HEADLINE)
    finding = {
        "supported": "reads it better than the best baseline",
        "not supported": "reads it no better than the best baseline",
        "inconclusive": "may or may not read it better than the best baseline",
    }[evidence.verdict(best)]
    lines = [
        f"The best single head (most often {head_name(best.key[1], best.key[2] or 0)}), chosen on one half and scored on the other, {finding}: "
        f"{percent(best.accuracy.value)} ({points(best.gain.value, best.gain.low, best.gain.high)}).",
        result.baseline_sentence(),
        _by_layer(result),
        *result.warnings,
    ]
    if result.missing:
        lines.append(
            f"{result.missing} sentences were left out: {word} is cut off, has no token of its own, or is not there."
        )
    if result.dropped:
        lines.append(
            f"Left out, as too few groups have them: {', '.join(result.dropped)}. Nothing is said of these."
        )
    if erased is not None:
        lines += [_where_unchanged(erased, kind, at) for at in erased.table["layer"].unique()]
    elif not erasure.is_installed():
        lines.append(
            f"The {kind} was not erased, as concept-erasure is not installed: pip install 'headwise[erasure]'."
        )
    return lines


def _by_layer(result: ProbeResult) -> str:
    """Plainly: which layers exceed the best baseline, and which do not."""
    layers = evidence.carries_by_layer(result, probing.HEADLINE)
    parts = {
        "better than the best baseline": layers[layers["carries"] == "yes"],
        "no better": layers[layers["carries"] == "no"],
        "inconclusive": layers[layers["carries"] == "inconclusive"],
    }
    said = [
        f"{what} at layer{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows['layer']))}"
        for what, rows in parts.items()
        if len(rows)
    ]
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]} ({probing.NAMES[probing.HEADLINE]}, all unseen sentences, over all layers)."


def _where_unchanged(erased: headwise.ErasureResult, kind: str, layer: int) -> str:
    """What erasing changed, and what it did not, more than a move of the same length."""
    table = erased.table
    behaviour = table[(table["layer"] == layer) & table["as_far"].notna()]
    if behaviour.empty:
        return f"Nothing is computed after layer {layer} that could show what erasing the {kind} changes."
    changed = [
        f"{probing.SHORT[row.measure]} ({_short(row.intact)} intact, {_short(row.erased)} erased, {_short(row.as_far)} moved as far)"
        for row in behaviour.itertuples()
        if row.low > 0 or row.high < 0
    ]
    same = [str(row.measure) for row in behaviour.itertuples() if not (row.low > 0 or row.high < 0)]
    said = [
        *([f"changed the {' and the '.join(changed)}"] if changed else []),
        *(
            [f"changed the {' and the '.join(same)} no more than a move of the same length"]
            if same
            else []
        ),
    ]
    anew = (
        f" A {kind} that is erased here may be taken anew, by later layers, from the words around."
    )
    return f"Erasing the {kind} at layer {layer} {' and '.join(said)}.{anew if same else ''}"


def _short(value: float) -> str:
    return f"{value:.2g}".replace("-", MINUS)


CAUSAL = (
    "This model is a decoder: a word sees only what stands before it, and nothing looks ahead. What only later "
    "words give away cannot be read here."
)


def _method(
    model: headwise.Model,
    suite: headwise.Suite,
    result: ProbeResult,
    word: str,
    kind: str,
    erased: headwise.ErasureResult | None,
) -> list[str]:
    division = (
        f"{result.n_fitted} sentences of the data's own training part are fitted and its test part is scored"
        if result.folds == 0
        else f"the sentences are divided into {result.folds} folds that keep groups whole and {kind}s in proportion; "
        "each is scored by classifiers fitted on the others"
    )
    alike = (
        f"{result.n_alike} have a near-duplicate "
        + (
            "in the fitted part"
            if result.folds == 0
            else "in another group, with which that group counts as one"
        )
        if result.n_alike
        else "none has a near-duplicate elsewhere"
    )
    return [
        f"The vector of {word} (the mean over its pieces) is taken from the residual stream before every block and "
        "after the last, and from every head: keys, values, output and update. The nearest class mean goes by cosine; the "
        "logistic regression is multinomial, on standardised vectors, with the penalty (C from 0.01 to 1) that does best on "
        "inner folds of what is fitted. The score is balanced accuracy, in which every label counts alike.",
        *([suite.about] if suite.about else []),
        *([CAUSAL] if model.is_causal else []),
        f"Only unseen sentences count: {division}. {len(suite):,} sentences in {len(suite.groups):,} groups, of which {alike} "
        "(TF-IDF of character n-grams, cosine 0.8 or more); "
        f"{len(result.labels)} labels: {', '.join(result.labels)}.",
        f"Baselines see {'the words as far as the one that is probed' if model.is_causal else 'all words of the sentence'} and no layer: a bag of words (TF-IDF and logistic "
        "regression, its penalty chosen as that of the probes), the mean of the words' input embeddings, the embedding of the word before or after, the word's place. For each fold the best of them on what is "
        "fitted is the one to beat. The same probes are fitted on models of the same shape that were never trained and on the model with uniform "
        "attention; a gain counts only if its t is larger than any of theirs.",
        result.selectivity_note
        + " p of reading the label at all is against labels shuffled within groups (or among groups of one "
        "label), the largest of everything probed. The codelength is what it takes to send all labels to somebody who has the "
        "vectors and learns on the way (online code), mean over orders.",
        "The layer (and the head) is the best on a random half of the groups and is scored on the other half, both ways, over 20 halvings, so "
        "that the best of many scores is not flattered and no single division decides. Intervals are cluster-robust (t, or a score interval on the effective number of sentences).",
        *(
            [
                "Erasing (LEACE) is fitted where probes are fitted and applied to sentences that were not. A random subspace is "
                "the same done for random variables, as many as it takes to tell the labels apart; as it moves vectors less, "
                "behaviour is compared with a move of the same length in that subspace."
            ]
            if erased
            else []
        ),
        f"Verdict: 'supported' if the gain over the best baseline is at least {percent(evidence.SMALLEST)} (points), with p below 5% and a t beyond every control; 'not supported' if a "
        "gain of that size is ruled out; otherwise 'inconclusive'.",
    ]


if __name__ == "__main__":
    from headwise.cli.main import script

    script(__file__)
