"""A saved linear probe: fitted once at one place of a model and used again unchanged.

Ablation and directions need the probe itself and not its score, so that all later measurements use the same weights.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic import BaseModel, ConfigDict

from headwise import _files
from headwise.errors import HeadwiseError
from headwise.model.model import Model

from .classifiers import Classifier

FORMAT = "headwise-probe-2"


class _Header(BaseModel):
    """Header of a saved probe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    suite: str
    label: str
    site: str
    layer: int
    head: int | None
    classifier: Classifier
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Probe:
    """A linear classifier of vectors from one place.

    Attributes:
        model: Name of the model it was fitted on.
        suite: Name of the suite it was fitted on.
        label: What it reads, e.g. `sense`.
        site: `residual`, `z`, `update` (vectors of the residual stream), `k` or `v`.
        layer: Layer of the site.
        head: Head, or None for the residual stream.
        classifier: `logistic` or `centroid`.
        labels: The classes, in the order of rows.
        weight: One row per class.
        bias: One number per class.
    """

    model: str
    suite: str
    label: str
    site: str
    layer: int
    head: int | None
    classifier: Classifier
    labels: tuple[str, ...]
    weight: Float[ndarray, "label dim"]
    bias: Float[ndarray, " label"]

    @property
    def place(self) -> str:
        """Where it was fitted, e.g. `z, layer 2, head 1`."""
        head = "" if self.head is None else f", head {self.head}"
        return f"{self.site}, layer {self.layer}{head}"

    def scores(self, vectors: Float[ndarray, "example dim"]) -> Float[ndarray, "example label"]:
        """Score of each vector for each class: log odds up to a constant, or cosines.

        Raises:
            HeadwiseError: Vectors of another width, or not finite.
        """
        if vectors.shape[1] != self.weight.shape[1]:
            raise HeadwiseError(
                f"This probe reads vectors of {self.weight.shape[1]} numbers ({self.place} of {self.model}); got "
                f"{vectors.shape[1]}."
            )
        if not np.isfinite(vectors).all():
            raise HeadwiseError(f"Not all vectors for the probe at {self.place} are finite.")
        values = vectors.astype(np.float64)
        if self.classifier == "centroid":
            values = values / np.linalg.norm(values, axis=1, keepdims=True).clip(1e-12)
        return values @ self.weight.T + self.bias

    def predict(self, vectors: Float[ndarray, "example dim"]) -> Int[ndarray, " example"]:
        """The class of each vector, an index into `labels`."""
        return self.scores(vectors).argmax(axis=1)

    def margin(
        self, vectors: Float[ndarray, "example dim"], labels: Int[ndarray, " example"]
    ) -> Float[ndarray, " example"]:
        """Score of each vector for its own class minus that for the best other one."""
        scores = self.scores(vectors)
        rows = np.arange(len(scores))
        own = scores[rows, labels]
        others = scores.copy()
        others[rows, labels] = -np.inf
        return own - others.max(axis=1)

    def save(self, path: str | Path) -> Path:
        """Writes the probe; a file that is there is replaced only once the new one is whole."""
        header = _Header(**{name: getattr(self, name) for name in _Header.model_fields})
        arrays = {"weight": self.weight, "bias": self.bias}
        return _files.write(path, "probe", FORMAT, header, arrays)

    @classmethod
    def load(cls, path: str | Path, model: Model | None = None) -> "Probe":
        """Reads a probe.

        Args:
            path: What `save` wrote.
            model: The model it is to be used on, if it should be checked against that.

        Raises:
            HeadwiseError: No probe is there, the file is damaged, or the probe is of another model.
        """
        header, arrays = _files.read(path, "probe", FORMAT, _Header)
        if missing := {"weight", "bias"} - set(arrays):
            raise HeadwiseError(f"{path}: a damaged probe: it has no {min(missing)}.")
        found = cls(**header.model_dump(), weight=arrays["weight"], bias=arrays["bias"])
        if found.weight.shape[0] != len(found.labels) or len(found.bias) != len(found.labels):
            raise HeadwiseError(f"{path}: a damaged probe: its weights do not match its labels.")
        if model is not None:
            found.require(model)
        return found

    def require(self, model: Model) -> None:
        """Refuses a model that the probe is not of.

        Raises:
            HeadwiseError: Another name, or a model without such a place or of another width.
        """
        if model.name != self.model:
            raise HeadwiseError(
                f"This probe was fitted on {self.model}, not on {model.name}: directions of one model mean nothing in "
                "another. Fit it again with headwise.fit_probe."
            )
        n_layers = model.n_layers + (self.site == "residual")
        width = model.d_model if self.site in ("residual", "update") else model.d_head
        if self.layer >= n_layers or self.weight.shape[1] != width:
            raise HeadwiseError(
                f"{model.name} has no {self.place} of width {self.weight.shape[1]}: it has {model.n_layers} layers, and "
                f"vectors there have {width} numbers. The probe is of another version of the model; fit it again."
            )
