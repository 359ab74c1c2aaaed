"""The store of runs, on SQLite and on a Postgres server that these tests start and stop."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from core import runs
from core.errors import InputError
from core.runs import Store
from tests.postgres import PASSWORD, Missing, Postgres

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def postgres():
    """Start a Postgres server of our own. Returns: a function that makes an empty database: its URL."""
    try:
        with Postgres() as server:
            yield server.database
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """Return the URL of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runs.sqlite"
    return request.getfixturevalue("postgres")()


@pytest.fixture
def store(url):
    with Store(url) as store:
        yield store


def start(code, url):
    """Start Python code in a process of its own in which `store` is the store at the URL."""
    code = f"import os, sys\nimport numpy as np\nimport sqlalchemy as sa\nfrom core.runs import Store\nstore = Store()\n{code}"
    return subprocess.Popen([sys.executable, "-u", "-c", code], cwd=ROOT, env={**os.environ, "BLOCKSCOPE_RUNS": url}, stdout=subprocess.PIPE, text=True)


def test_a_run_comes_back_as_it_was(store):
    result = {"sets": {"near": {"auroc": 0.1 + 0.2, "n": 2**53 + 1}}, "names": ["새", "a\0b", "\udcff"], "none": None, "yes": True}
    made_by = {"seed": 0, "device": "cpu"}
    before = datetime.now(UTC)
    run = store.add("bench", result, title="near, 1,000 pictures", made_by=made_by)
    assert store.get(run.id) == run
    assert (run.kind, run.title, run.made_by, run.result) == ("bench", "near, 1,000 pictures", made_by, result)
    assert list(run.result) == list(result), "in the order of the result"
    assert before <= run.created <= datetime.now(UTC) and run.created.utcoffset() == timedelta(0)
    assert store.arrays(run.id) == {}


def test_a_run_takes_the_place_of_its_earlier_state(store):
    id = runs.new_id()
    early, other = store.add("bench", {"n": 1}, arrays={"x": np.ones(3)}, id=id), store.add("bench", {"n": 0}, arrays={"x": np.ones(1)})
    late = store.add("bench", {"n": 2}, title="late", id=id)
    assert early.id == late.id == id and late.created == early.created
    assert store.get(id) == late and store.arrays(id) == {} and store.arrays(other.id)["x"].shape == (1,)
    assert {run.id for run in store.list()} == {id, other.id}


def test_arrays_come_back_to_the_bit(store):
    arrays = {
        "scores": np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32),
        "odd": np.array([np.nan, np.inf, -0.0, 5e-324]),
        "labels": np.arange(5)[::-1],
        "fortran": np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)),
        "half": np.array(1.5, dtype=np.float16),
        "kept": np.array([True, False]),
        "names": np.array(["near", "새"]),
        "empty": np.empty((0, 4)),
        "file": np.ones(1),
        "toybox:near/energy": np.ones(2),
    }
    run = store.add("bench", {}, arrays=arrays)
    found = store.arrays(run.id)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_numbers_of_numpy_and_nan_become_those_of_json(store):
    result = {"n": np.int64(3), "x": np.float32(0.5), "yes": np.bool_(True), "nan": float("nan"), "inf": [np.float32("-inf")], "pair": (1, 2), 7: "key"}
    run = store.add("bench", result)
    assert run.result == {"n": 3, "x": 0.5, "yes": True, "nan": None, "inf": [None], "pair": [1, 2], "7": "key"}
    assert store.get(run.id) == run
    json.dumps(run.result, allow_nan=False)


def test_what_cannot_be_kept_leaves_nothing(store):
    with pytest.raises(TypeError, match="cannot keep a object"):
        store.add("bench", {"x": object()})
    with pytest.raises(ValueError, match="Object arrays"):
        store.add("bench", {}, arrays={"x": np.array([{}])})
    assert store.list() == []


def test_newest_first_of_a_kind_up_to_a_limit(store):
    made = [store.add("bench" if i % 2 else "adapt", {"i": i}) for i in range(7)]
    assert store.list() == made[::-1]
    assert store.list("bench") == made[5::-2]
    assert store.list("bench", limit=2) == made[5:2:-2]
    assert store.list(limit=None) == made[::-1]
    assert store.list("none") == []


def test_a_removed_run_is_gone_with_its_arrays(store):
    kept, gone = (store.add("bench", {}, arrays={"x": np.arange(3)}) for _ in range(2))
    store.remove(gone.id)
    assert store.list() == [kept] and store.arrays(kept.id)["x"].tolist() == [0, 1, 2]
    with store._engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM blockscope_arrays")) == 1
    with pytest.raises(InputError, match="There is no run"):
        store.remove(gone.id)


