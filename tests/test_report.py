import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from headwise import HeadwiseError
from headwise.report import check_writable, render_index, render_report, write_index, write_report
from headwise.results import (
    Column,
    Heatmap,
    Lines,
    Matrix,
    Provenance,
    Report,
    Series,
    Source,
    Table,
    load_report,
    verdict_of,
)

NASTY = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&\u202e"


def report(text="plain", **changes):
    frame = pd.DataFrame({"head": [text, "L0H1"], "rate": [0.123456, np.nan], "n": [1200, 3]})
    made = Report(
        analysis="looks",
        model=changes.pop("model", "tiny"),
        question=text,
        verdict="inconclusive",
        answer=text,
        figures=[
            Heatmap(
                title=text,
                caption=text,
                values=np.array([[0.0, 0.5], [1.0, np.nan]]),
                baseline=(text, 0.25),
                marked=[(0, 1)],
            ),
            Matrix(
                title=text,
                caption=text,
                rows=[text, "amod"],
                columns=["L0H0", "L0H1", "L1H0", "L1H1"],
                breaks=[2],
                values=np.array([[0.1, -0.2, np.nan, 0.9], [0.0, 0.25, 0.5, 0.3]]),
                marked=[(1, 2)],
                marks=text,
            ),
            Lines(
                title=text,
                caption=text,
                x_label=text,
                x=[0, 1],
                series=[
                    Series(name=text, values=[0.1, np.nan], low=[0.0, 0.2], high=[0.2, 0.4]),
                    Series(name="bag", values=[0.3, 0.3], is_baseline=True),
                ],
            ),
        ],
        tables=[
            Table.of(
                "heads",
                text,
                frame,
                [
                    Column(name="head", title=text, note=text),
                    Column(name="rate", title="Rate", kind="rate"),
                    Column(name="n", title="N", kind="integer"),
                ],
                caption=text,
            )
        ],
        not_found=[text],
        method=[text],
        references=[text],
        provenance=Provenance(
            created="2026-01-01 00:00 UTC", seconds=1.5, command=text, seed=0, smoke=True, device="cpu",
            dtype="float32", platform="x", versions={"torch": text}, commit="", dirty=None,
            model=Source(name=text, path=text, note=text, license=text), data=Source(name=text),
        ),
    )  # fmt: skip
    return made.model_copy(update=changes)


