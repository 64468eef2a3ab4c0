"""Readers of suites: seconds for files of 10 kB to 10 MB, ordinary ones and ones that are hard to read.

    uv run benchmarks/readers.py [--most 10000000]

Time should grow with the file and no faster: a file ten times as long takes ten times as long. Prints seconds for each kind of file and size;
what a reader refuses is timed like what it reads. Times on a shared machine mean little; the ratio of one row does.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import headwise

console = Console(highlight=False)
HEAD = 'format = 1\nname = "s"\n[labels]\na = "b"\n'
ROW = "{}\tmole\t_\tNOUN\t_\t_\t{}\tdep\t_\t_\n"


def one(line: str) -> str:
    """A suite of one sentence."""
    return f'{HEAD}[[groups]]\nname = "g"\nsentences = ["""{line}"""]\n'


def rows(n: int, head: Callable[[int], int]) -> str:
    """A sentence of CoNLL-U."""
    return "".join(ROW.format(i, head(i)) for i in range(1, n + 1)) + "\n"


# Each kind of file by its number of characters, roughly.
FILES: dict[str, Callable[[int], str]] = {
    "groups.toml": lambda n: HEAD + "".join(f'[[groups]]\nname = "g{i}"\nsentences = ["mole {i}"]\n' for i in range(n // 50)),
    "escapes.toml": lambda n: HEAD + '[[groups]]\nname = "g"\nsentences = [' + "".join(f'"\\"mole\\" {i}",' for i in range(n // 20)) + "]",
    "marks.toml": lambda n: one("[mole|a] x " * (n // 11)),
    "links.toml": lambda n: one("".join(f"[mole|a#{i}>{i}] " for i in range(n // 20))),
    "words.toml": lambda n: one("mole " * (n // 5)),
    "one word.toml": lambda n: one("mole-" * (n // 5)),
    "brackets.toml": lambda n: one("[[" * (n // 2)),
    "unclosed.toml": lambda n: one("[" + "mole" * (n // 4)),
    "nested.toml": lambda n: HEAD + "x = " + "[" * n,
    "keys.toml": lambda n: HEAD + ".".join("a" * (n // 2)) + " = 1",
    "digits.toml": lambda n: HEAD + "x = " + "1" * n,
    "problems.toml": lambda n: HEAD + "".join(f"k{i} = 1\n" for i in range(n // 10)),
    "sentences.conllu": lambda n: rows(10, lambda i: i - 1) * (n // 270),
    "chain.conllu": lambda n: rows(n // 30, lambda i: i - 1),
    "chain back.conllu": lambda n: rows(n // 30, lambda i: (i + 1) % (n // 30 + 1)),
    "comments.conllu": lambda n: "# newdoc id = a\n" * (n // 16) + rows(2, lambda i: i - 1),
    "ranges.conllu": lambda n: "".join(f"{i}-{i}\tmole" + "\t_" * 8 + "\n" + ROW.format(i, 0) for i in range(1, n // 60)),
    "folder": lambda n: "1\tthe mole dug\n" * (n // 15),
}  # fmt: skip


def seconds(folder: Path, kind: str, written: str) -> float:
    """How long a file takes to be read or refused."""
    path = folder / kind
    if kind == "folder":
        path.mkdir(exist_ok=True)
        senses = "0\n" * written.count("\n")
        for name, text in {"classes_map.txt": '{"0": "a"}', "train.data.txt": written, "train.gold.txt": senses, "test.data.txt": "", "test.gold.txt": ""}.items():  # fmt: skip
            (path / name).write_text(text, encoding="utf-8")
    else:
        path.write_text(written, encoding="utf-8")
    start = time.perf_counter()
    try:
        headwise.read_suite(path)
    except headwise.HeadwiseError as error:
        assert len(str(error)) < 1000
    return time.perf_counter() - start


def main(
    most: Annotated[int, typer.Option(help="Characters of the largest files.")] = 10_000_000,
) -> None:
    """Every kind of file in every size."""
    sizes = [size for size in (10_000, 100_000, 1_000_000, 10_000_000) if size <= most]
    console.print(f"{'seconds':20}" + "".join(f"{size // 1000:>10} kB" for size in sizes))
    with tempfile.TemporaryDirectory() as folder:
        seconds(Path(folder), "words.toml", FILES["words.toml"](100))  # imports
        for kind, made in FILES.items():
            found = [seconds(Path(folder), kind, made(size)) for size in sizes]
            console.print(f"{kind:20}" + "".join(f"{one:>13.3f}" for one in found))


if __name__ == "__main__":
    typer.run(main)
