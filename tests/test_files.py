"""Saved objects: what is read back is what was written, whatever happened to the file in between."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from headwise import HeadwiseError, _files


class Header(BaseModel):
    name: str
    layer: int
    scale: float | None = None


HEADER = Header(name="mole", layer=12)
ARRAYS = {"vector": np.arange(6.0).reshape(2, 3), "bias": np.array([0.5, -1.0])}


@pytest.fixture
def saved(tmp_path) -> Path:
    return _files.write(tmp_path / "saved", "thing", "headwise-thing-2", HEADER, ARRAYS)


def read(path: Path):
    return _files.read(path, "thing", "headwise-thing-2", Header)


def is_what_was_written(path: Path) -> bool:
    header, arrays = read(path)
    return header == HEADER and arrays.keys() == ARRAYS.keys() and all(np.array_equal(arrays[name], x) for name, x in ARRAYS.items())  # fmt: skip


def test_what_is_written_is_read(saved):
    assert is_what_was_written(saved)


@pytest.mark.parametrize("damage", ["flip", "drop", "double", "digit", "delete key"])
def test_no_damage_anywhere_changes_what_is_read(saved, damage):
    content = saved.read_bytes()
    refused = 0
    for at in range(len(content)):
        spoiled = {
            "flip": content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :],
            "drop": content[:at] + content[at + 1 :],
            "double": content[: at + 1] + content[at:],
            "digit": content[:at] + b"7" + content[at + 1 :],
            # the name of the checksum and one more place: neither may hide the other
            "delete key": (content[:at] + b"x" + content[at + 1 :]).replace(b"crc32", b"crc33"),
        }[damage]
        saved.write_bytes(spoiled)
        try:
            assert is_what_was_written(saved), (at, content[at : at + 20])
        except HeadwiseError:
            refused += 1
    assert refused > 0.8 * len(content)


def test_a_shape_that_was_changed(saved):
    content = saved.read_bytes()
    assert b"[2,3]" in content
    saved.write_bytes(content.replace(b"[2,3]", b"[3,2]"))
    with pytest.raises(HeadwiseError, match="does not hold what was written"):
        read(saved)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("headwise-thing-3", "newer version.*Update headwise"),
        ("headwise-thing-1", "older version.*Make it again"),
        ("headwise-thing-", "not a thing"),
        ("another", "not a thing"),
    ],
)
def test_another_format(saved, named, message):
    _files.write(saved, "thing", named, HEADER, ARRAYS)
    with pytest.raises(HeadwiseError, match=message):
        read(saved)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
def test_numbers_out_of_range(saved, value):
    _files.write(saved, "thing", "headwise-thing-2", HEADER, {"vector": np.array([1.0, value])})
    with pytest.raises(HeadwiseError, match="not finite"):
        read(saved)


def test_a_file_without_a_checksum(saved):
    from safetensors.numpy import save_file

    save_file(ARRAYS, saved, metadata={"format": "headwise-thing-2", "thing": json.dumps(HEADER.model_dump())})  # fmt: skip
    with pytest.raises(HeadwiseError, match="crc32"):
        read(saved)
