"""Suites from files: TOML, CoNLL-U, CoarseWSD-20, pairs as rows, BLiMP or SyntaxGym."""

from pathlib import Path

from headwise._formatting import brief
from headwise._validate import as_path
from headwise.errors import BadSuite

from . import coarsewsd, conllu, toml
from .pairs import rows, syntaxgym
from .shipped import names
from .suite import Suite


def read_suite(path: str | Path) -> Suite:
    """Reads a suite in any of the formats that Headwise knows.

    Args:
        path: The name of a suite that comes with Headwise (`"mole"`), a `.toml` suite, a `.conllu` treebank, minimal pairs as `.csv`, `.tsv` or `.jsonl` (rows, or
            a BLiMP paradigm), a SyntaxGym `.json`, or a CoarseWSD-20 word folder (`train.data.txt`, `train.gold.txt`, `test.data.txt`, `test.gold.txt`, `classes_map.txt`).

    Raises:
        HeadwiseError: The path does not exist, is of no known format or holds an error; the message
            names the file and, where there is one, the line.
    """
    path = as_path(path)
    if not path.exists():
        shipped = names("probes")
        if str(path) not in shipped:
            raise BadSuite(
                f"There is no file or folder {brief(path, 200)} to read sentences from. Suites that come with Headwise are read by their names: "
                f"{', '.join(shipped)}."
            )
        path = shipped[str(path)]
    if path.is_dir():
        return coarsewsd.read(path)
    readers = {
        ".toml": toml.read, ".conllu": conllu.read, ".json": syntaxgym.read,
        ".csv": rows.read, ".tsv": rows.read, ".jsonl": rows.read,
    }  # fmt: skip
    if path.suffix not in readers:
        raise BadSuite(
            f"{path}: cannot tell what format this is. Expected a .toml suite, a .conllu treebank, pairs as .csv or .jsonl (BLiMP's, too), a SyntaxGym .json or a "
            f"CoarseWSD-20 folder; got a file ending in {brief(path.suffix)}."
        )
    return readers[path.suffix](path)
