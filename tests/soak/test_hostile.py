"""The suite of hostile input, short: each kind is tried, and nothing is lost. And the suite itself notices what it is there to notice."""

import time

import pytest

from core.errors import InputError
from core.packs import list_packs
from tests.soak import hostile

SECONDS = 40


@pytest.mark.skipif(not {"toybox", "toybox-standard"} <= set(list_packs()), reason="no packs: they ship in assets/packs")
def test_nothing_is_lost_to_hostile_input():
    rows = list(hostile.rows(SECONDS))
    assert len(rows) == 6 and all(row.tried for row in rows)
    assert not [(row.what, row.seen) for row in rows if row.lost]


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("function", "lost"),
    [(lambda: None, False), (lambda: _raise(InputError("No.")), False), (lambda: _raise(KeyError("x")), True), (lambda: time.sleep(0.5), True)],
    ids=["taken", "refused", "another error", "too long"],
)
def test_a_try_is_lost_where_it_raises_something_else_or_does_not_end(function, lost, monkeypatch):
    monkeypatch.setattr(hostile, "LONGEST", 0.1)
    assert hostile.attempt(function).lost is lost


def test_a_row_counts_what_is_left_behind_and_what_no_longer_works(tmp_path):
    def leave():
        (tmp_path / "left").write_text("x")

    held = []
    row = hostile._Measured(tmp_path).row("files", [("one", leave)], lambda: 1, 1)
    assert (row.tried, row.lost) == (1, 1) and "files left behind" in row.seen
    row = hostile._Measured(tmp_path).row("changed", [("one", lambda: held.append(1))], lambda: len(held), 1)
    assert (row.tried, row.lost) == (1, 1) and "not taken as before" in row.seen
    row = hostile._Measured(tmp_path).row("memory", [("one", lambda: held.append(bytearray(b"x" * 2 * hostile.KEPT)))], lambda: 1, 1)
    assert (row.tried, row.lost) == (1, 1) and "are not given back" in row.seen
