"""Captures on disk: one safetensors file per batch, and an index that says what they hold.

Every file appears by rename, so that a run that is killed leaves only whole files, and carries checksums, so that a damaged one is found; the next run of
the same capture writes those that are missing or damaged. The index carries a fingerprint of the model, the sentences and the requested sites, and a folder of
another capture is refused.
"""

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32 as crc

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from headwise._atomic import sweep, whole
from headwise._files import checksum, reason, write_text
from headwise.errors import HeadwiseError
from headwise.model.model import Model

from .planning import Plan

Key = tuple[str, int]
if TYPE_CHECKING:
    Tensors = Mapping[Key, Tensor]
else:
    Tensors = Mapping  # a check of types would read a tensor from disk to look at it
INDEX, MATRICES = "index.json", "matrices.safetensors"


class Index(BaseModel):
    """What a folder of shards holds; the fields are those of `HeadCache`, and a checksum of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    model: str
    fingerprint: str
    sites: list[str]
    layers: dict[str, list[int]]
    batches: list[list[int]]
    lengths: list[tuple[int, int]]
    pieces: list[tuple[list[int | None], list[int | None]]]
    n_words: list[tuple[int, int]]
    n_heads: dict[str, int]
    heads: list[int] | None
    expand_kv: bool
    crc32: int = 0

    def checksum(self) -> int:
        """Of everything but itself: an index that has changed by a digit may give another sentence's tensors."""
        return crc(self.model_dump_json(exclude={"crc32"}).encode())

    @staticmethod
    def load(folder: Path) -> "Index":
        """Reads the index of a folder.

        Raises:
            HeadwiseError: There is none, or it cannot be read, or is damaged, or a newer version wrote it.
        """
        try:
            text = (folder / INDEX).read_text(encoding="utf-8")
            index = Index.model_validate_json(text)
        except (OSError, UnicodeDecodeError) as error:
            raise HeadwiseError(f"{folder}: no capture here ({INDEX} cannot be read).") from error
        except ValidationError as error:
            raise HeadwiseError(
                f"{folder / INDEX}: not the index of a capture, or that of a newer headwise: {reason(error)}."
            ) from error
        if index.crc32 != index.checksum():
            raise HeadwiseError(
                f"{folder / INDEX}: damaged, as its checksum is not that of what it holds. Delete {str(folder)!r} and capture again."
            )
        return index


def fingerprint(model: Model, plan: Plan) -> str:
    """Hash that identifies a capture: weights, tokens, sites, layers, heads and batches."""
    weights = hashlib.sha256()
    for name, parameter in model.hf.named_parameters():
        weights.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}".encode())
        weights.update(str(parameter.detach().double().sum().item()).encode())
    request = {
        "model": model.name,
        "weights": model.weights_sha256 or weights.hexdigest(),
        "dtype": str(model.dtype),
        "tokens": [a.tokens for a in plan.aligned.sentences],
        "targets": [a.tokens for a in plan.aligned.targets or []],
        "sites": plan.sites,
        "layers": plan.layers,
        "heads": plan.heads,
        "batches": plan.batches,
    }
    return hashlib.sha256(json.dumps(request).encode()).hexdigest()


