"""Columns of ablations, patches and steering."""

from headwise._columns import Column, Columns, columns_of_heads, interval
from headwise._formatting import Unit

METRIC = Column("metric", "Metric", "text", "What was measured, see `headwise.interventions.metrics.METRICS`")  # fmt: skip
METHOD = Column("method", "Method", "text", "What a head's `z` was replaced by: `zero`, `mean` or `resample`")  # fmt: skip
MODE = Column("mode", "Direction", "text", "`noising`: from the corrupted sentence into the clean one; `denoising`: the other way")  # fmt: skip
SITE = Column("site", "Site", "text", "What was patched: `residual`, `z`, `q`, `k` or `v`")
POSITION = Column("position", "Position", "text", "The part that a position plays (`headwise.interventions.token_roles`); empty for everywhere")  # fmt: skip


def effect(name: str, title: str, meaning: str, unit: Unit = "number") -> Columns:
    """A mean over sentences with its interval."""
    return Columns(Column(name, title, unit, meaning), interval(name, unit))


def tested(family: str) -> Columns:
    """What `headwise.interventions._effects.table_of` says beside a mean."""
    return Columns(
        Column("se", "SE", "number", "Standard error of the mean over clusters"),
        Column("t", "t", "number", "The mean in units of its standard error; empty where the sign says nothing"),
        Column("p", "p alone", "number", "Of this row alone, one-sided, sign flips of whole clusters"),
        Column("p_fwer", "p", "number", f"Family-wise over {family}"),
        Column("q_fdr", "q", "number", f"False discovery rate (Benjamini-Hochberg) over {family}"),
        Column("critical", "Critical t", "number", f"How many standard errors about the means hold those of {family} at once"),
        Column("bar", "Bar", "number", "What t must exceed at 5% over the family"),
    )  # fmt: skip


def share(of: str) -> Columns:
    """The mean as a share of something."""
    return Columns(
        Column("share", "Share", "rate", f"The mean as a share of {of}"),
        interval("share", "rate"),
    )


