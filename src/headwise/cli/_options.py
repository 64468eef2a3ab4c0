"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from headwise._validate import MOST

Models = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", help="A model: burrow, minilm, a folder or a hub id; may be repeated."),
]  # fmt: skip
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the reports.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a report on other data or with other options.")]  # fmt: skip
Device = Annotated[str, typer.Option(help="Device: auto, cpu, cuda, cuda:1, ...")]
Dtype = Annotated[str, typer.Option(help="Type of the weights: float32, bfloat16 or float16.")]
Seed = Annotated[int, typer.Option(min=0, max=MOST, help="Random seed of every figure.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="Use a few sentences only, to check that everything runs.")]  # fmt: skip
