"""Ids of the pictures behind a pack's numbers."""

from dashboard.session.pictures import row_id


def test_a_row_is_the_picture_that_it_was_measured_on():
    facts = {
        "pictures": {"held_out": {"source": "data:mine", "rows": [7, 3]}, "noise": {"source": "noise:uniform"}, "jigsaw": {"source": "a", "puzzle_seed": 2}}
    }
    assert [row_id(facts, "held_out", row) for row in (0, 1)] == ["data:mine/7", "data:mine/3"]
    assert row_id(facts, "noise", 1) == "noise:uniform/1" and row_id(facts, "jigsaw", 1) == "puzzle:2:a/1"
    assert row_id(facts, "textures", 1) is None