class Page(HTMLParser):
    """Collects tags and text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def test_text_from_data_is_text():
    """The same tags with harmless and with hostile text, in every place where data enter."""
    plain, nasty = Page(render_report(report("plain"))), Page(render_report(report(NASTY)))
    assert nasty.tags == plain.tags
    assert "script" not in nasty.tags and "img" not in nasty.tags
    assert not [name for name, _ in nasty.attributes if name.startswith("on")]
    assert "".join(nasty.text).count("alert(1)") >= 2 * 10


def test_index_escapes_too():
    assert "script" not in Page(render_index([report(NASTY, model=NASTY)])).tags


def test_nothing_is_loaded_from_anywhere():
    html = render_report(report())
    assert "default-src 'none'" in html
    page = Page(html)
    links = [
        value for name, value in page.attributes if name in ("src", "href", "srcset", "action")
    ]
    assert links == ["tables/heads.csv"]
    assert not re.search(r"url\(\s*['\"]?(?!#)", html)
    assert "@import" not in html


def test_rendering_twice_gives_the_same_bytes():
    assert render_report(report()) == render_report(report())


def test_missing_values_are_shown_as_missing():
    html = render_report(report())
    assert "nan" not in Page(html).text
    assert "\N{EN DASH}" in html
    assert ">12.3%<" in html and ">1,200<" in html


def test_a_matrix_says_each_number():
    html = render_report(report())
    assert 'colspan="2">L0</th>' in html and 'colspan="2">L1</th>' in html
    cells = re.findall(
        r'<td class="([^"]*)" style="--v:([0-9.]+)" title="amod, (\w+): ([^"]*)"', html
    )
    assert cells == [
        ("", "0.0", "L0H0", "+0"),
        ("", "0.5", "L0H1", "+25"),
        ("break marked", "1.0", "L1H0", "+50"),
        ("", "0.6", "L1H1", "+30"),
    ]
    assert "L0H1: \N{MINUS SIGN}20" in html and "L1H0: \N{EN DASH}" in html


def test_the_page_comes_from_the_file(tmp_path):
    page = write_report(report(), tmp_path)
    stored = load_report(page.parent / "results.json")
    assert stored == load_report(page.parent / "results.json")
    assert render_report(stored) == page.read_text(encoding="utf-8")
    assert stored.figures[0].values == [[0.0, 0.5], [1.0, None]]
    csv = pd.read_csv(page.parent / "tables/heads.csv")
    assert csv["rate"].tolist()[0] == 0.123456 and np.isnan(csv["rate"].tolist()[1])


def test_a_second_run_replaces_the_first_whole(tmp_path):
    page = write_report(report("first"), tmp_path)
    (page.parent / "stray.txt").write_text("left over")
    write_report(report("second"), tmp_path)
    assert "second" in page.read_text() and "first" not in page.read_text()
    assert not (page.parent / "stray.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["looks-tiny"]


def test_a_failed_write_leaves_the_earlier_report(tmp_path, monkeypatch):
    page = write_report(report("first"), tmp_path)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pandas.DataFrame.to_csv", full)
    with pytest.raises(HeadwiseError, match="No space left on device"):
        write_report(report("second"), tmp_path)
    assert "first" in page.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["looks-tiny"]


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HeadwiseError, match="Choose another folder with --out"):
        check_writable(tmp_path / "file" / "reports")


def test_model_names_become_safe_folders():
    assert report(model="org/model name").slug == "looks-org-model-name"
    assert report(model="../../etc").slug == "looks-..-..-etc"


def test_index_lists_what_can_be_read(tmp_path):
    write_report(report("one", model="a"), tmp_path)
    write_report(report("two", model="b"), tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/results.json").write_text('{"schema_version": 1')
    text = write_index(tmp_path).read_text()
    assert "looks-a/index.html" in text and "looks-b/index.html" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "broken",
        "index.html",
        "looks-a",
        "looks-b",
    ]


def test_files_that_are_no_report(tmp_path):
    page = write_report(report(), tmp_path)
    path = page.parent / "results.json"
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    with pytest.raises(HeadwiseError, match="cannot be read as a report"):
        load_report(path)
    path.write_text(json.dumps(json.loads(whole) | {"schema_version": 0}))
    with pytest.raises(HeadwiseError, match="schema version 0; this headwise reads 1 to 2"):
        load_report(path)
    path.write_text(json.dumps(json.loads(whole) | {"tables": [3]}))
    with pytest.raises(HeadwiseError, match=r"not a complete report: tables\.0"):
        load_report(path)


def test_an_older_report_is_read_and_one_from_the_future_is_not(tmp_path):
    page = write_report(report(), tmp_path)
    path = page.parent / "results.json"
    new = json.loads(path.read_text())
    old = {name: value for name, value in new.items() if name not in ("heads", "attention")}
    path.write_text(json.dumps(old | {"schema_version": 1}))
    assert load_report(path) == report()
    path.write_text(json.dumps(new | {"schema_version": 99}))
    with pytest.raises(HeadwiseError, match="A newer headwise made it"):
        load_report(path)


def test_reports_are_typed_and_frozen():
    with pytest.raises(ValidationError):
        report().model_copy().question = "another"
    with pytest.raises(ValidationError):
        Report.model_validate(report().model_dump() | {"extra": 1})


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        ([(0.1, 0.2)], "supported"),
        ([(0.1, 0.2), (0.01, 0.3)], "supported"),
        ([(0.1, 0.2), (-0.01, 0.3)], "inconclusive"),
        ([(0.1, 0.2), (-0.3, -0.1)], "not supported"),
        ([(0.1, 0.2), (0.0, 0.0)], "not supported"),
        ([(float("nan"), float("nan"))], "inconclusive"),
    ],
)
def test_verdicts(intervals, verdict):
    assert verdict_of(intervals) == verdict
