"""Runs the requested analyses on every model and writes each report into its own folder."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from headwise._progress import waiting
from headwise.data import shipped
from headwise.data.reading import read_suite
from headwise.data.suite import Suite
from headwise.errors import HeadwiseError
from headwise.model import registry
from headwise.report import check_writable
from headwise.report.schema import Report, slug_of
from headwise.weights.shapes import shape_of

from . import discovery
from ._executing import Request, Task, execute

N_GENERATED = 400  # sentences that burrow is asked where no others are given
N_PAIRS = 200  # and minimal pairs
# Options of analyses: how the command line calls them, and an analysis that takes them.
EXAMPLES = {
    "relations": ("--relation", "relations"),
    "label": ("--label", "mole"),
    "position": ("--position", "mole"),
    "shape": ("--shape", "parameters"),
}


def run(request: Request) -> Iterator[tuple[Report, Path]]:
    """Runs a request; all inputs are checked before the first model is loaded.

    Yields:
        Each report with the path of its page, as soon as it is written.

    Raises:
        HeadwiseError: An analysis, a model or data do not exist or cannot be used.
    """
    paths = [discovery.find_analysis(name) for name in request.analyses or _all_analyses()]
    if request.data is not None and len(paths) != 1:
        raise HeadwiseError(
            f"--data replaces the suite of one analysis, and {len(paths)} are to run. Name one, as in: "
            f"headwise run {paths[0].stem} --data {request.data}"
        )
    given = read_suite(request.data) if request.data is not None else None
    model_names = _model_names(request)
    sources = [registry.find(name) for name in model_names]
    found = [source.name for source in sources]
    folders = Counter(slug_of(path.stem, model) for path in paths for model in found)
    if twice := [folder for folder, n in folders.items() if n > 1]:
        raise HeadwiseError(
            f"Two reports of this run would be written to {twice[0]!r}: an analysis or a model is named twice, or two files have one name. Leave one out, or rename it."
        )
    check_writable(request.out)
    with waiting("loading libraries"):
        analyses = [discovery.load_analysis(path) for path in paths]
    if request.pairs is not None and (
        deaf := [a.name for a in analyses if "pairs" not in a.options]
    ):
        raise HeadwiseError(
            f"{deaf[0]} takes no pairs. Name an analysis that does, as in: headwise run mole "
            f"--pairs {request.pairs}"
        )
    for option, value in request.options.items():
        if deaf := [analysis.name for analysis in analyses if option not in analysis.options]:
            flag, example = EXAMPLES[option]
            raise HeadwiseError(
                f"{deaf[0]} takes no {flag}. Name an analysis that does, as in: "
                f"headwise run {example} {flag} {str(value if isinstance(value, str | int) else value[0])!r}"
            )
    if given is not None and not analyses[0].suite:
        raise HeadwiseError(
            f"{analyses[0].name} uses no sentences, so --data {request.data} has nothing to replace. Leave it out."
        )
    suites = {
        (analysis.name, name): given or suite_of(analysis, name, request.seed)
        for analysis in analyses
        if analysis.suite
        for name in model_names
    }
    own_pairs = read_suite(request.pairs) if request.pairs is not None else None
    if own_pairs is not None and not own_pairs.pairs:
        raise HeadwiseError(
            f"{request.pairs} holds no pairs of a clean and a corrupted sentence; see docs/suites.md."
        )
    pairs = {
        (analysis.name, name): own_pairs or pairs_of(analysis, name, given, request.seed)
        for analysis in analyses
        for name in model_names
        if "pairs" in analysis.options
    }
    if request.smoke:
        suites = {
            key: suite.sample_groups(40, 1) if suite.pairs else suite.sample_groups(24, 3)
            for key, suite in suites.items()
        }
        pairs = {key: suite and suite.sample_groups(8, 2) for key, suite in pairs.items()}
    places = [(name, s.folder is not None) for name, s in zip(model_names, sources, strict=True)]
    tasks = [
        Task(
            request,
            analysis.path,
            name,
            suites.get((analysis.name, name)),
            dict(request.options)
            | ({"pairs": pairs[analysis.name, name]} if (analysis.name, name) in pairs else {}),
            is_folder,
        )
        for name, is_folder in places or [("", False)]
        for analysis in analyses
    ]
    for task in tasks:
        if task.model:
            task.check_place(task.model)
    return execute(tasks)


def _model_names(request: Request) -> list[str]:
    """The models to run on; none for a shape, which has no weights."""
    if "shape" not in request.options:
        return list(request.models) or registry.default_names()
    shape = str(request.options["shape"])
    shape_of(shape)
    if request.models:
        raise HeadwiseError(
            f"--shape {shape} replaces a model, and --model {request.models[0]} names one. Leave one of them out."
        )
    return []


def suite_of(analysis: discovery.Analysis, model_name: str, seed: int) -> Suite:
    """The suite of an analysis for a model: burrow is tested in the English of its own grammar."""
    if model_name == "burrow" and analysis.generated:
        from headwise.burrow.grammar.sentences import burrow_sentences

        return burrow_sentences(analysis.generated, N_GENERATED, seed=seed)
    if model_name == "burrow" and analysis.generated_pairs:
        return _generated_pairs(analysis.generated_pairs, seed)
    return read_suite(shipped.find_suite(analysis.suite))


def pairs_of(
    analysis: discovery.Analysis, model_name: str, given: Suite | None, seed: int
) -> Suite | None:
    """Minimal pairs of an analysis: those of the data, or its own if the data are its own."""
    if given is not None:
        return given if given.pairs else None
    if model_name == "burrow":
        return _generated_pairs(analysis.generated_pairs, seed)
    return read_suite(shipped.find_suite(analysis.pairs))


def _generated_pairs(phenomenon: str, seed: int) -> Suite:
    from headwise.burrow.grammar.pairs import burrow_pairs

    return burrow_pairs(phenomenon, N_PAIRS, seed=seed, held_out=True)


def _all_analyses() -> list[str]:
    found = list(shipped.names("analyses"))
    if not found:
        raise HeadwiseError("There are no analyses here, in the checkout or in the package.")
    return found
