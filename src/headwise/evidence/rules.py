"""The rules of evidence: of each kind its thresholds, its texts in a report and its test, in one object."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from headwise._formatting import MINUS, Unit, Verdict, percent
from headwise.stats.deciding import (
    INCONCLUSIVE,
    LEVEL,
    MIN_CASES,
    MIN_CLUSTERS,
    N_DRAWS,
    N_RANDOM,
    N_RANDOM_PROBED,
    N_SPLITS,
    NO,
    SMALLEST,
    USUAL,
    YES,
    Thresholds,
    decide,
    smallest_found,
    smallest_of,
)

KINDS = ("looks", "carries", "matters", "moves")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When one kind of evidence is a yes, when a no, and how a report says so.

    In `yes` and `no`, `{smallest}` stands for the smallest effect of interest, `{level}` for the error rate.

    Attributes:
        kind: The kind of evidence.
        what: What the effect is.
        unit: How it is written.
        yes: When it is a yes.
        no: When it is a no.
        p_over: What p is corrected over.
        otherwise: When else it is inconclusive.
        by: Its thresholds, if they are not the usual ones.
    """

    kind: str
    what: str
    unit: Unit
    yes: str
    no: str
    p_over: str
    otherwise: str = "otherwise"
    by: Thresholds = USUAL

    @property
    def thresholds(self) -> Thresholds:
        """What a yes and a no must reach: its own, and as smallest effect of interest that of an `of_interest` block."""
        if self.by != USUAL:
            return self.by
        return replace(USUAL, smallest=smallest_of(self.kind))

    @property
    def smallest(self) -> float:
        """Smallest effect of interest."""
        return self.thresholds.smallest

    @property
    def level(self) -> float:
        """Error rate over a family."""
        return self.by.level

    @property
    def min_cases(self) -> int:
        """Fewer decide nothing."""
        return self.by.min_cases

    @property
    def min_clusters(self) -> int:
        """Nor do fewer clusters."""
        return self.by.min_clusters

    @property
    def text(self) -> str:
        """The rule in three sentences, with its thresholds."""
        value = {"smallest": _smallest(self.smallest, self.unit), "level": percent(self.level)}
        return (
            f"Yes: {self.yes.format(**value)}. No: {self.no.format(**value)}. Inconclusive: {self.otherwise}, and with fewer than {self.min_cases} cases "
            f"or {self.min_clusters} clusters."
        )

    @property
    def decide(self):
        """`stats.deciding.decide` with these thresholds."""
        return partial(decide, by=self.thresholds)

    @property
    def smallest_found(self):
        """`stats.deciding.smallest_found` with these thresholds."""
        return partial(smallest_found, by=self.thresholds)


def _smallest(value: float, unit: Unit) -> str:
    if unit == "difference":
        return f"{100 * value:.0f} points"
    return percent(value) if unit == "rate" else f"{value:g}".replace("-", MINUS)


LOOKS = Rule(
    kind="looks",
    what="How much more often than the best model-free baseline of plain text its most attended word is the right one, on groups that the baseline was not chosen on.",
    unit="difference",
    yes="the head hits at least {smallest} more often than uniform attention and permuted links, and than the best baseline of position and plain text, each on all pairs and on non-adjacent ones; each "
    "time p is below {level} and t is larger than that of every head of the models with random weights and of uniform attention; and the right words get more attention than a uniform head gives them",
    no="it hits less than {smallest} more often than uniform attention and permuted links, by its interval over all heads",
    p_over="all heads, directions and relations tested, combined over splits; the largest of the four that the rule uses",
)
LOOKS_ALONG = replace(
    LOOKS,
    what="How much more often than the best model-free baseline of plain text its most attended word is the right one, along the relation and direction in which the head does best: the best of many, so its "
    "effect and interval are flattered, and p is not.",
    yes=f"along one relation and direction {LOOKS.yes}",
    no=f"along each {LOOKS.no}",
)
CARRIES = Rule(
    kind="carries",
    what="How much better, in balanced accuracy, the label is read from the head's output z at the word than by the best baseline: the mean of the words' input embeddings, a bag of words, the words "
    "beside it, its place. The baseline is chosen on what is fitted.",
    unit="difference",
    yes="the gain is at least {smallest}, p is below {level}, and its t is larger than that of any head of a model with random weights or uniform attention",
    no="a gain of {smallest} is ruled out, over all heads at once",
    p_over="all heads; of the gain over the best baseline",
)
MATTERS = Rule(
    kind="matters",
    what="Share of the clean metric that is lost when the head is ablated (the degradation), the mean over the ways of ablation. The interval reaches from the lowest to the highest end over the ways.",
    unit="rate",
    yes="in every way of ablation at least {smallest} of the clean metric is lost, with a family-wise p below {level} and a t above that of every head of every control (random weights, uniform attention)",
    no="in every way the loss lies within plus or minus {smallest}, simultaneously over heads (two one-sided tests)",
    otherwise="otherwise, where the clean metric is not above zero",
    p_over="all heads and ways of ablation; the largest of the ways",
)
MOVES = Rule(
    kind="moves",
    what="Share of the distance between the classes that the head's update adds along the direction, the largest over the tested directions.",
    unit="rate",
    yes="along a direction it adds {smallest} of the distance or more, and as much more than the same head would under uniform attention; p against permuted labels, against random directions and of the "
    "excess over uniform attention are below {level}; and t exceeds that of every head of models with random weights",
    no="along every direction its share lies within {smallest} of the distance to either side, simultaneously over heads",
    p_over="all heads and MLPs, times the number of directions; the largest of p against permuted labels, against random directions, and of the excess over uniform attention",
)
COLLECTS = Rule(
    kind="moves",
    what="Mean cosine of the head's update at the word with the OV images of its linked words, minus that with the OV images of the other words of its group, and minus the same "
    "under uniform attention, under the attention of the other heads of the layer, and through the values of the other heads of the layer: the smallest of the three.",
    unit="number",
    yes="the effect is {smallest} or more, p of each of the three is below {level}, and t exceeds that of every head of models with random weights and of every pair of one head's attention with another's values",
    no="it lies within {smallest} to either side, simultaneously over heads",
    p_over="all heads and all three comparisons; the largest of the three",
)


def verdict_over(answers: Iterable[str]) -> Verdict:
    """Verdict over many heads: supported if one is a yes, not supported if every one is a no, else inconclusive."""
    found = set(answers)
    if YES in found:
        return "supported"
    return "not supported" if found == {NO} else "inconclusive"


def verdict_over_all(answers: Iterable[str]) -> Verdict:
    """Verdict where everything has to hold: supported if every answer is a yes, not supported if one is a no, else inconclusive."""
    found = set(answers)
    if NO in found:
        return "not supported"
    return "supported" if found == {YES} else "inconclusive"


__all__ = [
    "CARRIES",
    "COLLECTS",
    "INCONCLUSIVE",
    "KINDS",
    "LEVEL",
    "LOOKS",
    "LOOKS_ALONG",
    "MATTERS",
    "MIN_CASES",
    "MIN_CLUSTERS",
    "MOVES",
    "NO",
    "N_DRAWS",
    "N_RANDOM",
    "N_RANDOM_PROBED",
    "N_SPLITS",
    "SMALLEST",
    "YES",
    "Rule",
    "verdict_over",
    "verdict_over_all",
]
