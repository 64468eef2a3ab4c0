"""Analyses that run at once give every result, and one that fails ends all."""

import pytest

from headwise import HeadwiseError
from headwise.cli._at_once import Failed, at_once
from headwise.errors import UnknownName
from helpers import tasks


def test_every_result_comes_once(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    done = dict(at_once(tasks.double, range(5), 2))
    assert {item: number for item, (number, _) in done.items()} == {0: 0, 1: 2, 2: 4, 3: 6, 4: 8}
    assert all(int(n_threads) >= 1 for _, n_threads in done.values())


def test_processes_start_none_of_their_own():
    assert list(at_once(tasks.fits_alone, [1], 1)) == [(1, True)]


def test_an_error_is_the_tasks_own_and_stops_no_other():
    done = dict(at_once(tasks.fail_at, [7, 8, 9, 10], 2))
    assert isinstance(done[7], UnknownName) and str(done[7]) == "No layer 7."
    assert isinstance(done[8], Failed) and "tasks.Odd: no 8" in str(done[8])
    assert isinstance(done[9], Failed) and "SystemExit: 3" in str(done[9])
    assert done[10] == 10


def test_a_process_that_was_killed():
    with pytest.raises(
        HeadwiseError, match=r"want of memory; 2 ran at once\. Run again with --jobs 1"
    ):
        list(at_once(tasks.die, [1, 2], 2))


def test_bad_numbers_of_jobs(headwise, tmp_path):
    for jobs in ("0", "many"):
        result = headwise("run", "atlas", "--jobs", jobs, cwd=tmp_path)
        assert result.returncode == 2 and "jobs" in result.stderr
