"""Files and folders that are whole or not there, whatever ends who writes them, and what a disk refuses."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core import disk
from core.disk import sweep, whole, write_whole
from core.errors import InputError

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
from core.disk import whole
with whole(sys.argv[1], folder=sys.argv[2] == "folder") as beside:
    (beside / "part" if beside.is_dir() else beside).write_text("half")
    print(beside, flush=True)
    sys.stdin.read()
"""


def start(place, kind):
    """Start a process that has half written a file or folder. Returns: (the process, what it writes to)."""
    command = [sys.executable, "-c", WRITER, str(place), kind]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, Path(process.stdout.readline().strip())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_place_at_the_end(tmp_path):
    place = tmp_path / "deep" / "file"
    write_whole(place, b"old")
    with whole(place) as beside:
        beside.write_bytes(b"new")
        assert place.read_bytes() == b"old" and beside.parent == place.parent and beside.name.startswith(".file.")
    assert place.read_bytes() == b"new" and names(place.parent) == ["file"] and place.stat().st_mode & 0o777 == 0o644


def test_a_folder_takes_the_place_of_another_whole(tmp_path, monkeypatch):
    for step, content in enumerate(("first", "second", "third")):
        if step == 2:
            monkeypatch.setattr(disk, "_exchange", lambda one, other: False)  # as elsewhere than on Linux
        with whole(tmp_path / "pack", folder=True) as beside:
            (beside / content).write_text(content)
        assert names(tmp_path) == ["pack"] and names(tmp_path / "pack") == [content]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two folders in one step")
def test_a_folder_is_exchanged_in_one_step(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert disk._exchange(tmp_path / "one", tmp_path / "other")
    assert names(tmp_path / "one") == ["other"] and names(tmp_path / "other") == ["one"]


@pytest.mark.parametrize("folder", [False, True])
def test_an_error_leaves_what_was_there(tmp_path, folder):
    place = tmp_path / "place"
    place.mkdir() if folder else place.write_text("old")
    with pytest.raises(ZeroDivisionError), whole(place, folder=folder):
        1 / 0  # noqa: B018
    assert names(tmp_path) == ["place"] and (folder or place.read_text() == "old")


def test_a_link_is_followed_and_a_device_is_written_to(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", b"there")
    assert (tmp_path / "file").read_bytes() == b"there" and (tmp_path / "link").is_symlink()
    write_whole("/dev/null", b"nowhere")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tmp_path, kind):
    place = tmp_path / "place"
    process, beside = start(place, kind)
    try:
        sweep(tmp_path)
        write_whole(tmp_path / "other", b"")
        assert beside.exists() and not place.exists(), "its writer lives"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert beside.exists() and not place.exists()
        deadline = time.monotonic() + 5  # the lock goes with the process, a moment after its end was told
        while beside.exists() and time.monotonic() < deadline:
            write_whole(tmp_path / "other", b"")
        assert names(tmp_path) == ["other"]
    finally:
        process.kill()
        process.communicate()


def test_a_full_disk_is_said(tmp_path):
    place = tmp_path / "place"
    place.write_text("old")
    with pytest.raises(InputError, match=r"no room left on the disk for .*place; free some") as caught, whole(place) as beside:
        beside.write_text("half")
        raise OSError(28, "No space left on device")
    assert caught.value.key == "disk.full" and place.read_text() == "old" and names(tmp_path) == ["place"]


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("old")
    for place, reason in (
        (tmp_path / "file" / "place", "Not a directory|File exists"),
        (tmp_path, "Is a directory"),
        (tmp_path / ("x" * 300), "name too long"),
    ):
        with pytest.raises(InputError, match=f"cannot be written .*({reason})"):
            write_whole(place, b"x")
    assert names(tmp_path) == ["file"]
