"""Metrics of a model's behaviour, with and without an intervention.

A metric is known by its name (see `METRICS`), or is a saved `Probe`, or whatever makes a `Reading` of a
model, a suite and its prompts, as `attention` does.
"""

from collections import Counter
from collections.abc import Sequence

from headwise._validate import one_of
from headwise.data.suite import Suite
from headwise.errors import HeadwiseError
from headwise.interventions.prompts import Prompts, how_it_speaks
from headwise.model.model import Model
from headwise.probing.linear_probe import Probe

from .attention import attention
from .base import Maker, Reading, Seen
from .next_token import SPOKEN, kl, log_probability, logit_difference, loss
from .sentences import SENTENCES, embed, retrieval, similarity
from .word_vector import ENDS, contrast, is_labelled, margin, of_probe, shift

METRICS = SPOKEN | SENTENCES | ENDS
del METRICS["retrieval in groups"]  # what retrieval is where words bear no labels
AnyMetric = str | Probe | Maker


def usual(model: Model, suite: Suite) -> tuple[str, ...]:
    """The two metrics that a model and a suite can give, a behaviour first.

    For a model with an output head the next-token distribution; for others the similarity of sentences, and the marked word's final vector.
    """
    has_answers = any(pair.right for pair in suite.pairs)
    if how_it_speaks(model):
        if has_answers:
            return ("logit difference", "kl")
        return ("kl", "loss") if how_it_speaks(model) == "next" else ("kl", "shift")
    if not suite.pairs:
        labels = {mark.label for sentence in suite.sentences for mark in sentence.marks}
        return ("retrieval", "margin") if len(labels) > 1 else ("shift",)
    if is_labelled(suite):
        return ("retrieval", "margin")
    if all(pair.right and pair.wrong for pair in suite.pairs):
        return ("similarity", "contrast")
    groups = Counter(pair.group for pair in suite.pairs)
    return ("retrieval", "contrast") if min(groups.values()) > 1 else ("contrast", "shift")


def distance(model: Model) -> str:
    """The distance by which a change moves the model's whole output, whatever the suite."""
    return "kl" if how_it_speaks(model) else "shift"


def several(requested: AnyMetric | Sequence[AnyMetric]) -> tuple[AnyMetric, ...]:
    """One metric, or several, as a tuple."""
    if isinstance(requested, str) or not isinstance(requested, Sequence):
        return (requested,)
    return tuple(requested)


def need_answers(metrics: Sequence[AnyMetric]) -> bool:
    """Whether any of these needs right and wrong continuations."""
    return any(m in ("logit difference", "log probability") for m in metrics if isinstance(m, str))


def check(model: Model, metrics: Sequence[AnyMetric]) -> None:
    """Refuses metrics that are not known or that a model cannot give.

    Raises:
        HeadwiseError: A metric is unknown or cannot be measured.
    """
    if not metrics:
        raise HeadwiseError(f"No metric was named; known are {', '.join(METRICS)}.")
    for name in metrics:
        if not isinstance(name, str):
            continue
        one_of(name, METRICS, "metric")
        if name in SPOKEN and not how_it_speaks(model):
            raise HeadwiseError(
                f"{model.name} has no output head (or no mask token) to predict words with, so there is no {name!r}. Ask for "
                "'similarity' or 'retrieval' (which sentences are near), or 'margin', 'contrast' or 'shift' (where the marked word ends)."
            )
        if name == "loss" and how_it_speaks(model) != "next":
            raise HeadwiseError(
                f"'loss' is of a decoder alone, and {model.name} is an {model.kind}. Ask for 'logit difference' or 'kl'."
            )


def bind(
    model: Model, suite: Suite, prompts: Prompts, metrics: Sequence[AnyMetric]
) -> list[Reading]:
    """Readings of some prompts.

    Args:
        model: The model.
        suite: The sentences.
        prompts: The same as rows.
        metrics: Names, saved probes, or functions.

    Raises:
        HeadwiseError: A metric that is unknown or cannot be had.
    """
    check(model, metrics)
    makers: dict[str, Maker] = {
        "logit difference": logit_difference, "log probability": log_probability, "kl": kl, "loss": loss,
        "similarity": similarity, "retrieval": retrieval, "margin": margin, "contrast": contrast, "shift": shift,
    }  # fmt: skip
    found: list[Reading] = []
    for metric in metrics:
        if isinstance(metric, Probe):
            found.append(of_probe(model, prompts, metric))
        else:
            maker = makers[metric] if isinstance(metric, str) else metric
            found.append(maker(model, suite, prompts))
    return found


__all__ = [
    "METRICS",
    "AnyMetric",
    "Reading",
    "Seen",
    "attention",
    "bind",
    "check",
    "distance",
    "embed",
    "need_answers",
    "several",
    "usual",
]
