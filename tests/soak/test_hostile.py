"""The suite of hostile input, short: each kind is tried, and nothing is lost. And the suite itself notices what it is there to notice."""

import subprocess
import sys
import time

import pytest

from core.errors import InputError
from core.packs import list_packs
from tests.soak import hostile
from tests.soak.server import ROOT

SECONDS = 40


@pytest.mark.skipif(not {"toybox", "toybox-standard"} <= set(list_packs()), reason="no packs: they ship in assets/packs")
def test_nothing_is_lost_to_hostile_input():
    command = [sys.executable, "-m", "tests.soak", "hostile", "--minutes", f"{SECONDS / 60}"]  # here the test's own records would count as memory held
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    rows = [line.split("|")[3:5] for line in done.stdout.splitlines() if line.startswith("| hostile")]
    assert len(rows) == 6 and all(int(tried.replace(",", "")) for tried, _ in rows), done.stderr[-2000:]
    assert done.returncode == 0 and {lost.strip() for _, lost in rows} == {"0"}, done.stdout


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
