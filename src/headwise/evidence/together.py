"""All kinds of evidence on each head, side by side."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy import ndarray

from headwise._formatting import MINUS, Unit

from .rules import CARRIES, COLLECTS, KINDS, LOOKS, LOOKS_ALONG, MATTERS, MOVES, Rule


def rule_of(kind: str, heads: pd.DataFrame) -> Rule:
    """The rule of a kind of evidence in a frame; two kinds have two versions."""
    if kind == "looks":
        return LOOKS_ALONG if "looks_relation" in heads else LOOKS
    if kind == "moves":
        return COLLECTS if "moves_own" in heads else MOVES
    return {"carries": CARRIES, "matters": MATTERS}[kind]


def controls_line(heads: pd.DataFrame) -> str:
    """The largest effect of any head of the controls, kind by kind, in a sentence; empty where no control was run.

    Args:
        heads: What `side_by_side` gives; `<kind>_control` is the largest effect of any head of any control, `<kind>_control_t` the largest t.
    """
    parts: list[str] = []
    for kind in KINDS:
        if kind in heads and f"{kind}_control" in heads:
            reached, t = (
                float(np.max(heads[f"{kind}_{name}"].to_numpy(dtype=float)))
                for name in ("control", "control_t")
            )
            known = "" if np.isnan(t) else f" (t {t:.1f})".replace("-", MINUS)
            parts.append(f"{kind} {written(reached, rule_of(kind, heads).unit)}{known}")
    if not parts:
        return ""
    return (
        "Controls (never-trained models of the same shape, uniform attention, permuted links or labels): the largest effect of any of their heads is "
        f"{', '.join(parts)}. A head is a yes only if its t, the effect in standard errors, is larger than the largest of theirs."
    )


def written(value: float, unit: Unit) -> str:
    """An effect in the unit of its kind, as in a sentence."""
    if np.isnan(value):
        return "n/a"
    if unit == "rate":
        return f"{100 * value:.1f}%".replace("-", MINUS)
    if unit == "difference":
        return f"{100 * value:+.1f} points".replace("-", MINUS)
    return f"{value:.2f}".replace("-", MINUS)


def side_by_side(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The evidence on each head in one row; kinds that were not tested are left out.

    Returns:
        Columns `name` (`L2H8`), `layer`, `head`, and those of the frames.
    """
    merged = reduce(lambda a, b: a.merge(b, on=["layer", "head"], how="outer"), frames)
    names = [f"L{la}H{h}" for la, h in zip(merged["layer"], merged["head"], strict=True)]
    merged.insert(0, "name", names)
    return merged


def where(heads: pd.DataFrame, **conditions: str) -> list[str]:
    """Names of the heads that satisfy all conditions, such as `where(heads, looks='yes', matters='no')`."""
    chosen: Bool[ndarray, " head"] = np.ones(len(heads), dtype=bool)
    for kind, answer in conditions.items():
        chosen &= (heads[kind] == answer).to_numpy() if kind in heads else False
    return [str(name) for name in heads["name"].to_numpy()[chosen]]
