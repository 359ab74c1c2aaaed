"""What modules measure on pictures: which runs are kept, with which settings, and that tables can be made of them."""

import json
from importlib import import_module
from inspect import signature
from types import SimpleNamespace

import pytest
import torch

from benchmarks import measured
from benchmarks.figures import MEASURED
from core.errors import InputError

SMALL = {
    "watch": {"runs": 1},
    "masks": {"limit": 2, "checks": (0.5,)},
    "explanation": {"limit": 2, "sanity": 1, "methods": ("gradcam", "norm_occlusion")},
    "tokens": {"pictures": 64, "limit": 20},
    "compression": {"limit": 4, "slow": 1},
}


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a module that measures what it is told, and keeps it in a folder of its own."""
    monkeypatch.setattr(measured, "DOCS", tmp_path)

    def measure(*, value=1.0, names=("a", "b"), save=False):
        if value < 0:
            raise InputError("There are no such pictures.", key="source.missing")
        return {"found": {"double": torch.tensor(2 * value), "names": names, "saved": save}}

    def tables(runs):
        return {name: [["value"], [f"{run['found']['double']:g}"]] for name, run in runs.items()}

    runs = {"one": {"value": 1.0, "save": True}, "two": {"value": 2.5}}
    return SimpleNamespace(__file__="benchmarks/dummy.py", __doc__="Nothing.\n\nMore.", RUNS=runs, measure=measure, tables=tables)


def test_all_runs_are_kept_with_their_settings(module, capsys):
    assert measured.main(module, []) == 0
    kept = measured.read("dummy")
    assert list(kept) == ["one", "two"] and kept["two"]["settings"] == {"value": 2.5, "names": ["a", "b"], "save": False}
    assert [run["found"]["double"] for run in kept.values()] == [2.0, 5.0] and kept["one"]["found"]["saved"]
    assert "two\n\n| value |\n| --- |\n| 5 |" in capsys.readouterr().out


def test_one_run_anew_leaves_the_others(module):
    measured.write("dummy", {"one": {"found": {"double": 7.0}}, "two": {"found": {"double": 9.0}}})
    measured.main(module, ["two"])
    assert [run["found"]["double"] for run in measured.read("dummy").values()] == [7.0, 5.0]


def test_settings_of_ones_own_are_printed_and_not_kept(module, capsys):
    assert measured.main(module, ["--value", "4", "--names", "c"]) == 0
    assert "| 8 |" in capsys.readouterr().out and measured.read("dummy") == {}


def test_a_switch_of_a_run_is_off_with_settings_of_ones_own(module):
    seen = []
    module.measure, measure = lambda *, value=1.0, save=False: seen.append(save) or measure(value=value, save=save), module.measure
    measured.main(module, ["--value", "4"])
    measured.main(module, ["--value", "4", "--save"])
    measured.main(module, ["one"])
    assert seen == [False, True, True]


def test_what_was_kept_stays_where_pictures_are_missing(module, capsys):
    measured.write("dummy", {"one": {"found": {"double": 7.0}}})
    module.RUNS["one"]["value"] = -1.0
    assert measured.main(module, []) == 2
    assert [run["found"]["double"] for run in measured.read("dummy").values()] == [7.0, 5.0]
    assert "dummy one stays as it is: There are no such pictures." in capsys.readouterr().err


def test_an_unknown_run_is_an_error(module):
    with pytest.raises(SystemExit):
        measured.main(module, ["three"])


def test_nan_is_nothing_and_tensors_are_numbers():
    assert measured.rounded({"a": float("nan"), "b": (1, 0.12345678), "c": torch.tensor([0.5, float("nan")]), "d": True}) == {
        "a": None,
        "b": [1, 0.123457],
        "c": [0.5, None],
        "d": True,
    }


def test_a_table_by_hand():
    assert measured.table([["a", ">b"], ["x", ""], ("", "1")]) == "| a | b |\n| --- | ---: |\n| x | |\n| | 1 |"


@pytest.mark.parametrize("name", MEASURED)
def test_every_run_has_settings_that_are_there(name):
    module = import_module(f"benchmarks.{name}")
    assert all(set(settings) <= set(signature(module.measure).parameters) for settings in module.RUNS.values())
    assert set(measured.read(name)) <= set(module.RUNS) and module.tables({}) == {}


@pytest.mark.parametrize("name", SMALL)
def test_tables_can_be_made_of_what_is_measured(name):
    module = import_module(f"benchmarks.{name}")
    found = json.loads(json.dumps(measured.rounded(module.measure(**SMALL[name])), allow_nan=False))
    for rows in module.tables({next(iter(module.RUNS)): found}).values():
        assert len(rows) > 1 and all(len(row) == len(rows[0]) for row in rows)
