"""Damaged files, killed writes and threads: nothing is lost, nothing is wrong without a word, nothing ends in a traceback.

    uv run benchmarks/campaign.py            # 10,000 damaged inputs, 200 kills, 1,000 captures in threads
    uv run benchmarks/campaign.py --quick    # a hundredth of it

Files of every kind that is read (treebanks, suites, pairs, BLiMP, SyntaxGym, CoarseWSD, reports, saved results, probes, directions, offloaded captures) are damaged at random and read:
what comes back must be a HeadwiseError or what the file says, and of files with checksums what was written. Processes that write reports, captures and fits
are killed at a random moment; the next run must find all that was there and end as if nothing had been. Threads capture on one model; each must get
its own. Prints counts and exits with 1 if one that should be 0 is not.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

import headwise
from headwise import HeadwiseError
from headwise.activations import hooks
from headwise.cli import discovery, runner
from headwise.report.files import write_report
from headwise.report.html.render import render_report
from headwise.report.schema import Report, load_report

console = Console(width=140)
SLOW = 5.0  # seconds to read a damaged file of some kilobytes
TREEBANK = """# newdoc id = a
# text = The blue mole dug a tunnel.
1	The	the	DET	DT	_	3	det	_	_
2	blue	blue	ADJ	JJ	_	3	amod	_	_
3	mole	mole	NOUN	NN	_	4	nsubj	_	_
4	dug	dig	VERB	VBD	_	0	root	_	_
5-6	a'n	_	_	_	_	_	_	_	_
5	a	a	DET	DT	_	6	det	_	_
6	tunnel	tunnel	NOUN	NN	_	4	obj	_	SpaceAfter=No
7	.	.	PUNCT	.	_	4	punct	_	_

