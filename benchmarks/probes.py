"""Probes of a whole model: all sites, layers and heads, with their controls; and what a fit costs.

    uv run benchmarks/probes.py --data coarsewsd20/mole

The first part is `headwise.probe` with its defaults on minilm in a process of its own: seconds from loaded model to
table, capture included, and the peak memory of that process and of those that it starts. The second fits the same
logistic regressions, on every head's output, through our loop and by bare scikit-learn in turns, and compares processor
time; both must predict the same.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer
from rich.console import Console
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import headwise
from headwise.probing._fits.fitting import Job, Task, fit_one
from headwise.probing._vectors import read_vectors
from headwise.probing.classifiers import Logistic, inner_folds
from headwise.probing.labelled_words import Examples, divide


def whole(data):
    """Everything at once, and the memory of all processes that it took."""
    model, suite = headwise.load("minilm"), headwise.read_suite(data)
    me, most, done = psutil.Process(), 0, threading.Event()

    def watch():
        nonlocal most
        while not done.wait(0.1):
            family = [me, *me.children(recursive=True)]
            most = max(most, sum(p.memory_info().rss for p in family if p.is_running()))

    watching = threading.Thread(target=watch)
    watching.start()
    start, before = time.perf_counter(), processor_time(me)
    result = headwise.probe(model, suite)
    seconds, used = time.perf_counter() - start, processor_time(me) - before
    done.set()
    watching.join()
    print(
        json.dumps(
            {
                "places": len(result.table) - 2, "seconds": seconds, "cpu": used,
                "megabytes": most / 2**20, "sentences": len(suite),
            }
        )
    )  # fmt: skip


def processor_time(process):
    """Of a process and of those that it started and that still wait for work."""
    family = [process, *process.children(recursive=True)]
    return sum(sum(p.cpu_times()[:2]) for p in family)


def fits(data, console):
    """The same fits through our loop and by themselves."""
    model, suite = headwise.load("minilm"), headwise.read_suite(data)
    examples, divided = divide(Examples.of(model, suite, "mark", 0), suite, 5, 0, "refuse")
    vectors = list(read_vectors(model, suite, examples, ["z"], None, None).values())
    codes, groups = examples.codes, divided.groups
    inner = tuple(inner_folds(codes[train], groups[train]) for train, _ in divided.splits)
    task = Task(codes, groups, divided.splits, None, (), len(examples.labels), inner)
    times, agree = {"ours": 0.0, "bare": 0.0}, True
    with threadpool_limits(1):
        for values in vectors:
            start = time.process_time()
            ours = fit_one(Job(values, "logistic"), task, Logistic()).predicted
            times["ours"] += time.process_time() - start
            start = time.process_time()
            bare = np.full(len(codes), -1)
            for (train, test), folds in zip(divided.splits, inner, strict=True):
                made = make_pipeline(
                    StandardScaler(),
                    LogisticRegressionCV(
                        Cs=[0.01, 0.1, 1.0], cv=folds, scoring="accuracy", max_iter=3000,
                        l1_ratios=(0,), use_legacy_attributes=False,
                    ),
                )  # fmt: skip
                bare[test] = made.fit(values[train], codes[train]).predict(values[test])
            times["bare"] += time.process_time() - start
            agree &= bool(np.array_equal(ours, bare))
    n = len(vectors) * len(divided.splits)
    console.print(
        f"{n} regressions, each with its inner folds: {1000 * times['ours'] / n:.1f} ms of processor time each through our "
        f"loop, {1000 * times['bare'] / n:.1f} bare: {times['ours'] / times['bare']:.2f}x; predictions "
        f"{'are the same' if agree else 'DIFFER'}"
    )


def main(
    data: Annotated[Path, typer.Option(help="A CoarseWSD-20 word, or any suite with marks.")],
    part: Annotated[str, typer.Argument(hidden=True)] = "",
) -> None:
    """Measures a whole probe and single fits."""
    if part:
        whole(data)
        return
    console = Console(highlight=False)
    command = [sys.executable, __file__, "whole", "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    console.print(
        f"{found['sentences']} sentences, {found['places']} places and classifiers with controls: {found['seconds']:.0f} s, "
        f"{found['cpu']:.0f} s of processor time, peak {found['megabytes']:,.0f} MB over all processes"
    )
    fits(data, console)


if __name__ == "__main__":
    typer.run(main)
