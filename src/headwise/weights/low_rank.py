"""A matrix of low rank as the product of a tall and a wide one, which is never multiplied out.

A head's circuits are d_model x d_model and of rank d_head: a product held as its two factors takes
2 d_model d_head numbers. With `left = Q1 R1` and `right = R2^T Q2^T` (QR) the singular values of the
product are those of the small `R1 R2^T`, and its eigenvalues other than 0 are those of `right @ left`.
Leading axes are a batch, the heads of a layer for example. Time: `n d_model d_head^2`.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from headwise.errors import HeadwiseError


@dataclass(frozen=True, eq=False)
class Factored:
    """The matrix `left @ right`.

    Attributes:
        left: The tall factor.
        right: The wide factor.
    """

    left: Float[Tensor, "*batch rows rank"]
    right: Float[Tensor, "*batch rank columns"]

    def __getitem__(self, index: int) -> "Factored":
        """One matrix of a batch."""
        return Factored(self.left[index], self.right[index])

    def dense(self) -> Float[Tensor, "*batch rows columns"]:
        """The product itself: rows x columns numbers, for small models and tests."""
        return self.left @ self.right

    @cached_property
    def _triangles(self) -> tuple[Tensor, Tensor]:
        """The right factors of the QR decompositions of `left` and of `right` transposed."""
        return (
            torch.linalg.qr(self.left, mode="r").R,
            torch.linalg.qr(self.right.mT, mode="r").R,
        )

    @cached_property
    def singular_values(self) -> Float[Tensor, "*batch value"]:
        """Largest first; those beyond the rank are 0 and not listed."""
        first, second = self._triangles
        return torch.linalg.svdvals(first @ second.mT)

    def svd(
        self,
    ) -> tuple[
        Float[Tensor, "*batch rows value"],
        Float[Tensor, "*batch value"],
        Float[Tensor, "*batch value columns"],
    ]:
        """Left singular vectors in columns, singular values, right singular vectors in rows."""
        first, second = torch.linalg.qr(self.left), torch.linalg.qr(self.right.mT)
        u, values, vh = torch.linalg.svd(first.R @ second.R.mT, full_matrices=False)
        return first.Q @ u, values, vh @ second.Q.mT

    @cached_property
    def eigenvalues(self) -> Complex[Tensor, "*batch rank"]:
        """Eigenvalues of a square product, in no order; those beyond the rank are 0 and not listed."""
        if self.left.shape[-2] != self.right.shape[-1]:
            raise HeadwiseError(
                f"Only a square matrix has eigenvalues; this one is {self.left.shape[-2]} x {self.right.shape[-1]}."
            )
        return torch.linalg.eigvals((self.right @ self.left).cpu())

    @property
    def norm(self) -> Float[Tensor, "*batch"]:
        """Frobenius norm: the root of the sum of squared singular values."""
        first, second = self._triangles
        return torch.linalg.matrix_norm(first @ second.mT)

    @property
    def effective_rank(self) -> Float[Tensor, "*batch"]:
        """How many directions matter, from 1 to the rank; NaN of a matrix of zeros.

        Exponential of the entropy of the squared singular values' shares. Roy and Vetterli 2007, who
        introduced it, take shares of the singular values themselves; squared, they are shares of what
        the matrix does to a random vector.
        """
        squares = self.singular_values.square()
        shares = squares / squares.sum(-1, keepdim=True)
        return torch.special.entr(shares).sum(-1).exp()

    @property
    def copying(self) -> Float[Tensor, "*batch"]:
        """Sum of the eigenvalues over the sum of their moduli, from -1 to 1; NaN of a matrix of zeros.

        1: whatever goes in comes out with the same sign, as in copying; -1: with the opposite sign. Elhage
        et al. 2021 put embedding and unembedding around the OV circuit; here it stands alone.
        """
        values = self.eigenvalues
        return values.real.sum(-1) / values.abs().sum(-1)


@contextmanager
def one_thread() -> Generator[None]:
    """Lets torch use one thread: matrices this small gain nothing from more, which wait for each other.

    Measured on two cores that others used, too: 144 heads of GPT-2 small's shape took 5 to 30 times as long with two.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
