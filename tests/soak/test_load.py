"""Some people at once, for some seconds: nothing breaks. How fast it is and how much it takes is `make soak`'s to say, where nothing else runs."""

from tests.soak.load import rows


def test_nothing_is_lost_where_some_people_come_at_once():
    found = list(rows(12, people=5))
    assert {row.suite for row in found} == {"load", "speed"}
    assert all(row.tried for row in found), found
    assert not [row for row in found if row.lost and row.suite == "load"]
