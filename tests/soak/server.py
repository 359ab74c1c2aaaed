"""The real server, with a home of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core import resident

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Server:
    """A dashboard that runs. Attributes: address; log: the file of what it prints; home: the folder that it may write to; process."""

    address: str
    log: Path
    home: Path
    process: subprocess.Popen

    @property
    def memory(self):
        """Return the resident bytes of the server and of the processes that it has started."""
        return sum(resident.used(pid) or 0 for pid in _family(self.process.pid))


@contextmanager
def serving(home, **environment):
    """Start the dashboard as `make run` does and stop it at the end. Args: home: an empty folder; environment: further variables. Yields: `Server`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.headless=true"]
    command += ["--server.address=127.0.0.1", f"--server.port={port}", "--browser.serverAddress=127.0.0.1"]
    own = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "BLOCKSCOPE_RUNS": f"sqlite:///{home}/runs.sqlite"}
    log = home / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **own, **environment}, stdout=out, stderr=subprocess.STDOUT)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, log)
        yield Server(f"http://127.0.0.1:{port}", log, home, process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_for(address, process, log, seconds=60):
    for _ in range(10 * seconds):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the dashboard did not start:\n{log.read_text()[-2000:]}")


def _family(pid):
    """Return a process and all that it has started, and they."""
    try:
        children = Path(f"/proc/{pid}/task").glob("*/children")
        started = [int(child) for file in children for child in file.read_text().split()]
    except OSError:  # it has just ended
        started = []
    return [pid, *(one for child in started for one in _family(child))]
