"""What folds, captures and spills take from memory, each measured in a process of its own.

    uv run benchmarks/memory.py

- a fold over 10,000 sentences against one over 1,000: peak resident memory;
- 1,000 captures in a row: resident memory after the first hundred and after the last;
- a spill of five times its budget: peak resident memory above that of the same run without capture.
"""

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

WORDS = (
    "mole",
    "creature",
    "fluffy",
    "blue",
    "forest",
    "roamed",
    "gas",
    "doctor",
    "skin",
    "spy",
    "of",
    "the",
)


def sentences(n: int, n_words: int = 14) -> list[str]:
    """Sentences of varied words and like length."""
    return [
        " ".join(WORDS[(7 * i + 5 * j + i * j) % len(WORDS)] for j in range(n_words - i % 5))
        for i in range(n)
    ]


def resident() -> int:
    """Resident memory in bytes."""
    return psutil.Process().memory_info().rss


@contextmanager
def watched() -> Iterator[list[int]]:
    """Samples resident memory every few milliseconds while the body runs; the list's first is the peak."""
    peak, done = [resident()], threading.Event()

    def watch() -> None:
        while not done.is_set():
            peak[0] = max(peak[0], resident())
            time.sleep(0.003)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def folds(n: int) -> dict[str, Any]:
    """Peak memory of a fold over n sentences."""
    import headwise

    model = headwise.load("minilm", device="cpu")
    total = headwise.reduce(
        model,
        sentences(n),
        ["pattern"],
        step=lambda t, seen, batch: t + seen["pattern", 5].sum().item(),
        initial=0.0,
    )
    return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "total": total}


def captures(n: int) -> dict[str, Any]:
    """Resident memory after a tenth and after all of n captures."""
    import headwise

    model = headwise.load("minilm", device="cpu")
    texts = sentences(16)
    marks: list[int] = []
    for i in range(n):
        headwise.capture(model, texts, ["q", "k", "v", "pattern"])
        if i + 1 in (n // 10, n):
            marks.append(resident())
    return {"after_a_tenth": marks[0], "after_all": marks[1]}


def spills(budget: int) -> dict[str, Any]:
    """Peak memory above the resting process of a spill of five times a budget."""
    import headwise
    from headwise.activations import planning
    from headwise.activations.streaming import align_whole

    model = headwise.load("minilm", device="cpu")
    sites = ["q", "k", "v", "pattern", "z"]
    texts = sentences(200, n_words=100)
    aligned = planning.Aligned(align_whole(model, texts, truncate=False), None)
    plan = planning.Plan.make(
        model, aligned, sites, None, None, budget=10**12, batch_tokens=4096, may_offload=False
    )
    texts = (texts * 40)[: round(5 * budget / plan.n_bytes * len(texts))]
    headwise.reduce(
        model, texts[:200], ["z"], step=lambda t, seen, batch: t, initial=0
    )  # what running itself takes
    rest = resident()
    with tempfile.TemporaryDirectory() as folder, watched() as peak:
        cache = headwise.capture(model, texts, sites, budget=budget, offload_dir=Path(folder) / "s")
        size = sum(path.stat().st_size for path in (Path(folder) / "s").iterdir())
    return {
        "budget": budget, "written": size, "shards": len(cache.shards), "above_rest": peak[0] - rest,
        "readable": planning.readable(peak[0] - rest),
    }  # fmt: skip


def main(
    part: Annotated[str, typer.Argument(help="A part to run by itself.")] = "",
    n: Annotated[int, typer.Argument(help="Its size.")] = 0,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = Path(
        "benchmarks/memory.json"
    ),
) -> None:
    """Runs every part in a process of its own and prints the ratios."""
    parts = {"folds": folds, "captures": captures, "spills": spills}
    if part:
        print(json.dumps(parts[part](n)))
        return

    def apart(*arguments: str) -> dict[str, Any]:
        result = subprocess.run(
            [sys.executable, __file__, *arguments], capture_output=True, text=True, check=True
        )
        return json.loads(result.stdout.splitlines()[-1])

    small, large = apart("folds", "1000"), apart("folds", "10000")
    row = apart("captures", "1000")
    spill = apart("spills", str(200 * 2**20))
    figures = {"fold 1,000": small, "fold 10,000": large, "captures": row, "spill": spill}
    out.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"fold: peak {small['peak'] / 1e6:.0f} MB on 1,000 and {large['peak'] / 1e6:.0f} MB on 10,000 sentences, "
          f"ratio {large['peak'] / small['peak']:.3f} (target at most 1.05)")  # fmt: skip
    print(f"1,000 captures: {row['after_a_tenth'] / 1e6:.0f} MB after 100, {row['after_all'] / 1e6:.0f} MB after all, "
          f"ratio {row['after_all'] / row['after_a_tenth']:.3f}")  # fmt: skip
    print(f"spill: {spill['written'] / 1e6:.0f} MB in {spill['shards']} shards under a budget of "
          f"{spill['budget'] / 1e6:.0f} MB, peak {spill['above_rest'] / 1e6:.0f} MB above rest, "
          f"ratio {spill['above_rest'] / spill['budget']:.2f} (target at most 1.10)")  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
