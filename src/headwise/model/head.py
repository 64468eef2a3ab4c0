"""One head: its place in a model, and how it is written."""

import re
from typing import NamedTuple, SupportsIndex

from headwise._validate import as_number
from headwise.errors import UnknownName

from .architecture import Side

WRITTEN = re.compile(r"(?:(encoder|decoder|cross)\.)?L(\d+)H(\d+)")


class Head(NamedTuple):
    """One head of a model.

    Attributes:
        layer: 0-based block.
        head: 0-based head in it.
        side: Empty for a model of one stack; `encoder`, `decoder` or `cross` in an encoder-decoder.
    """

    layer: int
    head: int
    side: Side = ""

    @property
    def name(self) -> str:
        """How it is written, e.g. `L2H8` or `cross.L2H8`."""
        return f"{self.side}.{self.short}" if self.side else self.short

    @property
    def short(self) -> str:
        """The name without its side."""
        return f"L{self.layer}H{self.head}"


Number = SupportsIndex  # Python's own, or NumPy's
AnyHead = (
    tuple[Number, Number] | tuple[Number, Number, str] | str
)  # (2, 8), (2, 8, "cross"), "cross.L2H8" or a Head


def order_met(head: Head) -> tuple[bool, int, bool, int]:
    """Sorts heads as a forward pass meets them."""
    return (head.side in ("decoder", "cross"), head.layer, head.side == "cross", head.head)


def parse(given: AnyHead) -> tuple[int, int, str]:
    """Layer, head and side of a head by name or place, whether or not a model has it.

    Raises:
        UnknownName: A name or a place that cannot be read.
    """
    if not isinstance(given, str):
        try:
            layer, head, side = (*given, "")[:3]
            return as_number(layer), as_number(head), str(side)
        except (TypeError, ValueError) as error:
            raise UnknownName(f"Cannot read the head {given!r}; expected a name such as 'L2H8', or (2, 8).") from error  # fmt: skip
    match = WRITTEN.fullmatch(given)
    if match is None:
        raise UnknownName(f"Cannot read the head {given!r}; expected a name such as 'L2H8'.")
    return int(match[2]), int(match[3]), match[1] or ""
