"""Analyses: found by name or path, with the suite that each uses and what replaces it for burrow."""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from headwise.data import shipped
from headwise.errors import HeadwiseError
from headwise.report.schema import Report

if TYPE_CHECKING:
    from headwise.data.suite import Suite
    from headwise.model.model import Model


@dataclass(frozen=True)
class Analysis:
    """A script that answers one question.

    Attributes:
        name: Its file name without ending.
        path: The file.
        suite: Name of its suite; empty if it uses no sentences (`SUITE = None`).
        generated: What replaces the suite for burrow: a phenomenon of `headwise.burrow_sentences`; empty for the same suite.
        pairs: Name of its suite of minimal pairs; empty for none.
        generated_pairs: What replaces the pairs for burrow: a phenomenon of `headwise.burrow_pairs`.
        options: Parameters of `analyse` that the command line sets: `relations`, `label`, `position`, `pairs`, `shape`.
        analyse: Called as `analyse(model, suite, seed=..., smoke=...)`; returns a `Report`.
    """

    name: str
    path: Path
    suite: str
    generated: str
    pairs: str
    generated_pairs: str
    options: frozenset[str]
    analyse: Callable[..., Report]


def find_analysis(name: str) -> Path:
    """File of an analysis, by name or by path.

    Raises:
        HeadwiseError: There is none.
    """
    if not name.endswith(".py"):
        return shipped.find("analyses", name)
    if not Path(name).is_file():
        raise HeadwiseError(f"There is no analysis file {name!r}.")
    return Path(name)


def load_analysis(path: Path) -> Analysis:
    """Imports an analysis, and with it what it needs: torch, most likely.

    Raises:
        HeadwiseError: The file is not Python, ends in an error when it is read, or does not define `analyse` with the arguments that it is called with.
    """
    spec = importlib.util.spec_from_file_location(f"headwise_analysis_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        where = f"{path}:{error.lineno}" if error.lineno else f"{path}"
        raise HeadwiseError(f"{where}: not valid Python: {error.msg}.") from error
    except (Exception, SystemExit) as error:
        own = [
            f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)
        ]
        where = f"{path}:{own[-1]}" if own else f"{path}"
        raise HeadwiseError(f"{where}: reading it ended in {type(error).__name__}: {str(error)[:300]}.") from error  # fmt: skip
    analyse = getattr(module, "analyse", None)
    if not callable(analyse):
        raise HeadwiseError(
            f"{path}: an analysis defines `def analyse(model, suite, *, seed, smoke)` and returns a "
            "headwise.Report; this file does not. See docs/analyses.md."
        )
    suite = str(getattr(module, "SUITE", path.stem) or "")
    generated, pairs, generated_pairs = (
        str(getattr(module, name, "")) for name in ("BURROW", "PAIRS", "BURROW_PAIRS")
    )
    parameters = inspect.signature(analyse).parameters
    options = frozenset(parameters)
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    needed = {name for name, one in list(parameters.items())[2:] if one.default is one.empty and one.kind in (one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD)}  # fmt: skip
    if not (takes_any or {"seed", "smoke"} <= options) or needed - {"seed", "smoke", "pairs"}:
        raise HeadwiseError(
            f"{path}: analyse is called as analyse(model, suite, seed=0, smoke=False), and this one takes ({', '.join(map(str, parameters.values()))}). "
            "Give it these arguments, and a default for every other one."
        )
    return Analysis(
        path=path,
        name=path.stem,
        suite=suite,
        generated=generated,
        pairs=pairs,
        generated_pairs=generated_pairs or generated,
        options=options,
        analyse=cast(Callable[..., Report], analyse),
    )


def other_pairs(model: "Model", name: str, *, smoke: bool) -> "Suite":
    """Minimal pairs of another question than a suite's, to measure off-target effects.

    Args:
        model: The model; burrow is tested in its own English.
        name: The suite whose question is excluded.
        smoke: Whether to take a few only.
    """
    from headwise.burrow.grammar.pairs import burrow_pairs
    from headwise.data.reading import read_suite
    from headwise.interventions.prompts import that_fit

    if _knows_grammar(model):
        return burrow_pairs(
            "adjectives" if "mole" in name else "mole", 20 if smoke else 100, held_out=True
        )
    other = "adjective_pairs" if "mole" in name else "mole_pairs"
    pairs = that_fit(model, read_suite(shipped.find_suite(other)))
    return pairs.sample_groups(8, 2) if smoke else pairs


def bindings(model: "Model", *, smoke: bool) -> "Suite":
    """Sentences in which two nouns have adjectives of opposite kinds, one of the nouns marked with the kind of its own.

    Args:
        model: The model; burrow is tested in its own English.
        smoke: Whether to take a few only.
    """
    from headwise.burrow.grammar.sentences import burrow_sentences
    from headwise.data.reading import read_suite

    if _knows_grammar(model):
        return burrow_sentences("binding", 60 if smoke else 400)
    suite = read_suite(shipped.find_suite("adjective_binding"))
    return suite.sample_groups(12) if smoke else suite


def _knows_grammar(model: "Model") -> bool:
    """Whether a model is burrow, or one of its shape with random weights: both know no other words."""
    return model.name.split()[0] == "burrow"