ABLATED = Columns(
    METRIC,
    Column("name", "Head", "text", "The head that was ablated, or the name of the set of heads"),
)
DEGRADATION = Columns(
    METHOD,
    effect("degradation", "Degradation", "By how much the metric gets worse, mean over sentences"),
    tested("all heads (or sets) and methods"),
    Column("p_helps", "p helps", "number", "Family-wise, that ablating it helps"),
    share("the clean metric; empty where that is not above zero"),
    Column("share_se", "SE of share", "rate", "Standard error of the share, as of a ratio of means"),
    Column("changed", "Turned", "rate", "Share of sentences in which the more probable one of right and wrong changes"),
    Column("disagree", "Methods disagree", "text", "Whether the methods of ablating it lead to different verdicts, by their intervals"),
)  # fmt: skip
ABLATION = Columns(
    ABLATED,
    columns_of_heads(side=True),
    Column("heads", "Heads", "integer", "How many the set has; only where sets were ablated, which have no layer"),
    DEGRADATION,
)  # fmt: skip
CLEAN = Columns(METRIC, effect("value", "Clean", "Mean of the metric in the unmodified model"))
HEAD_SET = Columns(
    METRIC,
    METHOD,
    Column("heads", "Heads", "integer", "In the set"),
    effect("degradation", "Degradation", "By how much the metric gets worse when the set is ablated, mean over sentences"),
    share("the clean metric"),
    Column("share_se", "SE of share", "rate", "Standard error of the share, as of a ratio of means"),
    Column("p_degradation", "p", "number", "One-sided, that the degradation is above zero"),
    Column("sum_of_parts", "Sum", "number", "Of the degradations of its heads ablated one by one"),
    effect("excess", "More than the sum", "Degradation beyond the sum of its heads"),
    Column("random", "Random sets", "number", "Mean degradation of as many heads, on fewer sentences"),
    Column("random_max", "largest", "number", "The largest degradation of any random set"),
    Column("random_sets", "of", "integer", "Random sets"),
    Column("random_cases", "Sentences of random sets", "integer", "On which random sets, and the set beside them, were ablated"),
    Column("times", "Times", "number", "The set's degradation on those sentences over the mean of random sets"),
    Column("p_random", "p (random)", "number", "Rank of the set among random sets, on the same sentences"),
    Column("unrelated", "Elsewhere", "number", "Degradation in sentences of another question"),
    Column("unrelated_share", "Elsewhere, share", "rate", "The same as a share of the clean metric there"),
    Column("all", "Every head", "number", "Degradation when every head of the model is ablated"),
    effect("restored", "Kept alone", "1 less the degradation of ablating all others over that of ablating every head", "rate"),
    Column("restored_random", "random", "rate", "The same of random sets"),
)  # fmt: skip
PATCH_EFFECT = Columns(
    effect("effect", "Effect", "How far the metric moves towards the other sentence of the pair, mean over pairs"),
    tested("all patches of the metric and mode"),
    Column("share", "Share", "rate", "Of the difference between clean and corrupted sentences; 1 is all of it"),
    Column("changed", "Turned", "rate", "Share of pairs in which the more probable one of right and wrong changes"),
)  # fmt: skip
PATCH = Columns(
    METRIC,
    MODE,
    SITE,
    columns_of_heads(side=True),
    POSITION,
    Column(
        "pairs", "Pairs", "integer", "That have the position; the others count with an effect of 0"
    ),
    PATCH_EFFECT,
)
PATH = Columns(METRIC, MODE, columns_of_heads(side=True), PATCH_EFFECT)
ATTRIBUTION = Columns(
    SITE,
    columns_of_heads(side=True),
    POSITION,
    Column("approximate", "Approximate", "number", "Mean effect to first order: gradient times difference"),
    Column("chosen", "Measured as", "text", "Why it was measured exactly: `top`, `sample`, both, or empty where it was not"),
    effect("effect", "Effect", "Exact, of those measured: how far the metric moves towards the other sentence"),
    tested("all patches that were measured").pick("p", "p_fwer"),
    PATCH_EFFECT.pick("share"),
)  # fmt: skip
DIRECT_EFFECT = Columns(
    METRIC,
    columns_of_heads(side=True),
    effect("total", "Total effect", "Degradation when it is ablated"),
    effect("direct", "Direct effect", "The same with all later attention, MLPs and norms held as they were"),
    effect("direct_through_mlps", "through MLPs", "The same with later attention and norms held, and MLPs run"),
    effect("self_repair", "Self-repair", "Direct effect minus total effect"),
)  # fmt: skip
DOSE = Column("dose", "Dose", "number", "Steps of the direction towards the other class; below 0, away from it")  # fmt: skip
RANDOM = Column(
    "random", "random", "number", "The same with random directions of the same length, mean"
)
FLIPPED = Column("flipped", "Flipped", "rate", "Share of the sentences of which the clean model is right of which it is wrong when steered")  # fmt: skip
FLIPPED_RANDOM = Column("flipped_random", "Random", "rate", "The same with random directions of the same length, mean")  # fmt: skip
DAMAGE = Columns(
    Column("beside", "In the sentence", "number", "Off-target change at other positions of the same sentences (KL in nats; 1 - cosine of a model that says nothing)"),
    RANDOM.but(name="beside_random"),
    Column("elsewhere", "Elsewhere", "number", "Off-target change in sentences of another question, in the same unit"),
    RANDOM.but(name="elsewhere_random"),
)  # fmt: skip
STEERED = Columns(
    METRIC,
    DOSE,
    effect("value", "Metric", "Mean of the metric when steered"),
    Column("clean", "Clean", "number", "Mean of the metric in the unmodified model"),
    RANDOM,
    FLIPPED,
    FLIPPED_RANDOM,
    Column("flipped_random_max", "Random, most", "rate", "The same of the random direction that flips most"),
    DAMAGE,
)  # fmt: skip
POOLED = Columns(
    DOSE,
    Column("sentences", "Sentences", "integer", "Of which the clean model is right"),
    FLIPPED,
    interval("flipped", "rate", "groups"),
    FLIPPED_RANDOM,
    Column("value", "Metric", "number", "Mean of the metric when steered"),
    RANDOM,
    DAMAGE,
)