def prepare(folder: Path, index: Index, matrices: Mapping[Key, Tensor]) -> None:
    """Makes a folder ready for shards, or recognises one that was begun.

    Raises:
        HeadwiseError: It holds another capture or something else, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / INDEX).exists():
            if Index.load(folder).fingerprint != index.fingerprint:
                raise HeadwiseError(
                    f"{folder} holds another capture (of another model, other sentences or other sites). "
                    "Choose another folder or delete this one."
                )
        elif any(not path.name.startswith(".") for path in folder.iterdir()):
            raise HeadwiseError(
                f"{folder} is not empty and holds no capture. Choose another folder."
            )
        else:
            stamped = index.model_copy(update={"crc32": index.checksum()})
            write_text(folder / INDEX, stamped.model_dump_json())
        sweep(folder)
        if matrices and not is_intact(folder / MATRICES):
            _write_tensors(folder / MATRICES, matrices)
    except OSError as error:
        raise HeadwiseError(f"Cannot write to {str(folder)!r}: {error.strerror}.") from error


def shard_path(folder: Path, number: int) -> Path:
    """File of one batch."""
    return folder / f"shard-{number:05d}.safetensors"


def write_shard(folder: Path, number: int, tensors: Mapping[Key, Tensor]) -> None:
    """Writes one batch.

    Raises:
        HeadwiseError: It cannot be written; shards that were written stay.
    """
    try:
        _write_tensors(shard_path(folder, number), tensors)
    except OSError as error:
        raise HeadwiseError(
            f"Cannot write to {str(folder)!r}: {error.strerror}. The same call resumes from here."
        ) from error


def is_intact(path: Path) -> bool:
    """Whether a file is there and holds what was written to it; it is read whole."""
    if not path.exists():
        return False
    tensors = DiskTensors(path)
    try:
        for key in tensors:
            tensors[key]
    except HeadwiseError:
        return False
    return True


class DiskTensors(Mapping[Key, Tensor]):
    """Tensors of a safetensors file, each read on access, checked and not kept.

    Raises:
        HeadwiseError: On access, the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __getitem__(self, key: Key) -> Tensor:
        with self._opened() as file:
            name = _name(key)
            if name not in file.keys():  # noqa: SIM118
                raise KeyError(key)
            tensor = file.get_tensor(name)
            sums: object = json.loads((file.metadata() or {}).get("crc32", "{}"))
            if not isinstance(sums, dict) or sums.get(name) != _checksum(tensor):
                raise ValueError(f"{name} is not what was written")
            return tensor

    def __iter__(self) -> Iterator[Key]:
        with self._opened() as file:
            return iter([_key(name) for name in file.keys()])  # noqa: SIM118

    @contextmanager
    def _opened(self) -> Generator[Any]:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(self.path), framework="pt") as file:
                yield file
        except (SafetensorError, OSError, ValueError, RecursionError) as error:
            raise HeadwiseError(
                f"{self.path}: damaged: {error}. Run the same capture with offload_dir= on this folder; it writes damaged files again."
            ) from error

    def __len__(self) -> int:
        return sum(1 for _ in self)


def shards(folder: Path, index: Index) -> list[DiskTensors]:
    """The shards of a complete capture.

    Raises:
        HeadwiseError: Some are missing or damaged.
    """
    paths = [shard_path(folder, number) for number in range(len(index.batches))]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise HeadwiseError(
            f"{folder}: {len(missing)} of {len(paths)} shards are missing, {missing[0]} among them. Run the same "
            "capture with offload_dir= on this folder; it resumes where it stopped."
        )
    return [_opened(path) for path in paths]


def matrices(folder: Path) -> Tensors:
    """Output matrices that derived sites need; empty where none does."""
    return _opened(folder / MATRICES) if (folder / MATRICES).exists() else {}


def _opened(path: Path) -> DiskTensors:
    """The tensors of a file whose header can be read."""
    tensors = DiskTensors(path)
    len(tensors)
    return tensors


def _name(key: Key) -> str:
    return f"{key[0]}|{key[1]}"


def _key(name: str) -> Key:
    site, _, layer = name.rpartition("|")
    return site, int(layer)


def _write_tensors(path: Path, tensors: Mapping[Key, Tensor]) -> None:
    from safetensors.torch import save_file

    plain: dict[str, Tensor] = {
        _name(key): tensors[key].to("cpu", memory_format=torch.contiguous_format).contiguous()
        for key in tensors
    }
    sums = {name: _checksum(tensor) for name, tensor in plain.items()}
    with whole(path) as partial:
        save_file(plain, partial, metadata={"crc32": json.dumps(sums)})


def _checksum(tensor: Tensor) -> int:
    return checksum(tensor.reshape(-1).view(torch.uint8).numpy())
