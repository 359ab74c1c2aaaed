"""Tests of what a pack.toml may say: shipped ones pass, and nothing that passes has a value of another kind than its readers take."""

import math
import random
import tomllib
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.packs import SHIPPED, describe, load_pack
from core.packs.facts import check_facts
from tests.soak.packs import MADE, ODD

SHIPPED_FACTS = {file.parent.name: tomllib.loads(file.read_text("utf-8")) for file in sorted(SHIPPED.glob("*/pack.toml"))}
pytestmark = pytest.mark.skipif("toybox-standard" not in SHIPPED_FACTS, reason="no pack named toybox-standard: it ships in assets/packs")


@pytest.mark.parametrize("name", SHIPPED_FACTS)
def test_shipped_packs_pass(name):
    check_facts(SHIPPED_FACTS[name])


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (("arch",), 7, "arch is 7, expected a text"),
        (("classes",), [], "classes is a list of 0"),
        (("classes",), "abc", "classes is 'abc', expected a list"),
        (("width",), True, "width is True, expected a whole number"),
        (("figures", "accuracy"), math.nan, "figures.accuracy is nan, expected a number from 0 to 100"),
        (("preprocessing", "mean"), [0.5, 0.5, 1e308], "preprocessing.mean is 1e.308, expected a number from -1e.09 to 1e.09"),
        (("training",), {}, "training lacks method"),
        (("preprocessing", "mean"), [0, 0], "preprocessing.mean is a list of 2"),
        (("preprocessing", "crop"), 3, "preprocessing.crop is nothing"),
        (("selection", "norm_id"), [1.0], "selection.norm_id has 1 numbers for 8 blocks"),
        (("selection", "middle"), "nowhere", "selection.middle is 'nowhere', which is no block"),
        (("pictures", "held_out"), {"rows": [1]}, "pictures.held_out lacks source"),
    ],
)
def test_what_is_wrong_is_named(place, value, sentence):
    facts = deepcopy(SHIPPED_FACTS["toybox-standard"])
    inner = facts
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    with pytest.raises(ValueError, match=sentence):
        check_facts(facts)


@given(seed=st.integers(0, 2**32))
def test_a_document_that_was_changed_is_refused_in_a_line_or_can_be_summed_up(seed):
    draw, facts = random.Random(seed), deepcopy(SHIPPED_FACTS["toybox-standard"])
    table = draw.choice([facts, facts["selection"], facts["figures"], facts["preprocessing"], facts["training"], facts["pictures"]])
    table[draw.choice(list(table))] = draw.choice(ODD)
    try:
        check_facts(facts)
    except ValueError as error:
        assert len(str(error)) < 300 and "\n" not in str(error)
        return
    selection, accuracy = facts["selection"], facts["figures"].get("accuracy")
    assert selection["selected"] in selection["blocks"] and len(selection["norm_ratio"]) == len(selection["blocks"])
    assert all(isinstance(name, str) and name for name in facts["classes"]) and (accuracy is None or 0 <= accuracy <= 100)
    assert all(isinstance(found["source"], str) for found in facts["pictures"].values())


@pytest.mark.parametrize("name", ["a million brackets", "a million dots", "a million digits", "not UTF-8", "no bytes"])
def test_what_is_no_document_is_refused(name, tmp_path):
    with pytest.raises(InputError, match="build the pack again"):
        describe(MADE[name](tmp_path))


def test_a_name_that_is_too_long_is_of_no_pack():
    with pytest.raises(InputError, match="There is no pack named"):
        describe("x" * 5000)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("NaN among the features", "features of the set .* hold NaN or infinity"),
        ("a column of nothing", "is damaged"),
        ("sets that are numbers", "lacks the set"),
        ("labels beyond the classes", "labels from 9999 to 9999 for 10 classes"),
        ("logits that are too many", "a row of logits has 20 numbers, expected 10"),
        ("another second pass", "has 5 pictures in the set"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(name, sentence, tmp_path):
    with pytest.raises(InputError, match=sentence):
        load_pack(MADE[name](tmp_path))
