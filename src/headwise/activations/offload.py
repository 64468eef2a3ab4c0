"""Captures on disk: one safetensors file per batch, and an index that says what they hold.

Every file appears by rename, so that a run that is killed leaves only whole files; the next run of
the same capture writes those that are missing. The index carries a fingerprint of the model, the sentences and the requested sites, and a folder of
another capture is refused.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from headwise._files import whole, write_text
from headwise.errors import HeadwiseError
from headwise.model.model import Model

from .planning import Plan

Key = tuple[str, int]
INDEX, MATRICES = "index.json", "matrices.safetensors"


class Index(BaseModel):
    """What a folder of shards holds; the fields are those of `HeadCache`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = 1
    model: str
    fingerprint: str
    sites: list[str]
    layers: dict[str, list[int]]
    batches: list[list[int]]
    lengths: list[tuple[int, int]]
    pieces: list[tuple[list[int | None], list[int | None]]]
    n_words: list[tuple[int, int]]
    n_heads: int
    heads: list[int] | None
    expand_kv: bool

    @staticmethod
    def load(folder: Path) -> "Index":
        """Reads the index of a folder.

        Raises:
            HeadwiseError: There is none, or it cannot be read.
        """
        try:
            return Index.model_validate_json((folder / INDEX).read_text(encoding="utf-8"))
        except OSError as error:
            raise HeadwiseError(f"{folder}: no capture here ({INDEX} cannot be read).") from error
        except ValidationError as error:
            raise HeadwiseError(f"{folder / INDEX}: not the index of a capture.") from error


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
            return
        if any(not path.name.startswith(".") for path in folder.iterdir()):
            raise HeadwiseError(
                f"{folder} is not empty and holds no capture. Choose another folder."
            )
        if matrices:
            _write_tensors(folder / MATRICES, matrices)
        write_text(folder / INDEX, index.model_dump_json())
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


class DiskTensors(Mapping[Key, Tensor]):
    """Tensors of a safetensors file, each read on access and not kept."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __getitem__(self, key: Key) -> Tensor:
        from safetensors import safe_open

        with safe_open(str(self.path), framework="pt") as file:
            return file.get_tensor(_name(key))

    def __iter__(self) -> Iterator[Key]:
        from safetensors import safe_open

        with safe_open(str(self.path), framework="pt") as file:
            names: list[str] = list(file.keys())
        return iter([_key(name) for name in names])

    def __len__(self) -> int:
        return sum(1 for _ in self)


def shards(folder: Path, index: Index) -> list[DiskTensors]:
    """The shards of a complete capture.

    Raises:
        HeadwiseError: Some are missing.
    """
    paths = [shard_path(folder, number) for number in range(len(index.batches))]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise HeadwiseError(
            f"{folder}: {len(missing)} of {len(paths)} shards are missing, {missing[0]} among them. Run the same "
            "capture with offload_dir= on this folder; it resumes where it stopped."
        )
    return [DiskTensors(path) for path in paths]


def matrices(folder: Path) -> Mapping[Key, Tensor]:
    """Output matrices that derived sites need; empty where none does."""
    return DiskTensors(folder / MATRICES) if (folder / MATRICES).exists() else {}


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
    with whole(path) as partial:
        save_file(plain, partial)
