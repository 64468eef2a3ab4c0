"""Pages of reports: how large, how soon they are painted, how fast they answer.

    uv run benchmarks/report.py                       # made-up reports of several sizes
    uv run benchmarks/report.py reports/mole-minilm   # and a real one

Each page is opened several times in the system's Chromium, from a file. `paint` is the time from the request to the first contentful
paint, `ready` that until the scripts are done, both as the browser measures them (median). The attention view is asked at 8, 64 and 512
tokens, in each of its pictures: from a pointer's move, a key or another head until the browser has painted (median and
the slowest of many, which includes waiting for the next frame). Beside the packed arrays stands what nested lists of the same numbers, at four figures, would weigh.
"""

import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from headwise.report import render_report
from headwise.report.html.payload import page_of
from headwise.report.schema import Packed, load_report
from helpers import pages

PAINTED = """async (act) => {
  const [x, y] = act.at || [];
  const stage = document.querySelector("[data-attention] [role=application]");
  const start = performance.now();
  if (act.key) stage.dispatchEvent(new KeyboardEvent("keydown", { key: act.key, bubbles: true }));
  else if (act.weight) {
    const weight = document.querySelector(`[data-attention] option[value="${act.weight}"]`).parentElement;
    weight.value = act.weight;
    weight.dispatchEvent(new Event("change"));
  } else if (act.click) document.querySelector(act.click).click();
  else stage.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: y, bubbles: true }));
  stage.getBoundingClientRect();
  const worked = performance.now() - start;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return [worked, performance.now() - start];
}"""


def sizes():
    """Reports as a name and what is in them."""
    words = [f"word{i}" for i in range(15)]
    few = [pages.example(words, range(6 * (i % 24), 6 * (i % 24) + 6), i) for i in range(194)]
    shared = [pages.example(words, range(144), i) for i in range(6)]
    yield (
        "6 x 12 heads, 12 sentences",
        pages.whole(
            n_layers=6,
            n_heads=12,
            attention=pages.attention(
                6, 12, examples=[pages.example(words, range(72), i) for i in range(12)]
            ),
        ),
    )
    yield (
        "12 x 12 heads, 200 sentences",
        pages.whole(
            n_layers=12, n_heads=12, attention=pages.attention(12, 12, examples=[*shared, *few])
        ),
    )
    yield "48 x 64 heads", pages.whole(n_layers=48, n_heads=64, attention=None)


def nested(report):
    """Bytes of the page's data with lists in place of packed arrays."""

    def unpack(value):
        if isinstance(value, dict) and set(value) == {"dtype", "shape", "data"}:
            array = Packed(**value).array()
            figures = [float(f"{v:.4g}") if np.isfinite(v) else None for v in array.ravel()]
            return np.array(figures, dtype=object).reshape(array.shape).tolist()
        if isinstance(value, dict):
            return {name: unpack(one) for name, one in value.items()}
        return [unpack(one) for one in value] if isinstance(value, list) else value

    return len(json.dumps(unpack(page_of(report).model_dump()), separators=(",", ":")))


def opened(browser, html, runs):
    """Medians of milliseconds to the first paint and to the end of the scripts."""
    paint, ready = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(html, encoding="utf-8")
        for _ in range(runs):
            page = browser.new_page()
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-ready]", state="attached")
            first = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
            while (painted := page.evaluate(first)) is None:
                page.wait_for_timeout(5)
            paint.append(painted)
            ready.append(
                page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
            )
            page.close()
    return statistics.median(paint), statistics.median(ready)


