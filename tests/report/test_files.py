import numpy as np
import pandas as pd
import pytest

from headwise import HeadwiseError
from headwise.report import (
    Place,
    check_writable,
    render_again,
    render_report,
    write_index,
    write_report,
)
from headwise.report.schema import load_report
from helpers import pages


def test_the_page_comes_from_the_file(tmp_path):
    page = write_report(pages.whole(), tmp_path)
    stored = load_report(page.parent / "results.json")
    assert stored == load_report(page.parent / "results.json")
    assert render_report(stored) == page.read_text(encoding="utf-8")
    assert stored == pages.whole()
    csv = pd.read_csv(page.parent / "tables/heads.csv")
    assert csv["rate"].tolist()[0] == 0.123456 and np.isnan(csv["rate"].tolist()[1])


def test_a_second_run_replaces_the_first_whole(tmp_path):
    page = write_report(pages.whole("former"), tmp_path)
    (page.parent / "stray.txt").write_text("left over")
    write_report(pages.whole("latter"), tmp_path)
    assert "latter" in page.read_text() and "former" not in page.read_text()
    assert not (page.parent / "stray.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["looks-tiny"]


def test_a_failed_write_leaves_the_earlier_report(tmp_path, monkeypatch):
    page = write_report(pages.whole("former"), tmp_path)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pandas.DataFrame.to_csv", full)
    with pytest.raises(HeadwiseError, match="No space left on device"):
        write_report(pages.whole("latter"), tmp_path)
    assert "former" in page.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["looks-tiny"]


def place(out, **changes):
    same = {"analysis": "looks", "model": "tiny", "data": "plain", "options": {"label": "plain"}}
    return Place(out, **(same | {"smoke": True} | changes))


def test_a_report_takes_the_place_of_an_earlier_run_of_the_same_only(tmp_path):
    place(tmp_path).check()  # nothing there
    write_report(pages.whole(), tmp_path)
    place(tmp_path).check()
    place(tmp_path, smoke=False).check()  # a whole run may replace a smoke run
    with pytest.raises(HeadwiseError, match=r"on other data \(plain\).*--overwrite"):
        place(tmp_path, data="other").check()
    with pytest.raises(HeadwiseError, match=r"with other options \(label plain\)"):
        place(tmp_path, options={}).check()
    whole = pages.whole().provenance.model_copy(update={"smoke": False})
    write_report(pages.whole(provenance=whole), tmp_path)
    with pytest.raises(HeadwiseError, match="of a whole run, and this is a smoke run"):
        place(tmp_path).check()


def test_names_that_differ_and_folders_that_do_not(tmp_path):
    write_report(pages.whole(model="org/name"), tmp_path)
    with pytest.raises(HeadwiseError, match="of the model 'org/name'"):
        place(tmp_path, model="org-name").check()


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    folder = tmp_path / "looks-tiny"
    folder.mkdir()
    place(tmp_path).check()  # empty
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(HeadwiseError, match="holds something that is not a report"):
        place(tmp_path).check()
    (folder / "results.json").write_text('{"schema_version": 2, "analysis": "lo')
    with pytest.raises(HeadwiseError, match="cannot be read as a report"):
        place(tmp_path).check()


def test_a_page_is_drawn_again_from_its_data(tmp_path):
    page = write_report(pages.whole(), tmp_path)
    before = page.read_bytes()
    page.unlink()
    assert render_again(page.parent) == page
    assert page.read_bytes() == before
    page.unlink()
    render_again(page.parent / "results.json")
    assert page.read_bytes() == before
    (page.parent / "results.json").write_text("half of {")
    with pytest.raises(HeadwiseError, match="cannot be read as a report"):
        render_again(page.parent)
    assert page.read_bytes() == before


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HeadwiseError, match="Choose another folder with --out"):
        check_writable(tmp_path / "file" / "reports")


def test_model_names_become_safe_folders():
    assert pages.whole(model="org/model name").slug == "looks-org-model-name"
    assert pages.whole(model="../../etc").slug == "looks-..-..-etc"


def test_index_lists_what_can_be_read(tmp_path):
    write_report(pages.whole("one", model="a"), tmp_path)
    write_report(pages.whole("two", model="b"), tmp_path)
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


def test_pages_stay_small(tmp_path):
    """12 layers of 12 heads, 200 sentences of which each head holds some, four kinds of evidence, and long tables."""
    words = [f"word{i}" for i in range(15)]
    few = [pages.example(words, range(6 * (i % 24), 6 * (i % 24) + 6), i) for i in range(194)]
    all_heads = [pages.example(words, range(144), i) for i in range(6)]
    shown = pages.attention(12, 12, examples=[*all_heads, *few])
    assert len(shown.examples) == 200
    report = pages.whole("a caption of some length", 12, 12, attention=shown)
    long = report.tables[0].model_copy(update={"rows": report.tables[0].rows * 30})
    report = report.model_copy(update={"tables": [long] * 4})
    assert len(render_report(report).encode()) <= 3_000_000
    small = [pages.example(words, range(72), i) for i in range(12)]
    half = pages.whole(n_layers=6, n_heads=12, attention=pages.attention(6, 12, examples=small))
    assert len(render_report(half).encode()) <= 2_000_000


def origin(**changes):
    made = pages.whole().provenance
    known = {name: getattr(made, name).model_copy(update={"sha256": "0" * 64}) for name in ("model", "data")}  # fmt: skip
    made = made.model_copy(update=known)
    return pages.whole(provenance=made.model_copy(update=changes))


@pytest.mark.parametrize(
    ("earlier", "now", "message"),
    [
        ({"seed": 5}, {"seed": 0}, "with the seed 5"),
        ({"dtype": "bfloat16"}, {"dtype": "float32"}, "in bfloat16"),
        ({"script": "good.py"}, {"script": "good2.py"}, r"by the analysis good\.py"),
        ({}, {"weights": "1" * 64}, "of another model of that name"),
        ({}, {"content": "1" * 64}, "on other data of that name"),
    ],
)
def test_what_else_is_another_report(tmp_path, earlier, now, message):
    found = origin(**earlier)
    source = found.provenance
    known = {"seed": source.seed, "dtype": source.dtype, "script": source.script, "weights": source.model.sha256, "content": source.data.sha256}  # fmt: skip
    write_report(found, tmp_path)
    place(tmp_path, **known).check()
    with pytest.raises(HeadwiseError, match=message):
        place(tmp_path, **(known | now)).check()


def test_half_a_character_in_a_text(tmp_path):
    write_report(pages.whole("former"), tmp_path)
    with pytest.raises(HeadwiseError, match="holds a text that is none"):
        write_report(pages.whole(question="\ud800"), tmp_path)
    assert "former" in (tmp_path / "looks-tiny" / "index.html").read_text()


def test_the_index_names_what_it_leaves_out(tmp_path):
    write_report(pages.whole(), tmp_path)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "results.json").write_text("{")
    assert "cannot be read: odd." in write_index(tmp_path).read_text()