@pytest.mark.parametrize("id", ["0123456789abcdef", "", "a\0b", "' OR 1=1", None, "x" * 1000])
def test_an_unknown_id_is_said_in_a_sentence(store, id):
    store.add("bench", {})
    for ask in (store.get, store.arrays, store.remove):
        with pytest.raises(InputError, match="^There is no run .* in this store; ") as caught:
            ask(id)
        assert caught.value.key == "runs.unknown" and len(str(caught.value)) < 160
    assert len(store.list()) == 1


def test_a_title_may_come_from_any_file_name(store):
    run = store.add("bench", {}, title="a\0b \udcff 새")
    assert store.get(run.id) == run and run.title == "ab ? 새"


def test_processes_that_write_at_once_lose_nothing(url):
    """The tables are not there yet, so that they race for making them too."""
    code = "for i in range(25): store.add('bench', {'i': i, 'of': sys.argv[0]}, made_by={'pid': os.getpid()}, arrays={'x': np.full(1000, i)})"
    writers = [start(code, url) for _ in range(3)]
    assert [w.wait(100) for w in writers] == [0, 0, 0]
    with Store(url) as store:
        found = store.list(limit=None)
        assert sorted((r.made_by["pid"], r.result["i"]) for r in found) == sorted((w.pid, i) for w in writers for i in range(25))
        assert all((store.arrays(r.id)["x"] == r.result["i"]).all() for r in found)


