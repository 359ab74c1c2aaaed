"""The service says what the library says, refuses what is too much or no picture in one sentence, and counts it."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from core.images.decode import decode
from core.service.app import Asked, Limits, create_app, judge_batch
from core.verdict import as_row

LIMITS = Limits(bytes=200_000, pictures=4, batch=8, wait=0.02, waiting=6, patience=0.5)


@pytest.fixture(scope="module")
def app(pack):
    return create_app([pack, replace(pack, name="twin")], limits=LIMITS)


@pytest.fixture(scope="module")
def client(app):
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def send(client, data, address="/verdict", **options):
    return client.post(address, files={"picture": ("toy.png", data)}, **options)


def same(row, expected):
    """Whether two rows say the same: all words are equal, and numbers up to what a batch's rounding changes."""
    if isinstance(expected, dict):
        return row.keys() == expected.keys() and all(same(row[k], v) for k, v in expected.items())
    return row == (pytest.approx(expected, rel=1e-4, abs=1e-4) if isinstance(expected, float) else expected)


def test_the_answer_is_the_row_of_the_command_line(client, pack, files):
    for data in files[::4]:
        row = send(client, data, params={"detector": "knn", "keep": 80}).json()
        assert same(row, as_row(pack.verdict(data, detector="knn", keep=0.8), "toy.png"))


def test_several_pictures_are_a_row_or_an_error_each(client, pack, files):
    sent = [("picture", (f"{i}.png", data)) for i, data in enumerate((files[0], b"hello", files[20]))]
    first, second, third = client.post("/verdicts", files=sent, params={"pack": "twin"}).json()
    assert same(first, as_row(pack.verdict(files[0]), "0.png")) and same(third, as_row(pack.verdict(files[20]), "2.png"))
    assert second == {
        "file": "1.png",
        "key": "picture.other_kind",
        "error": "This is a text file, not a picture; choose a picture, for example a PNG or a JPEG.",
    }


@settings(max_examples=12)
@given(st.lists(st.integers(0, 23), min_size=2, max_size=8), st.sampled_from(["consensus", "knn", "msp"]))
def test_a_verdict_does_not_depend_on_the_pictures_beside_it(pack, files, chosen, detector):
    pixels = [pack.preprocessing.see(decode(files[i])) for i in chosen]
    asked = [Asked(p, detector if k % 2 else "energy", 0.95 if k % 3 else 0.8) for k, p in enumerate(pixels)]
    for each, verdict in zip(asked, judge_batch(pack, asked), strict=True):
        (alone,) = judge_batch(pack, [each])
        assert same(as_row(verdict, ""), as_row(alone, ""))


@pytest.mark.parametrize(
    ("query", "status", "key", "sentence"),
    [
        ("pack=nowhere", 404, "unknown", "There is no pack named 'nowhere'; the known ones are toybox, twin."),
        ("detector=odin", 404, "unknown", "There is no detector named 'odin'; the known ones are ash_b,"),
        ("keep=100", 422, "threshold.keep", "keep is 100; give a percentage between 0 and 100"),
        ("keep=much", 422, "service.request", "keep: Input should be a valid number"),
    ],
)
def test_a_query_that_cannot_be_answered(client, files, query, status, key, sentence):
    answer = send(client, files[0], f"/verdict?{query}")
    assert answer.status_code == status and answer.json()["key"] == key and answer.json()["error"].startswith(sentence)


