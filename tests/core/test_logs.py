import json
import logging
import re
import sys

import pytest

from core import cli, logs
from core.errors import InputError


@pytest.fixture
def root():
    """Yield the root logger without handlers of ours, and put it back as it was."""
    logger = logging.getLogger()
    before = [h for h in logger.handlers if not type(h).__module__.startswith("core.")]
    ours = {name: logging.getLogger(name).level for name in (*logs.OURS, *logs.SERVERS)}
    logger.handlers[:] = before
    yield logger
    logger.handlers[:] = before
    for name, level in ours.items():
        logging.getLogger(name).setLevel(level)


def raised(error):
    try:
        raise error
    except type(error):
        return sys.exc_info()


def test_a_record_is_one_line_of_json_with_its_fields(root, monkeypatch, capsys):
    monkeypatch.setenv(logs.VARIABLE, "json")
    logs.set_up()
    logs.set_up()  # again: still one line each
    with logs.about(session="ab12", page="verdict"):
        logging.getLogger("core.uploads").info("files kept", extra={"files": 2, "bytes": 3000})
    logging.getLogger("core.uploads").info("files kept", extra={"files": 1, "secret": "diary.png"})
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", first.pop("time"))
    assert first == {"level": "INFO", "logger": "core.uploads", "message": "files kept", "session": "ab12", "page": "verdict", "files": 2, "bytes": 3000}
    assert "session" not in second and "secret" not in second


def test_no_word_of_an_exception_and_no_value_of_a_library_is_in_a_line(root, monkeypatch, capsys):
    monkeypatch.setenv(logs.VARIABLE, "json")
    logs.set_up()
    logging.getLogger("core.jobs").error("job failed", exc_info=raised(FileNotFoundError("/home/kim/diary.png")))
    logging.getLogger("some.library").warning("cannot read %s", "/home/kim/diary.png")
    text = capsys.readouterr().err
    first, second = map(json.loads, text.splitlines())
    assert first["error"]["type"] == "FileNotFoundError" and first["error"]["trace"][0].startswith("tests/core/test_logs.py:")
    assert second["message"] == "cannot read %s"
    assert "diary" not in text and "kim" not in text


def test_what_an_exception_came_of_is_told_and_a_key_too(root):
    try:
        try:
            raise KeyError("diary.png")
        except KeyError as error:
            raise InputError("diary.png is no picture.", key="picture.not_a_picture") from error
    except InputError:
        record = logging.LogRecord("core.x", logging.ERROR, __file__, 1, "refused", (), sys.exc_info())
    told = logs.document(record)["error"]
    assert (told["type"], told["key"], told["because"]["type"]) == ("InputError", "picture.not_a_picture", "KeyError")


def test_without_the_variable_only_warnings_are_written_but_all_are_kept(root, monkeypatch, capsys):
    monkeypatch.delenv(logs.VARIABLE, raising=False)
    logs.set_up(keep=True)
    for number in range(logs.KEPT + 5):
        logging.getLogger("dashboard.serving").info("page ran", extra={"seconds": number})
    logging.getLogger("dashboard.serving").warning("careful")
    assert [line.split()[-1] for line in capsys.readouterr().err.splitlines()] == ["careful"]
    kept = list(map(json.loads, logs.latest()))
    assert len(kept) == logs.KEPT and kept[-1]["message"] == "careful" and kept[0]["seconds"] == 6


def test_text_is_for_eyes_and_tells_an_exception_in_full(root, monkeypatch, capsys):
    monkeypatch.setenv(logs.VARIABLE, "plain")
    logs.set_up()
    logging.getLogger("core.jobs").info("job ended", extra={"job": "train", "seconds": 1.5})
    logging.getLogger("core.jobs").error("job failed", exc_info=raised(ValueError("seven")))
    text = capsys.readouterr().err
    assert "INFO core.jobs: job ended job=train seconds=1.5" in text and "ValueError: seven" in text


def test_loggers_that_write_for_themselves_write_once(root, monkeypatch, capsys):
    monkeypatch.setenv(logs.VARIABLE, "json")
    own = logging.getLogger("writes.itself")
    own.propagate, own.streamlit_console_handler = False, logging.StreamHandler(sys.stderr)
    own.addHandler(own.streamlit_console_handler)
    logs.set_up()
    own.error("once")
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "once"


@pytest.mark.parametrize("name", ["uvicorn.error", logs.SENDER])
def test_a_browser_that_left_leaves_no_trace(root, name):
    from starlette.websockets import WebSocketDisconnected

    logs.set_up(keep=True)
    logging.getLogger(name).error(
        "Exception in ASGI application", exc_info=raised(WebSocketDisconnected('Cannot call "send" once a close message has been sent.'))
    )
    assert logs.latest() == []
    logging.getLogger(name).error("Exception in ASGI application", exc_info=raised(RuntimeError("something else")))
    assert [json.loads(line)["error"]["type"] for line in logs.latest()] == ["RuntimeError"]


def test_another_style_gets_a_sentence(root, monkeypatch):
    monkeypatch.setenv(logs.VARIABLE, "xml")
    with pytest.raises(InputError, match="BLOCKSCOPE_LOG is 'xml'; say plain or json") as caught:
        logs.set_up()
    assert caught.value.key == "logs.style"


def test_the_command_line_logs_json_and_says_its_error_as_before(root, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv(logs.VARIABLE, "json")
    monkeypatch.setenv("BLOCKSCOPE_RUNS", f"sqlite:///{tmp_path}/runs.sqlite")
    assert cli.main(["runs", "show", "--json"]) == 2
    said, line = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert said.startswith("error: Say which run")
    assert (told["message"], told["command"], told["status"], told["key"]) == ("command ended", "runs", 2, "cli.run")
