"""Carries (probing): whether a label can be decoded from each head's output."""

import numpy as np
import pandas as pd

from headwise._formatting import Verdict
from headwise.probing import ProbeResult
from headwise.probing.classifiers import HEADLINE, Classifier
from headwise.probing.gains import Choice, is_small

from .rules import CARRIES, INCONCLUSIVE, NO, YES

NUMBERS = (
    "gain", "gain_low", "gain_high", "gain_se", "p_fwer", "t", "critical", "control", "control_t", "detectable", "balanced_accuracy",
)  # fmt: skip


def carries(
    result: ProbeResult, classifier: Classifier = HEADLINE, *, site: str = "z"
) -> pd.DataFrame:
    """Whether a label can be decoded from each head's output better than from any baseline.

    `yes` if the gain over the best baseline is at least `rules.SMALLEST`, its family-wise p over heads is below 5%, and its t exceeds that of every
    head of every control; `no` if a gain of that size is ruled out simultaneously over heads. That is one-sided: a head below the baseline
    carries nothing beyond it, by whatever margin.

    Returns:
        One row per head: `layer`, `head`, `carries`; `carries_effect`, its gain, with `carries_low`, `carries_high`, `carries_p` (family-wise),
        `carries_control` (the largest gain of any head of any control) and `carries_detectable`; and `carries_accuracy` (balanced).
    """
    found = _decided(result, classifier, site)
    found["head"] = found["head"].astype(int)
    return found


def carries_by_layer(result: ProbeResult, classifier: Classifier = HEADLINE) -> pd.DataFrame:
    """The same for every layer of the residual stream, as a family of its own, because a layer sums all earlier heads."""
    return _decided(result, classifier, "residual").drop(columns="head")


def _decided(result: ProbeResult, classifier: str, site: str) -> pd.DataFrame:
    t = result.table
    rows: pd.DataFrame = t.loc[(t["site"] == site) & (t["classifier"] == classifier)]
    numbers = {name: rows[name].to_numpy(float) for name in NUMBERS}
    decided = CARRIES.decide(
        effect=numbers["gain"],
        p_fwer=numbers["p_fwer"],
        t=numbers["t"],
        control_t=numbers["control_t"],
        is_small=is_small(
            numbers["gain"],
            numbers["gain_se"],
            numbers["critical"],
            numbers["balanced_accuracy"] - numbers["gain"],
            CARRIES.smallest,
        ),
        cases=rows["cases"].to_numpy(int),
        clusters=rows["clusters"].to_numpy(int),
    )
    return pd.DataFrame(
        {
            "layer": rows["layer"].to_numpy(int),
            "head": rows["head"].to_numpy(),
            "carries": decided,
            "carries_effect": numbers["gain"],
            "carries_low": numbers["gain_low"],
            "carries_high": numbers["gain_high"],
            "carries_p": numbers["p_fwer"],
            "carries_control": numbers["control"],
            "carries_control_t": numbers["control_t"],
            "carries_detectable": numbers["detectable"],
            "carries_accuracy": numbers["balanced_accuracy"],
        }
    )


def verdict(choice: Choice) -> Verdict:
    """The verdict on the best place of a site, by the rule of `carries` with p combined over halvings."""
    one = np.array([choice.gain.value])
    (decided,) = CARRIES.decide(
        effect=one,
        p_fwer=np.array([choice.p]),
        t=np.array([choice.t]),
        control_t=choice.control_t,
        is_small=is_small(
            one,
            np.array([choice.gain_se]),
            np.array([choice.critical]),
            np.array([choice.accuracy.value - choice.gain.value]),
            CARRIES.smallest,
        ),
        cases=choice.cases,
        clusters=choice.clusters,
    )
    words: dict[str, Verdict] = {
        YES: "supported",
        NO: "not supported",
        INCONCLUSIVE: "inconclusive",
    }
    return words[decided]