"""
PAIRS = "clean,corrupted,right,wrong,group\nThe king sat as,The queen sat as,he,she,royal\nAn uncle came as,An aunt came as,he,she,kin\n"
BLIMP = "".join(
    json.dumps({"sentence_good": "a", "one_prefix_prefix": f"The {who} hurt", "one_prefix_word_good": a, "one_prefix_word_bad": b}) + "\n"
    for who, a, b in (("king", "himself", "herself"), ("queen", "herself", "himself"), ("aunt", "herself", "himself"))
)  # fmt: skip
GYM = json.dumps({
    "meta": {"name": "own"},
    "predictions": [{"relation": "lessthan", "region_number": 2, "l_operand": "good", "r_operand": "bad"}],
    "items": [{"item_number": 1, "conditions": [
        {"condition_name": name, "regions": [{"region_number": 1, "content": f"I know {word}"}, {"region_number": 2, "content": "our aunt"}]}
        for name, word in (("good", "what"), ("bad", "that"))
    ]}],
})  # fmt: skip
WSD = "1\tthe mole dug a tunnel .\n1\tone mole of carbon .\n"
SPECIAL = [b"\x00", b"\xff\xfe", "\N{LINE SEPARATOR}".encode(), b"\r", b"\n\n", b"\t", b"[" * 3000, b"{" * 3000, b"9" * 5000, b"1-999999999",
           b"NaN", b"1e999", b"-1", b'"\\ud800"', b"\xef\xbb\xbf", b"null", b"[]", b"{}", b"|", b"\xf0\x9f"]  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        content: A good one.
        read: Reads it, and gives what can be compared.
        is_checked: Whether it carries checksums, so that nothing else than what was written may come back.
        put: Where the file stands among others, if it needs them.
    """

    content: bytes
    read: Callable[[Path], Any]
    is_checked: bool
    put: Path


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content with one to three things done to it."""
    found = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(found) + 1)
        end = min(len(found), at + rng.choice([1, 2, 8, 200]))
        how = rng.randrange(7)
        if how == 0:
            del found[at:]
        elif how == 1:
            del found[at:end]
        elif how == 2 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif how == 3:
            found[at:at] = rng.choice(SPECIAL)
        elif how == 4:
            found[at:at] = found[at:end]
        elif how == 5:
            found[at:end] = rng.randbytes(end - at)
        else:
            found[at:end] = bytes(end - at)
    return bytes(found)


def read_damaged(kinds: dict[str, Kind], n: int, seed: int) -> dict[str, Counter[str]]:
    """Outcomes of damaged files of each kind."""
    rng = random.Random(seed)
    counts = {name: Counter[str]() for name in kinds}
    for name, kind in kinds.items():
        expected = kind.read(_put(kind, kind.content))
        for _ in range(n // len(kinds)):
            content = damaged(kind.content, rng)
            path = _put(kind, content)
            start = time.monotonic()
            try:
                found = kind.read(path)
                outcome = "wrong" if kind.is_checked and not _same(found, expected) else "read"
            except HeadwiseError as error:
                outcome = "refused" if len(str(error)) < 2000 else "long message"
            except Exception:
                outcome = "traceback"
                console.print(f"{name}: {traceback.format_exc(limit=-3)}", markup=False)
            counts[name][outcome] += 1
            if time.monotonic() - start > SLOW:
                counts[name]["slow"] += 1
        _put(kind, kind.content)
    return counts


def _put(kind: Kind, content: bytes) -> Path:
    kind.put.write_bytes(content)
    return kind.put


def _same(a: Any, b: Any) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def kinds_in(folder: Path, model: headwise.Model, report: Report) -> dict[str, Kind]:
    """A good file of every kind that is read."""
    suite = headwise.read_suite("mole")
    rng = np.random.default_rng(0)
    of_model = {"positive": "a", "negative": "b", "layer": 1}
    direction = headwise.Direction.of(model, rng.normal(size=model.d_model), **of_model)
    probe = headwise.fit_probe(model, suite, layer=1, classifier="centroid")
    probe.save(folder / "probe")
    direction.save(folder / "direction")
    result = headwise.probe(
        model, suite, sites="residual", layers=[1], n_null=0, draws=1, selectivity=False
    )
    result.save(folder / "result")
    capture = _captured(model, folder / "capture")
    write_report(report, folder)
    (folder / "mole.conllu").write_text(3 * TREEBANK, encoding="utf-8")
    suite.sample_groups(3).save(folder / "suite.toml")
    (folder / "pairs.csv").write_text(PAIRS, encoding="utf-8")
    (folder / "blimp.jsonl").write_text(BLIMP, encoding="utf-8")
    (folder / "gym.json").write_text(GYM, encoding="utf-8")
    (folder / "wsd").mkdir()
    for part in ("train", "test"):
        (folder / "wsd" / f"{part}.data.txt").write_text(WSD, encoding="utf-8")
        (folder / "wsd" / f"{part}.gold.txt").write_text("0\n1\n", encoding="utf-8")
    (folder / "wsd" / "classes_map.txt").write_text('{"0": "animal", "1": "unit"}', encoding="utf-8")  # fmt: skip

    def suite_of(path: Path) -> Any:
        return [len(headwise.read_suite(str(path)))]

    def wsd_of(path: Path) -> Any:
        return [len(headwise.read_suite(str(path.parent)))]

    def page_of(path: Path) -> Any:
        return [render_report(load_report(path))]

    def probe_of(path: Path) -> Any:
        return list(vars(headwise.Probe.load(path)).values())

    def direction_of(path: Path) -> Any:
        return list(vars(headwise.Direction.load(path)).values())

    def result_of(path: Path) -> Any:
        found = headwise.Result.load(path.parent).contents
        described = [
            found.kind,
            found.model,
            found.suite,
            found.summary,
            str(found.significant),
            found.why_none,
        ]
        return [*described, str(found.columns), found.table.to_csv(), *found.arrays.values()]

    def capture_of(path: Path) -> Any:
        found = headwise.HeadCache.open(path.parent)
        return [found[site, layer].numpy() for site in capture.sites for layer in (0, 1)]

    reads: dict[str, tuple[Path, Callable[[Path], Any], bool]] = {
        "treebank": (folder / "mole.conllu", suite_of, False),
        "suite": (folder / "suite.toml", suite_of, False),
        "pairs": (folder / "pairs.csv", suite_of, False),
        "BLiMP": (folder / "blimp.jsonl", suite_of, False),
        "SyntaxGym": (folder / "gym.json", suite_of, False),
        "CoarseWSD sentences": (folder / "wsd" / "train.data.txt", wsd_of, False),
        "CoarseWSD labels": (folder / "wsd" / "train.gold.txt", wsd_of, False),
        "CoarseWSD senses": (folder / "wsd" / "classes_map.txt", wsd_of, False),
        "report": (folder / report.slug / "results.json", page_of, False),
        "probe": (folder / "probe", probe_of, True),
        "direction": (folder / "direction", direction_of, True),
        "result header": (folder / "result" / "result.json", result_of, True),
        "result table": (folder / "result" / "table.csv", result_of, True),
        "capture shard": (folder / "capture" / "shard-00000.safetensors", capture_of, True),
        "capture index": (folder / "capture" / "index.json", capture_of, True),
    }
    return {name: Kind(path.read_bytes(), read, checked, path) for name, (path, read, checked) in reads.items()}  # fmt: skip


TEXTS = 6 * ["The mole dug a tunnel.", "One mole of carbon.", "The blue creature."]


def _captured(model: headwise.Model, folder: Path) -> headwise.HeadCache:
    return headwise.capture(
        model, TEXTS, ["z", "update"], layers=[0, 1], budget="200KiB", batch_tokens=64, offload_dir=folder,
    )  # fmt: skip


def killed(model: headwise.Model, report: Report, folder: Path, n: int, seed: int) -> Counter[str]:
    """Outcomes of writes that are killed at a random moment, and of the next run after each."""
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    plain = _captured(model, folder / "whole")
    suite = headwise.read_suite("mole").sample_groups(20)
    asked: dict[str, Any] = {"sites": ("residual",), "layers": [1], "n_null": 0, "selectivity": False, "draws": 2, "n_jobs": 1, "folds": 2}  # fmt: skip
    expected = headwise.probe(model, suite, **asked).table
    write_report(report, folder)
    page = (folder / report.slug / "index.html").read_bytes()
    writes: dict[str, Callable[[], Any]] = {
        "report": lambda: write_report(report, folder),
        "capture": lambda: _captured(model, folder / "capture"),
        "probe": lambda: headwise.probe(model, suite, **asked, checkpoint_dir=folder / "fits"),
    }
    took = {name: _timed(write) for name, write in writes.items()}
    for i in range(n):
        name = list(writes)[i % len(writes)]
        if rng.random() < 0.5 and name != "report":
            _remove(folder / {"capture": "capture", "probe": "fits"}[name])
        if _killed_while(writes[name], rng.random() * took[name]):
            counts[f"{name} killed"] += 1
        try:
            if name == "report":
                # Whoever comes next finds the page, before writing anything.
                runner.check_writable(folder)
                lost = (folder / report.slug / "index.html").read_bytes() != page
            elif name == "capture":
                found = _captured(model, folder / "capture")
                lost = not all(torch.equal(found[s, j], plain[s, j]) for s in ("z", "update") for j in (0, 1))  # fmt: skip
            else:
                lost = not writes[name]().table.equals(expected)
            counts["lost or wrong"] += lost
        except Exception:
            counts["traceback"] += 1
            console.print(traceback.format_exc(limit=-3), markup=False)
    for write in writes.values():
        write()
    runner.check_writable(folder)
    hidden = [path for path in folder.rglob(".*") if path.name.startswith(".")]
    counts["left behind"] = len(hidden)
    return counts


def _timed(write: Callable[[], Any]) -> float:
    start = time.monotonic()
    write()
    return time.monotonic() - start


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _killed_while(write: Callable[[], Any], after: float) -> bool:
    """Writes in a copy of this process that is killed some time later; whether it was still running."""
    child = os.fork()
    if not child:
        try:
            write()
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def in_threads(model: headwise.Model, n: int) -> Counter[str]:
    """Captures of as many sentences in four threads, compared with those of one."""
    tokens = [torch.randint(3, 200, (1, 3 + i % 5), generator=torch.Generator().manual_seed(i)) for i in range(n)]  # fmt: skip

    def captured(given: torch.Tensor) -> dict[Any, torch.Tensor]:
        with hooks.capture(model, ["q", "pattern", "residual"], layers=[0, 2]) as seen:
            model.forward(given)
        return dict(seen)

    alone = [captured(given) for given in tokens]
    counts: Counter[str] = Counter(captures=n)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(captured, given) for given in tokens]
    for expected, future in zip(alone, futures, strict=True):
        if future.exception():
            counts["traceback"] += 1
            continue
        found = future.result()
        counts["wrong"] += not all(
            found[key].shape == x.shape and torch.allclose(found[key], x, atol=1e-5)
            for key, x in expected.items()
        )
    counts["left on the model"] = len(model.engine.taps) + (model.engine.stop_after is not None)
    return counts


BAD = ("wrong", "traceback", "slow", "long message", "lost or wrong", "left behind", "left on the model")  # fmt: skip


def main(
    inputs: Annotated[int, typer.Option(help="Damaged inputs.")] = 10_000,
    kills: Annotated[int, typer.Option(help="Killed writes.")] = 200,
    captures: Annotated[int, typer.Option(help="Captures in threads.")] = 1000,
    quick: Annotated[
        bool, typer.Option(help="A hundredth of it, and a tenth of the kills.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Fixes the damage.")] = 0,
) -> None:
    """Prints counts of what must not happen, and of what did."""
    if quick:
        inputs, kills, captures = inputs // 100, kills // 10, captures // 10
    torch.set_num_threads(1)  # a copy of a process has none of its threads
    start = time.monotonic()
    model = headwise.load("burrow", device="cpu")
    analysis = discovery.load_analysis(discovery.find_analysis("relations"))
    report = analysis.analyse(model, runner.suite_of(analysis, "burrow", 0), smoke=True)
    rows: list[tuple[str, Counter[str]]] = []
    with tempfile.TemporaryDirectory() as folder:
        kinds = kinds_in(Path(folder), model, report)
        rows += [
            (f"damaged {name}", own) for name, own in read_damaged(kinds, inputs, seed).items()
        ]
    with tempfile.TemporaryDirectory() as folder:
        rows.append(("killed writes", killed(model, report, Path(folder), kills, seed)))
    rows.append(("threads", in_threads(model, captures)))
    table = Table("", "bad", "all outcomes", title=f"{inputs:,} damaged inputs, {kills} kills, {captures:,} captures in threads; {time.monotonic() - start:.0f} s")  # fmt: skip
    bad = 0
    for name, counts in rows:
        own = sum(counts[what] for what in BAD)
        bad += own
        table.add_row(name, str(own), json.dumps(dict(counts)))
    console.print(table)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    typer.run(main)
