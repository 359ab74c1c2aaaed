"""The service as a process of its own, on a loopback port: many clients at once, rude ones too, and an end that loses nothing."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

from core.verdict import as_row

ROOT = Path(__file__).parents[3]


@pytest.fixture
def server():
    """Yield (process, address) of `python -m core serve`."""
    command = [sys.executable, "-m", "core", "serve", "--pack", "toybox", "--port", "0", "--max-wait-ms", "20", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        timer = threading.Timer(120, process.kill)
        timer.start()
        try:
            document = ""
            while not document.endswith("}\n"):
                line = process.stdout.readline()
                assert line, process.stderr.read()
                document += line
            yield process, json.loads(document)["address"]
        finally:
            timer.cancel()
            process.kill()


def test_twenty_clients_at_once_lose_nothing_and_an_end_drains(server, pack, files):
    process, address = server
    expected = [as_row(pack.verdict(data), f"{i}.png") for i, data in enumerate(files)]
    end = time.monotonic() + 3

    def client(k):
        answers = []
        with httpx.Client(base_url=address, timeout=30) as http:
            while time.monotonic() < end:
                i = (k + len(answers)) % len(files)
                answers.append((i, http.post("/verdict", files={"picture": (f"{i}.png", files[i])}).json()))
        return answers

    rude = socket.create_connection(address.removeprefix("http://").split(":"))  # sends half a request and goes away
    rude.sendall(b"POST /verdict HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n--x")
    with ThreadPoolExecutor(20) as clients:
        rows = [row for found in clients.map(client, range(20)) for row in found]
    rude.close()
    assert len(rows) >= 20
    for i, row in rows:
        assert (row["file"], row["class"], row["verdict"], row["error"]) == (f"{i}.png", expected[i]["class"], expected[i]["verdict"], None)
        assert row["p_value"] == pytest.approx(expected[i]["p_value"], abs=2e-3) and row["detectors"].keys() == expected[i]["detectors"].keys()
    counts = dict(line.rsplit(" ", 1) for line in httpx.get(f"{address}/metrics").text.splitlines() if not line.startswith("#"))
    judged, passes = (float(counts[f'blockscope_batch_pictures_{what}{{pack="toybox"}}']) for what in ("sum", "count"))
    assert judged == len(rows) and judged > 2 * passes  # batches formed
    assert float(counts['blockscope_waiting_pictures{pack="toybox"}']) == 0

    many = [("picture", (f"{i}.png", data)) for i, data in enumerate(files[:16])]
    with ThreadPoolExecutor(1) as clients:
        last = clients.submit(httpx.post, f"{address}/verdicts", files=many, timeout=30)
        while not last.done() and _waiting(address) == 0:
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        assert last.result().status_code == 200 and len(last.result().json()) == 16
    process.wait(20)
    assert "Traceback" not in process.stderr.read()


def _waiting(address):
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("blockscope_waiting_pictures{")).rsplit(" ", 1)[1])
