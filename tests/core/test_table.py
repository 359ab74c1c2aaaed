"""Tables of methods and the error that people see."""

import pytest

from core.corruptions import CORRUPTIONS
from core.detectors import DETECTORS
from core.errors import InputError, unknown
from core.networks import NETWORKS
from core.table import Entry, look_up, with_formulas
from core.training import METHODS


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match=r"no fruit named 'plum'; the known ones are apple, pear\.") as caught:
        look_up({"pear": 1, "apple": 2}, "plum", kind="fruit")
    assert caught.value.key == "unknown" and caught.value.values == {"kind": "fruit", "name": "plum", "known": "apple, pear"}


def test_an_input_error_is_a_value_error_with_its_sentence():
    assert isinstance(unknown("x", "y", ()), ValueError)
    assert str(InputError("A sentence.", key="k", n=3)) == "A sentence."


def test_an_entry_loads_what_it_points_to():
    assert Entry("Square root", "math:sqrt").load()(9) == 3


def test_a_line_gets_its_formula_by_name_and_keeps_all_else():
    table = {"root": Entry("Square root", "math:sqrt", {"k": 1}), "log": Entry("Logarithm", "math:log", formula=r"\ln x")}
    got = with_formulas(table, {"root": r"\sqrt{x}"})
    assert got == {"root": Entry("Square root", "math:sqrt", {"k": 1}, formula=r"\sqrt{x}"), "log": table["log"]}
    assert table["root"].formula == ""


@pytest.mark.parametrize("entry", [*DETECTORS.values(), *NETWORKS.values(), *METHODS.values(), *CORRUPTIONS.values()], ids=lambda entry: entry.target)
def test_every_line_points_to_something_that_can_be_called(entry):
    assert callable(entry.load()) and entry.title