def answers(browser, n_tokens, view, runs):
    """Milliseconds of work and until painted, for pointer, keys and another head."""
    words = [f"word{i}" for i in range(n_tokens - 1)]
    example = pages.example(words, range(12)).model_copy(update={"causal": True})
    report = pages.whole(attention=pages.attention(examples=[example]))
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_content(render_report(report))
    page.wait_for_selector("html[data-ready]", state="attached")
    page.get_by_role("radio", name=view).check()
    stage = page.locator("[data-attention] [role=application]")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    rng = np.random.default_rng(0)
    acts = []
    for _ in range(runs):
        where = rng.uniform(0.15, 0.85, 2)
        x, y = (
            box["x"] + where[0] * box["width"],
            max(0, box["y"]) + where[1] * min(800, box["height"]),
        )
        acts += [{"at": [x, y]}, {"key": "ArrowRight"}, {"key": "ArrowDown"}]
    followed = [page.evaluate(PAINTED, act) for act in acts]
    switched = [
        page.evaluate(PAINTED, {"click": "[data-card] .steps button:last-child"})
        for _ in range(runs)
    ]
    page.close()
    return followed, switched


def first_weights(browser, view, runs):
    """Milliseconds of work and until painted when the weight is changed for the first time, 12 heads of 512 tokens chosen."""
    words = [f"word{i}" for i in range(511)]
    example = pages.example(words, range(12)).model_copy(update={"causal": True})
    html = render_report(pages.whole(attention=pages.attention(examples=[example])))
    times = []
    for _ in range(runs):
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_content(html)
        page.wait_for_selector("html[data-ready]", state="attached")
        page.get_by_role("radio", name=view).check()
        page.get_by_label("look at several heads at once").check()
        first = int(page.inner_text("#head")[1]) * 4 + int(page.inner_text("#head")[3])
        grid = page.locator("[data-evidence] .stage svg").first
        for head in set(range(12)) - {first}:
            row, column = divmod(head, 4)
            grid.click(position={"x": 26 + 23 * (column + 0.5), "y": 16 + 23 * (row + 0.5)})
        chosen = page.locator("[data-evidence] .chosen").first.get_attribute("d").count("M")
        assert chosen == 12, chosen
        times.append(page.evaluate(PAINTED, {"weight": "norms"}))
        page.close()
    return times


def main(
    reports: Annotated[list[Path] | None, typer.Argument(help="Folders of real reports.")] = None,
    runs: int = 7,
):
    from playwright.sync_api import sync_playwright

    console = Console()
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        console.print("Needs Chromium (Debian: apt-get install chromium).")
        raise typer.Exit(2)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        table = Table("page", "MB", "with nested lists", "first paint, ms", "ready, ms", box=None)
        real = [(str(folder), load_report(folder / "results.json")) for folder in reports or []]
        for name, report in [*sizes(), *real]:
            html = render_report(report)
            size, data = len(html.encode()), len(page_of(report).model_dump_json())
            plain = size - data + nested(report)
            paint, ready = opened(browser, html, runs)
            table.add_row(
                name,
                f"{size / 1e6:.2f}",
                f"{plain / 1e6:.2f} ({plain / size:.1f}x)",
                f"{paint:.0f}",
                f"{ready:.0f}",
            )
        console.print(table)
        table = Table(
            "tokens",
            "picture",
            "follow: work, ms",
            "painted",
            "slowest",
            "other head: work, ms",
            "painted",
            "slowest",
            box=None,
        )
        for n_tokens in (8, 64, 512):
            for view in ("Dots", "Lines", "Text"):
                cells = []
                for times in answers(browser, n_tokens, view, runs):
                    work, painted = zip(*times, strict=True)
                    cells += [
                        f"{statistics.median(work):.1f}",
                        f"{statistics.median(painted):.0f}",
                        f"{max(painted):.0f}",
                    ]
                table.add_row(str(n_tokens), view, *cells)
        console.print()
        console.print(table)
        table = Table(
            "512 tokens, 12 heads", "first change of weight: work, ms", "painted", box=None
        )
        for view in ("Dots", "Lines", "Text"):
            work, painted = zip(*first_weights(browser, view, runs), strict=True)
            table.add_row(
                view,
                f"{statistics.median(work):.0f} (slowest {max(work):.0f})",
                f"{statistics.median(painted):.0f} (slowest {max(painted):.0f})",
            )
        console.print()
        console.print(table)
        browser.close()


if __name__ == "__main__":
    typer.run(main)
