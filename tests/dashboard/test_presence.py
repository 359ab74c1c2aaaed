"""Work that nobody watches any more ends; what somebody watches goes on."""

import pytest

from dashboard.session.presence import Presence


@pytest.fixture
def here():
    return {"a", "b"}


@pytest.fixture
def presence(here, monkeypatch):
    monkeypatch.setenv("BLOCKSCOPE_MAX_UNATTENDED_SECONDS", "1")
    clock = [100.0]
    monkeypatch.setattr("dashboard.session.presence.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("dashboard.session.presence.threading.Thread", lambda **_: type("Still", (), {"start": lambda self: None})())  # looks are made by hand
    made = Presence(lambda session: session in here)
    made.wait = lambda seconds: clock.__setitem__(0, clock[0] + seconds)
    return made


def test_work_ends_once_its_last_watcher_has_been_gone_for_a_while(presence, here):
    ended = []
    for session in ("a", "b"):
        presence.hold(session, ("training", "x"), lambda: ended.append("x"))
    here.remove("a")
    presence.wait(5)
    presence.look()
    assert not ended
    here.remove("b")
    presence.look()
    assert not ended  # a reload takes a moment
    presence.wait(1)
    presence.look()
    presence.look()
    assert ended == ["x"]


def test_who_comes_back_in_time_keeps_the_work(presence, here):
    ended = []
    presence.hold("a", ("training", "x"), lambda: ended.append("x"))
    here.remove("a")
    presence.wait(0.5)
    presence.hold("b", ("training", "x"), lambda: ended.append("x"))
    presence.wait(10)
    presence.look()
    assert not ended


def test_the_crowd_is_who_has_drawn_it_lately(presence):
    for name in ("x", "y"):
        presence.hold("a", ("adaptation", name), lambda: None)
    presence.hold("a", ("training", "z"), lambda: None)
    assert presence.crowd("adaptation") == 2
    presence.wait(6)
    presence.hold("b", ("adaptation", "y"), lambda: None)
    assert presence.crowd("adaptation") == 1
