"""A watch goes on from its history, also where its last line was cut off; a file that is none is refused in a sentence."""

import json
from dataclasses import asdict

import pytest

from core.errors import InputError
from core.watch.history import History, read_history
from core.watch.watch import Settings, Watch

BEGUN = {"watch": asdict(Settings(99)), "detector": "knn", "pack": "toybox"}


@pytest.fixture
def written(tmp_path):
    """Return (path, the `Seen`) of a history of three batches."""
    path, watch, seen = tmp_path / "new" / "history.jsonl", Watch(Settings(99)), []
    history = History(path, BEGUN)
    assert history.state is None and history.names == set()
    for k in range(3):
        seen.append(watch.see([0.01, 0.5, 1.0]))
        history.add(seen[-1], [f"{k}/{i}" for i in range(3)], [(f"bad{k}", "no picture")], watch.state)
    return path, seen


def test_what_was_written_is_read_and_gone_on_from(written):
    path, seen = written
    first, rows = read_history(path.read_bytes())
    assert first == BEGUN and [row["evidence"] for row in rows] == [s.evidence for s in seen] and rows[1]["names"] == ["1/0", "1/1", "1/2"]
    history = History(path, BEGUN)
    assert history.names == {f"{k}/{i}" for k in range(3) for i in range(3)} | {"bad0", "bad1", "bad2"}
    assert Watch(Settings(99), history.state).see([0.01, 0.5, 1.0]).batch == 4


def test_a_line_that_was_cut_off_is_dropped(written):
    path, _ = written
    data = path.read_bytes()
    path.write_bytes(data[:-40])
    history = History(path, BEGUN)
    assert history.state["batch"] == 2 and "2/0" not in history.names
    watch = Watch(Settings(99), history.state)
    history.add(watch.see([1.0]), ["again"], [], watch.state)
    assert [row["batch"] for row in read_history(path.read_bytes())[1]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("begun", "sentence"),
    [
        ({**BEGUN, "detector": "msp"}, "was begun with detector knn, not msp"),
        ({**BEGUN, "watch": asdict(Settings(99, every=50))}, "was begun with every 1000.0, not 50"),
        ({k: v for k, v in BEGUN.items() if k != "pack"}, "was begun with pack toybox, not None"),
    ],
)
def test_another_watch_is_not_written_into_it(written, begun, sentence):
    with pytest.raises(InputError, match=sentence):
        History(written[0], begun)


def broken(change):
    first = json.dumps(BEGUN)
    watch = Watch(Settings(99))
    row = {**asdict(watch.see([1.0])), "at": "now", "names": ["a"], "errors": [], "state": watch.state}
    return f"{first}\n{json.dumps({**row, **change})}\n".encode()


BROKEN = ({"share": "x"}, {"share": float("nan")}, {"batch": 1e400}, {"state": {}}, {"state": 3}, {"names": 3}, {"p_values": [None]})
FOREIGN = (b"", b"\n", b"\xff\xfe\n", b"[]\n", b"3\n", b'{"watch": {"known": "many"}}\n', b'{"watch": {}}\n', f"{json.dumps(BEGUN)}\n[1]\n".encode())


@pytest.mark.parametrize("data", [*FOREIGN, *map(broken, BROKEN)])
def test_what_is_no_history_is_refused(data):
    with pytest.raises(InputError, match="no history of a watch"):
        read_history(data)


def test_the_same_line_unbroken_is_a_history():
    assert len(read_history(broken({}))[1]) == 1