@pytest.mark.parametrize(
    ("data", "status", "key"),
    [
        (b"a text", 415, "picture.other_kind"),
        (b"%PDF-1.7", 415, "picture.other_format"),
        (b"\0\1\2\3" * 9, 415, "picture.not_a_picture"),
        (b"", 422, "picture.empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), 422, "picture.damaged"),
        (bytes(LIMITS.bytes + 1), 413, "picture.too_many_bytes"),
        (bytes(LIMITS.bytes + 70_000), 413, "service.too_large"),
    ],
)
def test_what_is_no_picture_or_too_large(client, data, status, key):
    answer = send(client, data)
    assert (answer.status_code, answer.json()["key"]) == (status, key) and answer.json()["error"].endswith(".")


def test_size_is_counted_while_it_is_read(client):
    """A body that does not tell its length and would never end is refused when the limit is passed."""
    taken = []

    def endless():
        yield b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n'
        while len(taken) < 1000:
            taken.append(1)
            yield bytes(10_000)

    answer = client.post("/verdict", content=endless(), headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 413 and answer.json()["key"] == "service.too_large"


@pytest.mark.parametrize(
    "request_of",
    [
        {"data": {"picture": "no file"}, "files": {"other": b"x"}},
        {"content": b"raw", "headers": {"Content-Type": "image/png"}},
        {"content": b"--y", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"", "headers": {"Content-Type": "multipart/form-data"}},
        {"files": [("picture", b"1"), ("picture", b"2")]},
    ],
)
def test_what_is_no_form_with_a_picture(client, request_of):
    answer = client.post("/verdict", **request_of)
    assert answer.status_code == 415 and answer.json()["key"] == "service.form"


def test_a_request_that_is_nowhere_is_answered_as_json(client):
    assert client.get("/nowhere").json() == {"error": "Not Found: GET /nowhere; /docs lists what there is.", "key": "service.request"}
    assert client.get("/verdict").status_code == 405


def test_packs_health_ready_and_openapi(client):
    first, second = client.get("/packs").json()
    assert (first["name"], second["name"]) == ("toybox", "twin") and "duck" in first["classes"] and "consensus" in first["detectors"]
    assert client.get("/health").json() == client.get("/ready").json() == {"status": "ok"}
    document = client.get("/openapi.json").json()
    body = document["paths"]["/verdict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert body["required"] == ["picture"] and "higher = more ID" in str(document["components"]["schemas"]["Verdict"])


def test_metrics_count_what_was_answered(pack, files):
    with TestClient(create_app([pack], limits=LIMITS)) as client:
        send(client, files[0])
        send(client, b"text")
        client.get("/made/up")
        text = client.get("/metrics").text
    assert 'blockscope_requests_total{path="/verdict",status="200"} 1.0' in text and 'path="/verdict",status="415"} 1.0' in text
    assert 'path="other",status="404"' in text and "made" not in text
    assert 'blockscope_batch_pictures_sum{pack="toybox"} 1.0' in text and 'blockscope_waiting_pictures{pack="toybox"} 0.0' in text
    assert 'blockscope_verdicts_total{pack="toybox",verdict="ID"} 1.0' in text


class Held:
    """A pack whose forward pass waits to be let go, or fails."""

    def __init__(self, pack):
        self._pack, self.passes, self.go, self.fail = pack, 0, threading.Event(), False

    def __getattr__(self, name):
        return getattr(self._pack, name)

    def probe(self, images, **options):
        self.passes += 1
        assert self.go.wait(20)
        if self.fail:
            raise ZeroDivisionError("a secret")
        return self._pack.probe(images, **options)


@pytest.fixture
def held(pack):
    """Return (the pack, a client of a service that takes two pictures at a time): after its rehearsal, what comes waits."""
    pack = Held(pack)
    pack.go.set()
    with TestClient(create_app([pack], limits=replace(LIMITS, waiting=2)), raise_server_exceptions=False) as client:
        pack.go.clear()
        yield pack, client
        pack.go.set()


def test_a_full_service_says_so_at_once_and_loses_nothing(held, files):
    pack, client = held
    with ThreadPoolExecutor(2) as clients:
        first = clients.submit(send, client, files[0])
        while pack.passes < 2:
            time.sleep(0.01)
        second = clients.submit(send, client, files[1])
        while client.get("/ready").status_code == 200:
            time.sleep(0.01)
        refused = send(client, files[2])
        assert refused.status_code == 503 and refused.headers["Retry-After"] == "1" and refused.json()["key"] == "service.full"
        assert client.get("/health").status_code == 200
        pack.go.set()
        assert first.result(10).status_code == second.result(10).status_code == 200
    assert send(client, files[2]).status_code == 200


def test_a_bug_is_told_without_its_trace(held, files):
    pack, client = held
    pack.fail = True
    pack.go.set()
    answer = send(client, files[0])
    assert answer.status_code == 500 and answer.json() == {"error": "The server failed on this request; its log says how.", "key": "service.bug"}
    (row,) = send(client, files[0], "/verdicts").json()
    assert row["key"] == "service.bug" and "secret" not in str(row)
    pack.fail = False
    assert send(client, files[0]).status_code == 200


async def call(app, message, left):
    """Send an application one message of a request, and that the client is gone when `left` is set. Returns: the status it answers."""
    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    scope = {"type": "http", "method": "POST", "path": "/verdict", "query_string": b"", "headers": headers, "http_version": "1.1"}
    messages, statuses = [message], []

    async def receive():
        if messages:
            return messages.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def answer(message):
        statuses.append(message.get("status"))

    await app(scope, receive, answer)
    return statuses[0]


def test_a_body_that_does_not_arrive_is_not_waited_for(app, client):
    async def half():
        return await call(app, {"type": "http.request", "body": b"--x", "more_body": True}, asyncio.Event())

    assert asyncio.run(half()) == 408 and client.get("/ready").status_code == 200


def test_a_client_that_goes_away_costs_no_pass(pack, files):
    pack = Held(pack)
    pack.go.set()
    body = b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n' + files[0] + b"\r\n--x--\r\n"
    message = {"type": "http.request", "body": body}

    async def two_clients():
        app = create_app([pack], limits=LIMITS)
        async with app.router.lifespan_context(app):
            pack.go.clear()
            leaves = asyncio.Event()
            stays = asyncio.create_task(call(app, message, asyncio.Event()))
            while pack.passes < 2:  # the rehearsal's and this one
                await asyncio.sleep(0.01)
            goes = asyncio.create_task(call(app, message, leaves))
            await asyncio.sleep(0.1)
            leaves.set()
            assert await goes == 499
            pack.go.set()
            assert await stays == 200

    asyncio.run(two_clients())
    assert pack.passes == 2
