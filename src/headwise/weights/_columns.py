"""Columns of circuits."""

from headwise._columns import Column, Columns, columns_of_heads


def _beside_random(name: str, title: str, meaning: str) -> Columns:
    """A number, and the same of products of Gaussian matrices of the same shape and norm."""
    return Columns(
        Column(name, title, "number", meaning),
        Column(f"{name}_random", "Random", "number", "Mean over Gaussian products of the same shape and norm"),
        Column(f"{name}_random_low", "from", "number", "95% of random products lie between"),
        Column(f"{name}_random_high", "to", "number", "95% of random products lie between"),
        Column(f"{name}_p", "p alone", "number", "Two-sided share of random products that are at least as far out"),
        Column(f"{name}_p_fwer", "p", "number", "Two-sided, over every number of every head"),
    )  # fmt: skip


CIRCUIT = Columns(
    columns_of_heads(side=True),
    Column("circuit", "Circuit", "text", "`QK` (what raises a score) or `OV` (what is read and written)"),
    Column("d_head", "Width", "integer", "Of the head"),
    Column("norm", "Norm", "number", "Frobenius"),
    _beside_random("top", "Largest singular value", "In the unit of the weights"),
    _beside_random("effective_rank", "Effective rank", "From 1 to the width of the head"),
    _beside_random("copying", "Copying", "1 same sign, -1 opposite sign; OV only, and not of cross-attention"),
)  # fmt: skip
