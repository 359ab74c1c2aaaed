"""What the HTTP service bears: 50 clients at once for a minute, each sending the next picture as soon as it has its answer.

The server is a process of its own on the loopback; the clients share its machine, so a server alone is faster.
"""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from benchmarks.harness import Row, summary
from benchmarks.verdict import megapixel

ROOT = Path(__file__).parents[1]
PACK, CLIENTS, SECONDS, PATIENCE = "cifar10", 50, 60, 30  # seconds of a run, and until an answer counts as lost


def rows(*, repetitions=1, quick=False):
    """Load the service as often as asked. Returns: a list of `Row`: requests a second, latencies, and what went wrong."""
    runs = [_run(3 if quick else SECONDS) for _ in range(repetitions)]
    what, note = f"{CLIENTS} clients, JPEG of one megapixel, {PACK}", f"{sum(len(r['seconds']) for r in runs):,} answers"
    milliseconds = 1000 * np.concatenate([run["seconds"] for run in runs])
    p99 = float(np.percentile(milliseconds, 99))
    return [
        summary("service", f"{what}: requests", np.array([len(r["seconds"]) / r["took"] for r in runs]), "per s", note),
        summary("service", f"{what}: latency, p50", milliseconds, "ms"),
        Row("service", f"{what}: latency, p99", p99, p99, p99, "ms", len(milliseconds)),
        summary("service", f"{what}: pictures in a forward pass, mean", np.array([r["batch"] for r in runs]), "pictures"),
        *(summary("service", f"{what}: {kind}", np.array([r[kind] for r in runs], float), "requests") for kind in ("errors", "lost")),
    ]


def _run(seconds):
    """Load one server. Returns: {seconds: of each answer, took, errors: answers that are no verdict, lost: requests without an answer, batch}."""
    with server() as address:
        return asyncio.run(_load(address, seconds))


@contextmanager
def server():
    """Run `python -m core serve` on a free port. Yields: its address."""
    command = [sys.executable, "-m", "core", "serve", "--pack", PACK, "--port", "0", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            document = ""
            while not document.endswith("}\n"):
                line = process.stdout.readline()
                if not line:
                    raise RuntimeError("the service did not start")
                document += line
            yield json.loads(document)["address"]
        finally:
            process.terminate()


async def _load(address, seconds):
    place = urlsplit(address)
    picture = megapixel()
    head = 'Content-Disposition: form-data; name="picture"; filename="a.jpg"'
    body = f"--x\r\n{head}\r\n\r\n".encode() + picture + b"\r\n--x--\r\n"
    post = f"POST /verdict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    times, wrong = [], {"errors": 0, "lost": 0}
    await asyncio.wait_for(_answers(place, [post]), PATIENCE)  # the first one is not measured
    end = time.perf_counter() + seconds

    async def client():
        while time.perf_counter() < end:  # anew where a connection broke
            try:
                reader, writer = await asyncio.open_connection(place.hostname, place.port)
                while time.perf_counter() < end:
                    began = time.perf_counter()
                    writer.write(post)
                    status, answer = await asyncio.wait_for(_answer(reader), PATIENCE)
                    times.append(time.perf_counter() - began)
                    wrong["errors"] += status != 200 or json.loads(answer).get("verdict") not in ("ID", "OOD")
                writer.close()
            except (OSError, EOFError, TimeoutError):
                wrong["lost"] += 1

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    took = time.perf_counter() - began
    (text,) = await _answers(place, [b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"])
    counts = dict(line.rsplit(" ", 1) for line in text.decode().splitlines() if not line.startswith("#"))
    pictures, passes = (float(counts[f'blockscope_batch_pictures_{what}{{pack="{PACK}"}}']) for what in ("sum", "count"))
    return {"seconds": np.array(times), "took": took, "batch": pictures / passes, **wrong}


async def _answers(place, requests):
    """Send requests over one connection. Returns: the bodies of the answers."""
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    bodies = []
    for request in requests:
        writer.write(request)
        bodies.append((await _answer(reader))[1])
    writer.close()
    return bodies


async def _answer(reader):
    """Read one answer. Returns: (status, body). Raises: EOFError if the connection breaks."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    length = next(int(line.partition(":")[2]) for line in head if line.startswith("content-length:"))
    return int(head[0].split()[1]), await reader.readexactly(length)
