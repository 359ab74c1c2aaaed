"""Ids of the pictures behind a pack's numbers."""

import pytest

from core.images.item import Item
from dashboard.session import pictures
from dashboard.session.pictures import row_id


def test_a_row_is_the_picture_that_it_was_measured_on():
    facts = {
        "pictures": {"held_out": {"source": "data:mine", "rows": [7, 3]}, "noise": {"source": "noise:uniform"}, "jigsaw": {"source": "a", "puzzle_seed": 2}}
    }
    assert [row_id(facts, "held_out", row) for row in (0, 1)] == ["data:mine/7", "data:mine/3"]
    assert row_id(facts, "noise", 1) == "noise:uniform/1" and row_id(facts, "jigsaw", 1) == "puzzle:2:a/1"
    assert row_id(facts, "textures", 1) is None


@pytest.mark.parametrize(
    ("picture_id", "label", "name"),
    [("data:cifar10_test/3", 6, "frog"), ("data:ood/chars74k/137", -1, "characters (Chars74K), 137"), ("data:my_set/2", -1, "my set, 2")],
)
def test_a_picture_of_a_local_set_has_a_name_and_no_id(monkeypatch, picture_id, label, name):
    class Source(list):
        classes = None

    monkeypatch.setattr(pictures, "source", lambda spec: Source())
    monkeypatch.setattr(pictures, "_sourced", lambda wanted: Item(wanted, b"", label))
    for module in ("dashboard.language", "dashboard.session.pictures"):
        monkeypatch.setattr(f"{module}.language", lambda: "en")
    assert pictures.name_of(picture_id) == name
