"""Paths typed into a page stay in the folders that are allowed."""

import pytest

from core.errors import InputError
from core.home import allowed_roots, data_home, within_roots


@pytest.fixture
def roots(tmp_path, monkeypatch):
    """Return two allowed folders, a and b, beside one that is not, secret."""
    for name in ("a", "b", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "net.pth").touch()
    monkeypatch.setenv("BLOCKSCOPE_ROOTS", str(tmp_path / "a"))
    monkeypatch.setenv("BLOCKSCOPE_DATA", str(tmp_path / "b"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path


def test_files_in_any_root_may_be_read(roots):
    assert within_roots(roots / "a" / "net.pth") == (roots / "a" / "net.pth").resolve()
    assert within_roots(roots / "b" / "net.pth")
    assert within_roots(roots / "b" / ".." / "a" / "net.pth")


@pytest.mark.parametrize("path", ["secret/net.pth", "a/../secret/net.pth", "a/link.pth", "ab", "nowhere", "a/net.pth\0"])
def test_everything_else_is_refused_alike_whether_it_exists_or_not(roots, path):
    (roots / "a" / "link.pth").symlink_to(roots / "secret" / "net.pth")
    with pytest.raises(InputError, match="is in no folder that may be read from here"):
        within_roots(f"{roots}/{path}")


def test_without_settings_nothing_may_be_read(roots, monkeypatch):
    monkeypatch.delenv("BLOCKSCOPE_ROOTS")
    monkeypatch.delenv("BLOCKSCOPE_DATA")
    assert allowed_roots() == []
    with pytest.raises(InputError):
        within_roots("relative.pth")


def test_what_other_people_brought_is_never_read_by_its_path(roots, monkeypatch):
    monkeypatch.setenv("BLOCKSCOPE_ROOTS", str(roots))
    for place in (data_home(), data_home() / "uploads"):
        with pytest.raises(InputError, match="is in no folder that may be read from here"):
            within_roots(place)
