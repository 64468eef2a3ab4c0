"""CoarseWSD-20 word folders: one ambiguous word, its senses, and a split of the data's own.

Each line of `*.data.txt` is the position of the word, a tab, and a sentence whose words are
separated by single spaces; the same line of `*.gold.txt` is the number of its sense and
`classes_map.txt` names the senses (Loureiro, Rezaee, Pilehvar and Camacho-Collados 2021).
"""

import json
from pathlib import Path
from typing import Literal

from headwise._files import hash_files, read_text
from headwise.errors import BadSuite

from .suite import Mark, Sentence, Suite

FILES = (
    "classes_map.txt",
    "train.data.txt",
    "train.gold.txt",
    "test.data.txt",
    "test.gold.txt",
)


def read(folder: Path) -> Suite:
    """Reads one word's folder.

    Raises:
        HeadwiseError: A file is missing, data and gold have different numbers of lines, or a line
            names a position or a sense that does not exist; file and line are named.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise BadSuite(
            f"{folder}: a CoarseWSD-20 word folder holds {', '.join(FILES)}; missing: {', '.join(missing)}."
        )
    word = folder.resolve().name
    senses = _senses(folder / "classes_map.txt", word)
    sentences = [
        *_part(folder, "train", senses),
        *_part(folder, "test", senses),
    ]
    return Suite(
        name=word,
        question=f"Where in the model does {word} get its sense?",
        sentences=tuple(sentences),
        labels={sense: f"{word}, in the sense {sense}" for sense in senses.values()},
        path=str(folder),
        sha256=hash_files(folder / name for name in FILES),
    )


def _senses(path: Path, word: str) -> dict[str, str]:
    """Sense names by number; the file repeats the word before each of them."""
    try:
        senses: object = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise BadSuite(f"{path}:{error.lineno}: not JSON ({error.msg}).") from error
    if not isinstance(senses, dict) or not senses:
        raise BadSuite(f"{path}: expected an object that maps sense numbers to names.")
    return {str(number): str(name).removeprefix(f"{word}_") for number, name in senses.items()}


def _part(folder: Path, split: Literal["train", "test"], senses: dict[str, str]) -> list[Sentence]:
    data_path, gold_path = folder / f"{split}.data.txt", folder / f"{split}.gold.txt"
    data, gold = (read_text(path).splitlines() for path in (data_path, gold_path))
    if len(data) != len(gold):
        raise BadSuite(
            f"{folder}: {data_path.name} has {len(data)} lines and {gold_path.name} has {len(gold)}; "
            "they must be equal, one sense for each sentence."
        )
    sentences: list[Sentence] = []
    for number, (line, sense) in enumerate(zip(data, gold, strict=True), start=1):
        position, _, text = line.partition("\t")
        words = tuple(text.split())
        if not position.isdecimal() or int(position) >= len(words):
            raise BadSuite(
                f"{data_path}:{number}: expected the position of the word, a tab and the sentence; "
                f"got position {position[:20]!r} in a sentence of {len(words)} words."
            )
        if sense.strip() not in senses:
            raise BadSuite(
                f"{gold_path}:{number}: unknown sense {sense.strip()!r}; classes_map.txt has "
                f"{', '.join(senses)}."
            )
        sentences.append(
            Sentence(
                words=words,
                spaces=(True,) * len(words),
                group=f"{split}:{number}",
                marks=(Mark(int(position), senses[sense.strip()]),),
                split=split,
                source=f"{data_path.name}:{number}",
            )
        )
    return sentences
