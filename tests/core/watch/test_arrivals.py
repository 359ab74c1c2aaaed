"""Every picture that arrives is taken once, when it is whole, in the order in which they came."""

import os

import pytest

from core.errors import InputError
from core.watch.arrivals import Arrivals


def put(folder, name, data=b"x", at=None):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    if at is not None:
        os.utime(path, (at, at))
    return path


def names(items):
    return [item.name for item in items]


def test_a_picture_is_taken_once_and_only_when_it_no_longer_grows(tmp_path):
    arrivals = Arrivals(tmp_path, settle=0)
    growing = put(tmp_path, "a.png")
    assert names(arrivals.poll()) == []  # seen for the first time: nobody knows whether it is whole
    growing.write_bytes(b"xx")
    assert names(arrivals.poll()) == []
    (item,) = arrivals.poll()
    assert item.name == "a.png" and item.data == growing
    growing.write_bytes(b"something else")
    assert [names(arrivals.poll()) for _ in range(3)] == [[], [], []]


def test_whoever_came_first_is_first_and_what_is_no_picture_is_left(tmp_path):
    arrivals = Arrivals(tmp_path, skip={"old.png"}, settle=0)
    put(tmp_path, "b.jpg", at=200)
    put(tmp_path, "c.jpg", at=100)
    for name in ("old.png", ".hidden.png", "notes.txt", ".parts/d.png"):
        put(tmp_path, name)
    arrivals.poll()
    put(tmp_path, "a.jpg", at=50)  # an older picture that came later
    put(tmp_path, "sub/d.PNG", at=300)
    assert names(arrivals.poll()) == ["c.jpg", "b.jpg"]
    assert names(arrivals.poll()) == ["a.jpg", "sub/d.PNG"]


def test_an_empty_file_and_one_that_goes_again_are_not_taken(tmp_path):
    arrivals = Arrivals(tmp_path, settle=0)
    put(tmp_path, "empty.png", b"")
    gone = put(tmp_path, "gone.png")
    arrivals.poll()
    gone.unlink()
    assert [names(arrivals.poll()) for _ in range(2)] == [[], []]
    put(tmp_path, "empty.png", b"filled")
    assert [names(arrivals.poll()) for _ in range(2)] == [[], ["empty.png"]]


def test_it_waits_as_long_as_it_is_told(tmp_path):
    put(tmp_path, "a.png")
    arrivals = Arrivals(tmp_path, settle=60)
    assert [names(arrivals.poll()) for _ in range(3)] == [[], [], []]


def test_there_has_to_be_a_folder(tmp_path):
    with pytest.raises(InputError, match="is no folder; --follow watches"):
        Arrivals(tmp_path / "nowhere")
