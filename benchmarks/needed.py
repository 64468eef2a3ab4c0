"""What burrow needs: sets of heads found on known combinations of words and ablated on held-out ones.

    uv run benchmarks/needed.py

For adjectives, senses of mole and pronouns: heads whose ablation degrades the metric by every method, at most four, beside random sets of as many
heads of the same layers. Required is 5 times the degradation by random sets; what the set restores when only it is kept is stated.
"""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import headwise

PHENOMENA = ("adjectives", "mole", "gender")


def main(
    n: Annotated[int, typer.Option(help="Minimal pairs of each.")] = 150,
    most: Annotated[int, typer.Option(help="Heads of a set.")] = 4,
    method: Annotated[str, typer.Option(help="How the set is ablated.")] = "mean",
) -> None:
    """Prints one row for each phenomenon."""
    model = headwise.load("burrow", device="cpu")
    table = Table(box=None)
    for name in (
        "pairs",
        "heads",
        "degradation",
        "sum of parts",
        "random",
        "largest",
        "times",
        "kept alone",
        "random kept",
    ):
        table.add_column(name, justify="left" if name in ("pairs", "heads") else "right")
    for phenomenon in PHENOMENA:
        finding = headwise.burrow_pairs(phenomenon, n, seed=1, held_out=False)
        testing = headwise.burrow_pairs(phenomenon, n, seed=2, held_out=True)
        chosen = headwise.ablate(model, finding).significant()["name"].unique().tolist()[:most]
        row = headwise.ablate_set(model, testing, chosen, method=method).table.iloc[0]
        times = f"{row['degradation'] / row['random']:.1f}" if row["random"] > 0 else "-"
        table.add_row(
            phenomenon,
            ", ".join(chosen),
            f"{row['degradation']:.2f} [{row['degradation_low']:.2f}, {row['degradation_high']:.2f}]",
            f"{row['sum_of_parts']:.2f}",
            f"{row['random']:.2f}",
            f"{row['random_max']:.2f}",
            times,
            f"{row['restored']:.0%}",
            f"{row['restored_random']:.0%}",
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    typer.run(main)
