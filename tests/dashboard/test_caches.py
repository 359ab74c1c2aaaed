"""What comes of an upload is another session's business never."""

from streamlit.runtime.caching import clear_session_data_cache
from streamlit.testing.v1 import AppTest

from dashboard.caches import per_picture

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