def test_threads_share_a_store(store):
    def work(t):
        for i in range(10):
            run = store.add("bench", {"t": t, "i": i})
            made.append(store.get(run.id))

    made = []
    threads = [threading.Thread(target=work, args=(t,)) for t in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((r.result["t"], r.result["i"]) for r in made) == [(t, i) for t in range(6) for i in range(10)]
    assert {r.id for r in store.list()} == {r.id for r in made}


KILLED = """
def add(n):
    store = Store()
    seen = 0
    def count(*_):
        nonlocal seen
        seen += 1
        if seen > n:
            os.kill(os.getpid(), 9)
    for moment in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(store._engine, moment, count)
    store.add("bench", {"n": n}, arrays={"x": np.full(1000, n)})

for n in range(200):
    child = os.fork()
    if not child:
        add(n)
        os._exit(0)
    if not os.waitpid(child, 0)[1]:
        print(n)
        break
"""


@pytest.mark.parametrize("tables", [True, False], ids=["with tables", "without tables"])
def test_a_process_killed_at_any_step_leaves_whole_runs_only(url, tables):
    """One process after the other is killed a step later, a step being the start or end of a statement, or the commit, until one lives."""
    with Store(url) as store:
        if tables:
            assert store.list() == []
        process = start(KILLED, url)
        steps = int(process.communicate(timeout=100)[0])
        assert steps >= 10
        assert [r.result for r in store.list()] == [{"n": steps}]
        assert (store.arrays(store.list()[0].id)["x"] == np.full(1000, steps)).all()


def test_a_process_killed_at_any_moment_leaves_whole_runs_only(url):
    code = """
random = np.random.default_rng(0)
for i in range(10**6):
    x = random.integers(0, 255, 10**5)
    print(store.add("bench", {"sum": x.sum()}, arrays={"x": x}).id)
"""
    told = []
    for moment in (0.0, 0.013, 0.031):
        process = start(code, url)
        told += [process.stdout.readline().strip() for _ in range(3)]
        time.sleep(moment)
        process.kill()
        told += process.stdout.read().split("\n")[:-1]
        process.wait()
    with Store(url) as store:
        found = store.list(limit=None)
        assert set(told) <= {r.id for r in found} and len(found) <= len(told) + 3, "all it was told of, and at most one more of each process"
        assert all(store.arrays(r.id)["x"].sum() == r.result["sum"] for r in found)


def test_a_store_of_another_layout_is_left_alone(store):
    store.add("bench", {})
    with store._engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE blockscope_layout SET version = {runs.LAYOUT + 1}"))
    for ask in (store.list, lambda: store.add("bench", {})):
        with pytest.raises(InputError, match=r"has layout 2, this version reads 1; update Blockscope") as caught:
            ask()
        assert caught.value.key == "runs.layout" and PASSWORD not in str(caught.value)


def test_a_database_that_holds_other_things_keeps_them(url):
    engine = sa.create_engine(runs._parse(url))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE runs (x INTEGER)"))
        connection.execute(sa.text("INSERT INTO runs VALUES (1)"))
    with Store(url) as store:
        store.add("bench", {})
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT x FROM runs")) == 1
    engine.dispose()


def unreachable(url):
    with pytest.raises(InputError) as caught:
        Store(url).list()
    assert caught.value.key == "runs.unreachable" and str(caught.value).endswith("or name another in BLOCKSCOPE_RUNS.")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_that_is_no_database_is_said_and_left_alone(tmp_path):
    file = tmp_path / "runs.sqlite"
    file.write_text("This is a letter. " * 100)
    assert unreachable(f"sqlite:///{file}").startswith(f"The store of runs at {file} cannot be used: file is not a database; ")
    assert file.read_text() == "This is a letter. " * 100
    assert "unable to open database file" in unreachable(f"sqlite:///{tmp_path}")
    assert "File exists" in unreachable(f"sqlite:///{file}/runs.sqlite")


def test_a_busy_store_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_WAIT", 0.1)
    with Store(f"sqlite:///{tmp_path}/runs.sqlite") as store:
        store.add("bench", {"i": 0})
        other = sqlite3.connect(tmp_path / "runs.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert store.list()[0].result == {"i": 0}, "who reads does not wait for who writes"
        with pytest.raises(InputError, match="cannot be used: database is locked; "):
            store.add("bench", {"i": 1})
        other.execute("ROLLBACK")
        store.add("bench", {"i": 2})
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN")
        other.execute("SELECT * FROM blockscope_runs").fetchone()
        assert len(store.list()) == 2, "who reads does not mind that the file cannot be changed over to the log now"
        other.close()


@pytest.mark.parametrize("full", [True, False], ids=["full", "read-only"])
def test_a_disk_that_takes_nothing_still_shows_what_was_kept(full):
    from tests.soak.disks import NotTried, disk

    try:
        with disk(full=full) as place, Store(f"sqlite:///{place}/runs.sqlite") as store:
            assert [run.result for run in store.list()] == [{"old": True}] and store.arrays(store.list()[0].id) == {}
            with pytest.raises(InputError, match="has room and may be written") as caught:
                store.add("bench", {"x": 1})
            assert caught.value.key == "runs.unreachable"
            assert [run.result for run in store.list()] == [{"old": True}]
    except NotTried as reason:
        pytest.skip(str(reason))


def test_a_file_that_was_taken_away_is_made_anew(tmp_path):
    with Store(f"sqlite:///{tmp_path}/deep/runs.sqlite") as store:
        store.add("bench", {})
        (tmp_path / "deep" / "runs.sqlite").unlink()
        assert store.list() == []


@pytest.mark.parametrize("server", ["127.0.0.1:1", "127.0.0.1:1/d?sslmode=disable&password=s3cret", "/d?host=/nowhere"])
def test_a_server_that_is_not_there_is_said_without_the_password(server):
    sentence = unreachable(f"postgresql://us:s3cret@{server}")
    assert "us:***@" in sentence and "s3cret" not in sentence


def test_a_wrong_password_is_said_without_it(postgres):
    right = sa.make_url(postgres())
    sentence = unreachable(right.set(password="s3cret").render_as_string(hide_password=False))
    assert 'password authentication failed for user "us"' in sentence and "s3cret" not in sentence
    assert right.query["host"].rpartition("/")[2] in sentence, "where the server was looked for"


def test_a_server_that_forbids_is_said(postgres):
    right = sa.make_url(postgres())
    engine = sa.create_engine(right.set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE ROLE guest LOGIN PASSWORD 's3cret'"))
        connection.execute(sa.text("REVOKE CREATE ON SCHEMA public FROM PUBLIC"))
    engine.dispose()
    sentence = unreachable(right.set(username="guest", password="s3cret").render_as_string(hide_password=False))
    assert "permission denied for schema public" in sentence and "s3cret" not in sentence


@pytest.mark.parametrize(
    "url",
    [
        "",
        "runs.sqlite",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://us:s3cret@h/d",
        "postgresql://us:p@s3cret@h/d",
        "postgresql://us:p@h:s3cret/d",
        "postgresql:us:s3cret@h",
    ],
)
def test_what_is_no_address_is_said_and_not_repeated(url):
    with pytest.raises(InputError, match="is no address of one; write sqlite:") as caught:
        Store(url)
    assert caught.value.key == "runs.url" and "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None, "nor in what is printed above it"


def test_without_a_driver_it_says_which(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match=r"pip install 'psycopg\[binary\]'"):
        Store("postgresql://us:pw@h/d")


def test_where_the_store_is(monkeypatch, tmp_path):
    monkeypatch.setenv("BLOCKSCOPE_RUNS", f"sqlite:///{tmp_path}/mine.sqlite")
    assert runs.default_url() == f"sqlite:///{tmp_path}/mine.sqlite"
    with Store() as store:
        run = store.add("bench", {"here": 1})
    with Store(f"sqlite:///{tmp_path}/mine.sqlite") as store:
        assert store.get(run.id) == run
    monkeypatch.delenv("BLOCKSCOPE_RUNS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data 새"))
    with Store() as store:
        store.add("bench", {})
    assert (tmp_path / "data 새" / "blockscope" / "runs.sqlite").is_file()
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert runs.default_url() == f"sqlite:///{tmp_path}/.local/share/blockscope/runs.sqlite"


def test_the_store_needs_no_torch():
    code = "import core.provenance, core.runs, sys; core.provenance.provenance(pack='toybox'); print({'torch', 'torchvision'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
