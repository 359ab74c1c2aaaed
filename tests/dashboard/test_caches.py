"""What comes of an upload is another session's business never, and what came of a pack that has changed nobody's."""

import os
import shutil

import pytest
import streamlit as st
from streamlit.runtime.caching import clear_session_data_cache
from streamlit.testing.v1 import AppTest

from core.errors import InputError
from core.packs import SHIPPED
from dashboard.caches import per_pack, per_picture

calls = []


@per_picture(max_entries=4)
def measured(pack, picture_id, *, more=0):
    calls.append(picture_id)
    return f"{pack} {picture_id} {more}"


def page():
    import streamlit as st

    from tests.dashboard.test_caches import measured

    for picture in ("toybox:test/1", "upload:abc"):
        measured("toybox", picture)
        st.write(measured("toybox", picture_id=picture, more=1))


def test_what_comes_of_an_upload_goes_with_its_session():
    test = AppTest.from_function(page).run()
    assert [one.value for one in test.markdown] == ["toybox toybox:test/1 1", "toybox upload:abc 1"]
    test.run()
    kept = len(calls)
    clear_session_data_cache("test session id")  # as the server does when a session ends
    test.run()
    assert not test.exception
    assert kept == 4 and calls[kept:] == ["upload:abc", "upload:abc"]
    measured.clear()


@per_pack(st.cache_data(show_spinner=False))
def told(pack_name, _secret, *, more=0):
    calls.append(pack_name)
    return len(calls)


@per_pack(st.cache_data(show_spinner=False))
def told_too(pack_name, _secret, *, more=0):
    return "another function"


def test_what_is_kept_of_a_pack_is_forgotten_when_its_files_change(tmp_path):
    folder = str(shutil.copytree(SHIPPED / "toybox", tmp_path / "toys"))
    first = told(folder, "one")
    assert told(folder, "two") == told(folder, _secret="three", more=0) == told(pack_name=folder, _secret="four") == first
    assert told(folder, "one", more=1) == first + 1 and told_too(folder, "one") == "another function"
    os.utime(f"{folder}/pack.toml", (1, 1))
    assert told(folder, "one") == first + 2
    with pytest.raises(InputError, match="no pack"):
        told(str(tmp_path / "gone"), "one")
    told.clear()
    assert told(folder, "one") == first + 3
