"""Heads of which one kind of evidence says something."""

import numpy as np
import pandas as pd


def known(kind, said, effect, **more):
    """Heads L0H0, L0H1, ... of which one kind of evidence says something."""
    n = len(said)
    numbers = {f"{kind}_{name}": np.array(effect) + add for name, add in (("effect", 0), ("low", -0.1), ("high", 0.1), ("p", 0))}  # fmt: skip
    return pd.DataFrame({"layer": 0, "head": range(n), kind: said, **numbers, **more})
