"""Whose a kept run is, and who may see and delete it."""

import pytest
import streamlit as st

from core.runs import Store
from dashboard import compute
from dashboard.parts import person


@pytest.fixture
def browser(monkeypatch):
    """Yields: a function that says which name the browser carries, None for none."""
    carried = {}
    monkeypatch.setattr(person.st, "session_state", {})
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: {k: v for k, v in carried.items() if v is not None}))
    return lambda name: carried.__setitem__(person.COOKIE, name)


def test_a_browser_is_known_again_by_what_it_carries(browser):
    browser(None)
    first = person.owner()
    assert person.owner() == first  # as long as the session lasts
    browser(st.session_state["person"])
    assert person.owner() == first
    browser("x" * 32)
    assert person.owner() not in (first, "x" * 32)
    browser("<script>")
    assert person.owner() == first


def test_nobody_sees_what_another_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("BLOCKSCOPE_RUNS", f"sqlite:///{tmp_path}/runs.sqlite")
    with Store() as store:
        mine, other, machines = (store.add("bench", {}, owner=whose).id for whose in ("me", "other", None))
    assert {run.id for run in compute.runs("bench", 10, "me")} == {mine, machines}
    assert compute.run(other).owner == "other"  # by its link
    compute.forget_run(mine)
    with Store() as store:
        assert {run.id for run in store.list()} == {other, machines}
