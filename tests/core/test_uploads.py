"""What people bring: kept once, under names of its own, and not for ever."""

import os

import pytest

from core import uploads
from core.errors import InputError
from core.limits import Limits
from tests.soak.names import HOSTILE


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


def test_the_same_file_is_kept_once():
    first, again, other = uploads.keep_file("net.pt", b"one"), uploads.keep_file("net.pt", b"one"), uploads.keep_file("net.pt", b"two")
    assert first == again != other
    assert first.name == "net.pt" and first.read_bytes() == b"one" and other.read_bytes() == b"two"
    assert len(list(uploads.uploads_folder().iterdir())) == 2


def test_a_folder_keeps_its_folders_without_its_own_name():
    folder = uploads.keep_folder([("pets/cat/1.png", b"a"), ("pets/dog/1.png", b"b")])
    assert (folder / "cat" / "1.png").read_bytes() == b"a" and (folder / "dog" / "1.png").read_bytes() == b"b"


@pytest.mark.parametrize("name", ["../../evil.pt", "/etc/passwd", "..\\..\\evil.pt", "..", ".hidden", "x" * 300 + ".pt", "a\0b.pt"])
def test_no_name_leads_out_of_the_folder(name):
    file = uploads.keep_file(name, b"data")
    assert file.read_bytes() == b"data" and file.resolve().is_relative_to(uploads.uploads_folder().resolve())
    folder = uploads.keep_folder([(f"pets/{name}", b"data"), ("pets/1.png", b"more")])
    kept = [f for f in folder.rglob("*") if f.is_file()]
    assert len(kept) == 2 and all(f.resolve().is_relative_to(folder.resolve()) for f in kept)


def test_an_empty_folder_gets_its_sentence():
    with pytest.raises(InputError, match="no files"):
        uploads.keep_folder([])


def test_what_was_asked_for_longest_ago_goes_first(monkeypatch):
    monkeypatch.setattr(uploads, "limits", lambda: Limits(brought_mb=25e-6))
    files = [uploads.keep_file(f"{k}.pt", bytes([k]) * 10) for k in range(2)]
    for file, time in zip(files, (100, 50), strict=True):  # the second was asked for before the first
        os.utime(file.parent, (time, time))
    third = uploads.keep_file("3.pt", b"3" * 10)
    assert [file.is_file() for file in (*files, third)] == [True, False, True]


def test_what_nobody_needs_is_swept_up_after_a_day():
    files = [uploads.keep_file(f"{k}.pt", bytes([k])) for k in range(3)]
    for file in files[:2]:
        os.utime(file.parent, (1, 1))
    uploads.sweep(lambda folder: folder == uploads.folder_of(files[0]))
    assert [file.is_file() for file in files] == [True, False, True]
    uploads.forget(uploads.folder_of(files[0]))
    assert not files[0].parent.exists()


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names_stay_in_the_folder(name, tmp_path):
    kept = [uploads.keep_file(name, b"1"), *uploads.keep_folder([(name, b"1"), ("a.png", b"2")]).rglob("*")]
    assert all(path.resolve().is_relative_to(uploads.uploads_folder()) for path in kept) and sum(path.is_file() for path in kept) >= 2
    assert not [path for path in tmp_path.iterdir() if path.name != "home"]


def test_a_name_of_both_a_file_and_a_folder_is_refused():
    with pytest.raises(InputError, match="the name of both a file and a folder"):
        uploads.keep_folder([("top/a", b"1"), ("top/a/b", b"2")])
    assert not list(uploads.uploads_folder().iterdir())
