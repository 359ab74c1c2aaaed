"""What a server gives to all and to each."""

import pytest

from core.errors import InputError
from core.limits import Limits, limits, room


def test_the_environment_sets_them(monkeypatch):
    assert limits() == Limits()
    monkeypatch.setenv("BLOCKSCOPE_MAX_ADAPTATIONS", "2")
    monkeypatch.setenv("BLOCKSCOPE_MAX_WAITING", "")
    assert limits() == Limits(adaptations=2)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e3", "9" * 12])
def test_what_is_no_number_is_named(monkeypatch, value):
    monkeypatch.setenv("BLOCKSCOPE_MAX_PERSON_MB", value)
    with pytest.raises(InputError, match="BLOCKSCOPE_MAX_PERSON_MB") as caught:
        limits()
    assert caught.value.key == "limits.wrong"


def test_a_line_that_is_full_takes_no_more(monkeypatch):
    monkeypatch.setenv("BLOCKSCOPE_MAX_WAITING", "3")
    room(2)
    with pytest.raises(InputError) as caught:
        room(3)
    assert (caught.value.key, caught.value.values) == ("limits.busy", {"n": 3})
