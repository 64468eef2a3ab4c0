"""Arrays of numbers as base64 text, which a browser reads without parsing numbers."""

import base64
import binascii
import math
from typing import Annotated, Literal

import numpy as np
from numpy import ndarray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Dtype = Literal["f4", "f8", "i4", "u2", "u1"]


class Frozen(BaseModel):
    """What every part of a report is: typed, closed, and never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


class Packed(Frozen):
    """An array: little-endian bytes in base64, last axis fastest. NaN is a missing value.

    Attributes:
        dtype: Type of the numbers.
        shape: Length of each axis.
        data: The bytes.
    """

    dtype: Dtype
    shape: list[Annotated[int, Field(ge=0)]]
    data: str

    @classmethod
    def of(cls, values: object, dtype: Dtype = "f4") -> "Packed":
        """Packs an array; None and NaN become NaN in a type of floating point."""
        array = np.asarray(values, dtype=f"<{dtype}")
        data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
        return cls(dtype=dtype, shape=list(array.shape), data=data)

    @classmethod
    def roots(cls, shares: ndarray) -> "Packed":
        """Shares from 0 to 1 in one byte each: 255 times the square root.

        Small shares keep their order: the step is 0.000015 at 0 and 0.008 at 1, and the error at most 0.004.
        """
        return cls.of(np.rint(255 * np.sqrt(np.clip(np.nan_to_num(shares), 0, 1))), "u1")

    def array(self) -> ndarray:
        """The numbers."""
        raw = base64.b64decode(self.data, validate=True)
        return np.frombuffer(raw, dtype=f"<{self.dtype}").reshape(self.shape)

    @model_validator(mode="after")
    def _is_whole(self) -> "Packed":
        try:
            self.array()
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"not {'x'.join(map(str, self.shape))} numbers: {error}") from error
        return self


def plain(values: ndarray) -> object:
    """Nested lists with None for NaN."""
    if values.ndim > 1:
        return [plain(row) for row in values]
    return [None if math.isnan(value) else float(value) for value in values]


def _listed(values: object) -> object:
    return plain(np.asarray(values, dtype=float)) if isinstance(values, ndarray) else values


def _rectangular(rows: list[list[float | None]]) -> list[list[float | None]]:
    if len({len(row) for row in rows}) > 1:
        raise ValueError("rows of unequal length")
    return rows


Number = Annotated[float, Field(allow_inf_nan=False)]
Grid = Annotated[list[list[Number | None]], BeforeValidator(_listed), AfterValidator(_rectangular)]
"""`[row][column]` of finite numbers, None where missing; arrays are taken as they are."""
