"""What every result can do, on small ones made by hand and on one of each kind that there is."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

import headwise
from headwise import HeadwiseError, UnknownName
from headwise._columns import Column, Columns, columns_of_heads, interval
from headwise._result import LONGEST, ROWS, Result, SavedResult
from headwise.attention.head_atlas import atlas
from headwise.data.suite import Link, Suite
from headwise.interventions.prompts import that_fit
from headwise.report.columns import reference, results
from helpers.architectures import make
from helpers.moles import LABELS, NAMES, OTHERS, SUITE, sentence
from helpers.steered import asked_of, direction_of
from helpers.steps import marked

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = Columns(
    Column("name", "Head"),
    columns_of_heads(),
    Column("method", "Method"),
    Column("effect", "Effect", "number", "How much"),
    interval("effect"),
    Column("p_fwer", "p", "number", "Over all"),
    Column("count", "Count", "integer"),
    Column("is_odd", "Odd"),
    Column("said", "Said"),
)


@dataclass(frozen=True, eq=False, repr=False)
class Found(Result):
    """Something that was found."""

    model: str
    suite: str
    values: dict[str, np.ndarray]
    table: pd.DataFrame
    beside: pd.DataFrame
    columns: ClassVar[Columns] = COLUMNS
    further: ClassVar = {"beside": Columns(Column("text", "Text"))}

    def significant(self):
        return self.table[self.table["p_fwer"] < 0.05].sort_values("effect", ascending=False)

    def _summary(self):
        return self._found("found")


@dataclass(frozen=True, eq=False, repr=False)
class Described(Result):
    """Something without a test."""

    model: str
    table: pd.DataFrame
    columns: ClassVar[Columns] = COLUMNS.pick("effect")


NASTY = [
    "plain",
    "",
    'a "quote", and a comma',
    "two\nlines",
    "\r\n\0",
    "None",
    "nan",
    "L3H7",
    "été",
]


def found(n=9):
    layer, head = np.divmod(np.arange(n), 3)
    table = pd.DataFrame(
        {
            "name": [f"L{a}H{b}" for a, b in zip(layer, head, strict=True)],
            "layer": layer,
            "head": pd.array([*head[:-1], pd.NA], dtype="Int64"),
            "method": "zero",
            "effect": np.linspace(0.1, 1 / 3, n),
            "effect_low": np.full(n, np.nan),
            "effect_high": [np.inf, -np.inf, 5e-324, *np.ones(n - 3)],
            "p_fwer": np.where(np.arange(n) % 2, 0.01, 0.9).astype(np.float32),
            "count": np.arange(n),
            "is_odd": np.arange(n) % 2 == 1,
            "said": NASTY[:n],
        }
    )
    beside = pd.DataFrame({"text": pd.Series(["a", None, "None"], dtype="str")})
    return Found("tiny", "some", {"kl": np.arange(6.0).reshape(2, 3)}, table, beside)


def test_a_line_says_what_was_found():
    assert repr(found()) == "Found(tiny, some: 4 found: L2H1, L1H2, L1H0, L0H1)"
    long = Found("m" * 400, "some", {}, found().table, found().beside)
    assert len(repr(long)) == LONGEST and repr(long).endswith("...)")
    none = Found("tiny", "some", {}, found().table.assign(p_fwer=1.0), found().beside)
    assert repr(none) == "Found(tiny, some: none found)"
    assert repr(Described("tiny", found().table)) == "Described(tiny: 9 rows)"


def test_a_notebook_sees_titles_and_first_rows():
    shown = found()._repr_html_()
    assert shown.count("<th>from</th>") == 1 and "effect_low" not in shown
    assert shown.count("<tr") == ROWS + 1
    assert "&lt;" in Found("<b>", "s", {}, found().table, found().beside)._repr_html_()


def test_a_grid_has_a_place_for_every_head():
    grid = found().grid("effect")
    table = found().table
    assert grid.shape == (3, 3) and np.isnan(grid[2, 2])  # of which no head is known
    assert grid[1, 2] == table["effect"][5]
    np.testing.assert_array_equal(found().grid("is_odd").ravel()[:8], np.arange(8) % 2)
    both = pd.concat([table.assign(method="zero"), table[:4].assign(method="mean")])
    result = Found("tiny", "some", {}, both, found().beside)
    part = result.grid("count", method="mean")
    assert part.shape == (3, 3) and np.isfinite(part).sum() == 4
    with pytest.raises(
        HeadwiseError, match=r"Several rows .* a head: .*method= \('zero', 'mean'\)"
    ):
        result.grid("count")
    with pytest.raises(UnknownName, match=r"'effct'; known are .* Did you mean 'effect'"):
        result.grid("effct")
    with pytest.raises(UnknownName, match=r"'way'; known are"):
        result.grid("effect", way="zero")
    with pytest.raises(UnknownName, match=r"No row has method='one'; known are 'zero', 'mean'"):
        result.grid("effect", method="one")
    with pytest.raises(HeadwiseError, match=r"'said' holds text, .* row\(...\)"):
        result.grid("said")
    with pytest.raises(HeadwiseError, match=r"no rows of single heads"):
        Described("tiny", table[["effect"]]).grid("effect")


def test_sides_have_grids_of_their_own():
    table = pd.DataFrame({"side": ["encoder"] * 4 + ["decoder"], "layer": [0, 0, 1, 1, 0], "head": [0, 1, 0, 1, 0], "effect": np.arange(5.0)})  # fmt: skip
    result = Described("tiny", table)
    assert result.grid("effect", side="encoder").tolist() == [[0, 1], [2, 3]]
    assert result.grid("effect", side="decoder").tolist() == [[4]]
    with pytest.raises(HeadwiseError, match=r"side="):
        result.grid("effect")


def test_a_row_is_one():
    assert found().row(name="L1H2")["count"] == 5
    assert found().row(layer=1, head=2, method="zero")["name"] == "L1H2"
    with pytest.raises(HeadwiseError, match=r"Several rows .* by name="):
        found().row(layer=1)
    with pytest.raises(HeadwiseError, match=r"No row of Found.* has name='L1H2' and layer=0"):
        found().row(name="L1H2", layer=0)
    with pytest.raises(UnknownName, match=r"No row has name='L9H9'"):
        found().row(name="L9H9")


def test_what_has_no_test_says_so():
    with pytest.raises(HeadwiseError, match=r"Described has no test of its own: read"):
        Described("tiny", found().table).significant()


def test_a_result_is_saved_and_read(tmp_path):
    result = found()
    saved = result.save(tmp_path / "deep" / "result")
    read = headwise.Result.load(saved)
    assert isinstance(read, SavedResult) and repr(read) == repr(result)
    pd.testing.assert_frame_equal(read.table, result.table, check_exact=True)
    assert read.table["said"].tolist() == NASTY
    pd.testing.assert_frame_equal(read.contents.further["beside"], result.beside)
    pd.testing.assert_frame_equal(read.significant(), result.significant())
    np.testing.assert_array_equal(read.grid("effect"), result.grid("effect"))
    assert read.row(name="L0H1").equals(result.row(name="L0H1"))
    assert read.columns == COLUMNS and read._repr_html_() == result._repr_html_()
    np.testing.assert_array_equal(read.contents.arrays["values/kl"], result.values["kl"])
    again = headwise.Result.load(read.save(tmp_path / "again"))
    pd.testing.assert_frame_equal(again.table, result.table, check_exact=True)
    with pytest.raises(HeadwiseError, match=r"no test of its own"):
        headwise.Result.load(Described("tiny", result.table).save(tmp_path / "d")).significant()


def test_a_saved_result_is_viewed(tmp_path):
    finite = found().table.drop(columns=["effect_high", "said"])
    result = Found("tiny", "some", {}, finite, found().beside)
    html = headwise.Result.load(result.save(tmp_path / "r")).view().html
    assert "Found of tiny" in html and '"L1H2"' in html


def test_an_empty_table_is_saved(tmp_path):
    empty = Found("tiny", "some", {}, found().table[:0], found().beside[:0])
    read = Found.load(empty.save(tmp_path / "r"))
    pd.testing.assert_frame_equal(read.table, empty.table)
    assert read.grid("effect").shape == (0, 0) and read.significant().empty


def test_an_earlier_result_is_replaced_and_nothing_else(tmp_path):
    folder = found().save(tmp_path / "r")
    Described("tiny", found().table).save(folder)
    assert headwise.Result.load(folder).kind == "Described"
    assert not (folder / "beside.csv").exists() and [p.name for p in tmp_path.iterdir()] == ["r"]
    with pytest.raises(
        HeadwiseError, match=r"holds a Described, not a Found; headwise.Result.load"
    ):
        Found.load(folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(HeadwiseError, match=r"no saved result and would be replaced. Name another"):
        found().save(tmp_path / "mine")
    (tmp_path / "file").write_text("")
    with pytest.raises(HeadwiseError, match=r"Name another folder"):
        found().save(tmp_path / "file")
    with pytest.raises(HeadwiseError, match=r"Cannot write .* Choose another folder"):
        found().save(tmp_path / "file" / "below")


def test_what_cannot_be_saved_leaves_the_old(tmp_path):
    folder = found().save(tmp_path / "r")
    odd = found().table.assign(said=[object()] * 9)
    with pytest.raises(HeadwiseError, match=r"'said' holds neither numbers nor text"):
        Found("tiny", "some", {}, odd, found().beside).save(folder)
    assert repr(headwise.Result.load(folder)) == repr(found())
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def _header(folder, **changes):
    path = folder / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "table.csv").write_text("name\n"),
        lambda f: (f / "table.csv").unlink(),
        lambda f: (f / "arrays.safetensors").write_bytes(b"\x80\x04"),
        lambda f: _header(f, tables={"../secret": []}),
        lambda f: _header(f, significant=["a"]),
        lambda f: _header(f, significant=[1]),
        lambda f: _header(f, summary="every head attends to it"),
        lambda f: _header(f, model="another"),
        lambda f: _header(f, tables={"table": [{"name": "x", "dtype": "float64"}], "beside": []}),
    ],
)
def test_damage_is_noticed(tmp_path, damage):
    folder = found().save(tmp_path / "r")
    damage(folder)
    with pytest.raises(HeadwiseError, match=r"a damaged result: .*Run the test again"):
        headwise.Result.load(folder)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(HeadwiseError, match=r"There is no saved result .*Run the test again"):
        headwise.Result.load(tmp_path / "none")
    (tmp_path / "other").mkdir()
    for text in ("{}", "[1]", "not json"):
        (tmp_path / "other" / "result.json").write_text(text)
        with pytest.raises(HeadwiseError, match=r"holds no result that Headwise saved"):
            headwise.Result.load(tmp_path / "other")


def described():
    """Nouns with an adjective each, two of every noun."""
    texts = [(noun, f"the {a} {noun}") for noun in ("cat", "dog", "house", "tree") for a in ("blue", "old")]  # fmt: skip
    made = [marked(text, 2, "noun", noun, (Link(1, 2, "amod"),)) for noun, text in texts]
    return Suite("described", "?", tuple(made))


@pytest.fixture(scope="module")
def every(tiny_gpt2, wordpiece):
    """Results of every kind, of a few sentences."""
    model = tiny_gpt2
    read_word_by_word = headwise.load(make("GPT2", len(wordpiece)), tokenizer=wordpiece)
    pairs = that_fit(model, headwise.read_suite("probes/adjective_pairs.toml")).sample_groups(6)
    suite = headwise.read_suite("probes/adjective_noun.toml").sample_groups(12)
    mole = headwise.read_suite("probes/mole.toml")
    some, labels = ["L1H2", "L0H1"], mole.sentences[0].marks[0].label
    senses = replace(SUITE, name="tested", sentences=tuple(sentence(n, sense, OTHERS) for sense in LABELS for n in NAMES))  # fmt: skip
    direction = headwise.directions.from_classes(model, SUITE, ("animal", "unit"), layer=1)
    few = {"n_null": 5, "n_null_kept": 2}
    return [
        headwise.relation_test(model, suite, "amod", n_null=1, n_splits=2, n_flips=50),
        atlas(model, suite),
        headwise.probe(model, mole, folds=3, sites=["residual", "z"], layers=[1], n_null=1, draws=1),
        headwise.erase(model, mole, folds=3, layers=[1], n_null=1),
        headwise.read_circuits(model, n_null=4),
        headwise.direction_test(model, senses, direction, n_permutations=20, n_null_directions=20, n_null=0),
        headwise.ov_alignment_test(read_word_by_word, described(), n_null=1),
        headwise.transfer_test(model, headwise.read_suite("probes/gender_steps.toml"), "royalty", n_null_directions=10, n_null=1),
        headwise.logit_lens(model, mole, heads=some, targets={labels: ["the", "a"]}, n_null=10),
        headwise.ablate(model, pairs, heads=some, n_null=0),
        headwise.ablate(model, pairs, heads={"both": some}, n_null=0),
        headwise.ablate_set(model, pairs, some, method="zero", **few),
        headwise.direct_effects(model, pairs, heads=some),
        headwise.patch(model, pairs),
        headwise.path_patch(model, pairs),
        headwise.attribution_patch(model, pairs, top=2, sample=3),
        headwise.steer(model, asked_of(), direction_of(model, 1), doses=(1.0,), n_null=2),
    ]  # fmt: skip


def test_every_column_of_every_result_is_documented(every):
    assert {type(result) for result in every} == set(results())
    differ = {}
    for kind in results():
        own = [result for result in every if type(result) is kind]
        for name, columns in {"table": kind.columns, **kind.further}.items():
            held = {str(column) for result in own for column in getattr(result, name)}
            differ |= {(kind.__name__, name): held ^ set(columns)} if held != set(columns) else {}
            assert all(c.meaning and c.title for c in columns.values()), (kind, name)
    assert not differ


def test_every_result_is_saved_and_read(every, tmp_path):
    for i, result in enumerate(every):
        read = headwise.Result.load(result.save(tmp_path / str(i)))
        assert repr(read) == repr(result) and len(repr(result)) <= LONGEST
        pd.testing.assert_frame_equal(read.table, result.table.reset_index(drop=True), check_exact=True)  # fmt: skip
        assert read.contents.tables.keys() == {"table", *result.further}
        assert read.contents.significant is None or len(read.significant()) == len(result.significant())  # fmt: skip
        assert read._repr_html_() == result._repr_html_()


def test_the_reference_of_columns_is_up_to_date():
    assert (ROOT / "docs" / "results.md").read_text(encoding="utf-8") == reference()
