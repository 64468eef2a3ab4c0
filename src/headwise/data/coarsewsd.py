"""CoarseWSD-20 word folders: one ambiguous word, its senses, and a split of the data's own.

Each line of `*.data.txt` is the position of the word, a tab, and a sentence whose words are
separated by spaces; the same line of `*.gold.txt` is the number of its sense and
`classes_map.txt` names the senses (Loureiro, Rezaee, Pilehvar and Camacho-Collados 2021).
"""

import json
import re
from pathlib import Path
from typing import Literal

from headwise._files import hash_files, read_lines, read_text
from headwise._formatting import brief, listing
from headwise.errors import BadSuite

from .suite import Mark, Sentence, Suite

POSITION = re.compile("[0-9]{1,9}")
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
        HeadwiseError: A file is missing or empty, data and gold have different numbers of lines, senses are no names that differ, or a line
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
    if not sentences:
        raise BadSuite(f"{folder}: no sentence in this folder; its data files are empty.")
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
    except (
        ValueError,
        RecursionError,
    ) as error:  # a number of thousands of digits, or deep nesting
        raise BadSuite(f"{path}: not a map of senses ({brief(error)}).") from error
    if not isinstance(senses, dict) or not senses:
        raise BadSuite(f"{path}: expected an object that maps sense numbers to names.")
    names: dict[str, str] = {}
    for number, name in senses.items():
        if not isinstance(name, str) or not name.removeprefix(f"{word}_"):
            raise BadSuite(f"{path}: the sense {brief(number)} is {brief(name)}; expected a name.")
        names[str(number)] = name.removeprefix(f"{word}_")
    if len(set(names.values())) < len(names):
        raise BadSuite(f"{path}: two senses have one name ({listing(names.values())}).")
    return names


def _part(folder: Path, split: Literal["train", "test"], senses: dict[str, str]) -> list[Sentence]:
    data_path, gold_path = folder / f"{split}.data.txt", folder / f"{split}.gold.txt"
    data, gold = (read_lines(path) for path in (data_path, gold_path))
    if len(data) != len(gold):
        raise BadSuite(
            f"{folder}: {data_path.name} has {len(data)} lines and {gold_path.name} has {len(gold)}; "
            "they must be equal, one sense for each sentence."
        )
    sentences: list[Sentence] = []
    for number, (line, sense) in enumerate(zip(data, gold, strict=True), start=1):
        position, _, text = line.partition("\t")
        words = tuple(word for word in re.split("[ \t]+", text) if word)
        if not POSITION.fullmatch(position) or int(position) >= len(words):
            raise BadSuite(
                f"{data_path}:{number}: expected the position of the word, a tab and the sentence; "
                f"got position {brief(position, 20)} in a sentence of {len(words)} words."
            )
        if sense.strip() not in senses:
            raise BadSuite(
                f"{gold_path}:{number}: unknown sense {brief(sense.strip())}; classes_map.txt has "
                f"{listing(senses)}."
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
