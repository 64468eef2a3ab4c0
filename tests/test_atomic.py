"""Nothing is lost, at whatever step a write fails or its process is killed, and nothing is left for good."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from headwise import HeadwiseError, _atomic
from headwise._atomic import replacing, sweep, trial, whole

STEPS = 8  # more than there are renames and new folders in a write


def content(folder):
    return (folder / "a.txt").read_text(encoding="utf-8")


def put(folder, text):
    with replacing(folder) as fresh:
        (fresh / "a.txt").write_text(text, encoding="utf-8")


def failing_at(step, monkeypatch, error):
    """Lets the n-th change of the file system fail."""
    done = []

    def failing(name):
        real = getattr(Path, name)

        def change(*args, **kwargs):
            done.append(name)
            if len(done) == step:
                raise error
            return real(*args, **kwargs)

        monkeypatch.setattr(Path, name, change)

    for name in ("mkdir", "rename", "replace"):
        failing(name)


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("step", range(1, STEPS))
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_earlier_folder_outlives_whatever_fails(exchange, step, error, tmp_path, monkeypatch):
    folder = tmp_path / "reports" / "mole"
    put(folder, "earlier")
    if not exchange:
        monkeypatch.setattr(_atomic, "_exchanged", lambda a, b: False)
    with monkeypatch.context() as patch:
        failing_at(step, patch, error)
        with suppress(HeadwiseError, KeyboardInterrupt):
            put(folder, "new")
    assert content(folder) in ("earlier", "new")
    assert [path.name for path in folder.parent.iterdir()] == ["mole"]
    put(folder, "again")
    assert content(folder) == "again"


KILLED = """
import os, sys
from pathlib import Path
from headwise import _atomic
if sys.argv[3] == "False":
    _atomic._exchanged = lambda a, b: False
done = []
for name in ("mkdir", "rename", "replace", "unlink", "write_text"):
    def kill(*args, real=getattr(Path, name), **kwargs):
        done.append(1)
        if len(done) == int(sys.argv[2]):
            os._exit(9)
        return real(*args, **kwargs)
    setattr(Path, name, kill)
folder = Path(sys.argv[1])
with _atomic.replacing(folder) as fresh:
    (fresh / "a.txt").write_text("new", encoding="utf-8")
with _atomic.whole(folder.parent / "index.html") as partial:
    partial.write_text("new", encoding="utf-8")
"""


@pytest.mark.parametrize("exchange", [True, False])
def test_a_killed_process_loses_nothing(exchange, tmp_path):
    """Killed at every step: the next run finds the earlier folder or the new one, and takes the rest away."""
    folder, index = tmp_path / "reports" / "mole", tmp_path / "reports" / "index.html"
    left, codes = 0, []
    for step in range(1, 14):
        put(folder, "earlier")
        index.write_text("earlier", encoding="utf-8")
        run = [sys.executable, "-c", KILLED, str(folder), str(step), str(exchange)]
        codes.append(subprocess.run(run, check=False).returncode)
        left += len(list(folder.parent.iterdir())) > 2
        with trial(folder.parent):
            assert content(folder) in ("earlier", "new")
        assert index.read_text(encoding="utf-8") in ("earlier", "new")
        assert sorted(path.name for path in folder.parent.iterdir()) == ["index.html", "mole"]
    assert codes[-1] == 0 and codes.count(9) >= 5 and left >= 2


def test_only_what_is_ours_and_of_no_living_process_is_taken_away(tmp_path):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)  # fmt: skip
    pid = int(gone.stdout)
    ours = [f".x-{_atomic.HOST}-{pid}-0123abcd.part", f".y-{_atomic.HOST}-{pid}-0123abcd"]
    kept = [
        f".x-{_atomic.HOST}-{os.getpid()}-0123abcd.part", f".x-ffffff-{pid}-0123abcd.part", ".hidden", "mole", f"x-{_atomic.HOST}-{pid}-0123abcd",
    ]  # fmt: skip
    for name in [*kept, ours[0]]:
        (tmp_path / name).write_text("x", encoding="utf-8")
    (tmp_path / ours[1] / "fresh").mkdir(parents=True)
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    sweep(tmp_path / "absent")


def test_names_as_long_as_names_may_be(tmp_path):
    for name in ("a" * 255, "\N{CJK UNIFIED IDEOGRAPH-6A39}" * 85):
        put(tmp_path / name, "x")
        with whole(tmp_path / name / "b.txt") as partial:
            partial.write_text("x", encoding="utf-8")
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["a.txt", "b.txt"]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(HeadwiseError, match=r"Cannot write .*Choose another folder"):
        put(tmp_path / "file" / "mole", "x")


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    target, link = tmp_path / "deep" / "file", tmp_path / "link"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    with whole(link) as partial:
        partial.write_text("new")
    assert link.is_symlink() and target.read_text() == "new"


@pytest.mark.parametrize("kind", ["device", "folder", "pipe", "circle"])
def test_what_is_no_ordinary_file_is_left_alone(tmp_path, kind):
    path = tmp_path / "place"
    if kind == "device":
        path = Path("/dev/full")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path)
    before = path.lstat().st_mode
    with pytest.raises(OSError), whole(path) as partial:
        partial.write_text("new")
    assert path.lstat().st_mode == before
