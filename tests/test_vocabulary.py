"""One vocabulary: words that the glossary retires stand in no text that users read."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "headwise"
GLOSSARY = ROOT / "docs" / "glossary.md"
TABLE = "## Instead of these words"


RETIRED = {
    "ablate, truncate, split": r"\bcut(s|ting)?\b|\btak(e|es|ing)\b.{0,12} heads?\b.{0,5}away",
    "degradation, effect; time, memory": r"\bcost(s|ing)?\b",
    "clean, unmodified": r"\bintact\b",
    "direct contribution": r"\bpush(es|ed|ing)?\b",
    "OV image": r"(?<!\bOV )(?<!own )\bimages?\b",
    "model-free baseline": r"\bknows? no(thing)?\b",
    "test, measure, request": r"\basked\b|\basks\b",
    "report, predict, state": r"\b(told|said|foretold|tells)\b",
    "inconclusive": r"\bcannot be told\b",
    "cluster bootstrap": r"\bdrawn again\b",
    "sign-flip test over groups": r"\bsigns\b.{0,40}\bflipped\b",
    "permuted": r"\bdealt out\b",
    "separated, distinguish, separately": r"\bapart\b",
    "non-adjacent": r"\bwords between\b",
    "reference tokens": r"\bstand-?ins?\b|\bdonors?\b",
    "KL divergence of the next-token distribution": r"\bnats between\b|\bsays? next\b",
    "more probable": r"\blikelie(r|st)\b",
    "self-repair, compensate": r"\bma(ke|kes|de) up for\b",
    "query (attends), key (attended to)": r"\b(look|looks|looked|looking) (at|from|along)\b|\blookers?\b"
    r"|\bwho( should)? looks?\b",
    "attends to": r"\bwhere (a |each |every )?(head|heads|it|they|each|everything)( should)? looks?\b",
    "a component, not a person": r"\bwho (pushes|speaks|answers|decides)\b|\bwhom\b",
    "contradict": r"\bdenies\b|\bdenied\b",
    "further findings and limitations": r"\bwhat was not found\b",
    "online code length": r"\blearns on the way\b|\bto somebody\b",
}

# Where such a word has another meaning, and no better one.
ALLOWED = (
    r"what (a|(does )?its) context costs?",  # time and memory, the only cost there is
    r"The mole pushed up the soil|\*pushed\* to",  # burrow's English
    r"What does BERT look at\?",  # a title
    r"image/svg\+xml|image/png|img-src",  # pictures of a page
)

WRITTEN_BY_A_GRAMMAR = (
    "burrow/grammar/",
    "data/ioi.py",
)  # strings that are English to be read by a model


def _strings(tree: ast.AST, *, with_literals: bool) -> Iterator[tuple[int, str]]:
    """Docstrings of what is public and, where wanted, every literal that is a text and no name."""
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            docstring = node.body[0]
            assert isinstance(docstring, ast.Expr)
            docstrings.add(id(docstring.value))
            if not getattr(node, "name", "").startswith("_"):
                yield docstring.lineno, ast.get_docstring(node) or ""
    for node in ast.walk(tree) if with_literals else ():
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ) and " " in node.value:
            yield node.lineno, node.value


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of everything in a file that a user may read."""
    written = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        generated = any(str(path).startswith(str(PACKAGE / name)) for name in WRITTEN_BY_A_GRAMMAR)
        yield from _strings(ast.parse(written), with_literals=not generated)
    elif path.suffix == ".js":
        for number, line in enumerate(written.splitlines(), 1):
            code = line.split("// ")[0]
            yield from (
                (number, found[0]) for found in re.finditer(r'"[^"]* [^"]*"|`[^`]* [^`]*`', code)
            )
    else:
        if path == GLOSSARY:
            written = written[: written.index(TABLE)]
        written = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", written) if path.suffix == ".j2" else written
        yield from enumerate(written.splitlines(), 1)


def _files() -> list[Path]:
    prose = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "benchmarks/README.md",
        *(ROOT / "docs").glob("*.md"),
    ]
    code = [*PACKAGE.rglob("*.py"), *(ROOT / "analyses").glob("*.py")]
    page = [*PACKAGE.rglob("*.j2"), *PACKAGE.rglob("*.js")]
    return sorted(prose + code + page)


def found_in(text: str) -> list[str]:
    """Retired words in a text, each with what to write instead."""
    text = re.sub("|".join(ALLOWED), "", re.sub(r"\s+", " ", text), flags=re.IGNORECASE)
    return [
        f"{match[0]!r}: write {instead}"
        for instead, pattern in RETIRED.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_retired_word(path):
    found = [
        f"{path.relative_to(ROOT)}:{line}: {problem}"
        for line, text in _texts(path)
        for problem in found_in(text)
    ]
    assert not found, "\n".join(found)


def test_the_glossary_lists_what_is_looked_for():
    """Its table and the patterns are two writings of one list."""
    table = GLOSSARY.read_text(encoding="utf-8").split(TABLE)[1]
    rows = re.findall(r"^\| (?!instead|-)(.+?) \| (.+?) \|$", table, re.M)
    unknown = [row for row, _ in rows if not found_in(row)]
    assert not unknown
    listed = {re.sub(r"^.*: write ", "", problem) for row, _ in rows for problem in found_in(row)}
    assert listed == set(RETIRED)


def test_what_is_written_instead_is_no_retired_word():
    table = GLOSSARY.read_text(encoding="utf-8").split(TABLE)[1]
    for _, instead in re.findall(r"^\| (?!instead|-)(.+?) \| (.+?) \|$", table, re.M):
        assert not found_in(instead)
