"""A name that is nowhere is refused at once, whether or not the hub can be reached."""

import time

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import OfflineModeIsEnabled

import headwise
from headwise.model import _hub


@pytest.fixture
def unreachable(monkeypatch):
    """No name server, no server, no answer: whatever the HTTP library calls it."""
    asked = []

    def fail(self, name, *, revision, timeout):
        asked.append((name, timeout))
        raise OfflineModeIsEnabled("nobody there")

    monkeypatch.setattr(HfApi, "model_info", fail)
    return asked


def test_a_name_that_is_nowhere_is_refused_at_once(unreachable):
    started = time.monotonic()
    with pytest.raises(
        headwise.UnknownName, match=r"hub cannot be reached: nobody there\. Known here: .*burrow"
    ):
        headwise.load("nonsense")
    assert unreachable == [("nonsense", _hub.SECONDS)] and _hub.SECONDS <= 5
    assert time.monotonic() - started < 5  # the loaders would have asked for half a minute


def test_what_is_in_the_cache_is_taken_from_there(unreachable, monkeypatch):
    monkeypatch.setattr(_hub, "_is_cached", lambda name, revision: name == "gpt2")
    assert _hub.must_stay_local("gpt2", None)
    with pytest.raises(headwise.UnknownName, match="gpt3"):
        _hub.must_stay_local("gpt3", None)


def test_a_hub_that_answers_is_asked_for_the_rest(monkeypatch):
    monkeypatch.setattr(HfApi, "model_info", lambda self, name, **_: name)
    assert not _hub.must_stay_local("gpt2", None)


def test_a_name_that_no_hub_can_have_is_refused():
    with pytest.raises(headwise.UnknownName, match="the hub has none"):
        headwise.load("a model")
