"""The command line in processes of its own that start at once: one that has imported everything forks for each."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
WARM = """
import json, os, sys, traceback
import torch, pyarrow.parquet
import core.cli, core.adaptation.command, core.adaptation.live, core.packs.command, core.packs.live, core.report.command
import core.runs, core.scoring.command, core.training.command, core.training.live, core.uploads, core.watch.command
print("ready", flush=True)
for line in sys.stdin:
    words, environment, log = json.loads(line)
    child = os.fork()
    if not child:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(out, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(environment)
        code = 70
        try:
            code = exec(words[1]) or 0 if words[0] == "-c" else core.cli.main(words)
        except SystemExit as error:
            code = error.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    print(child, flush=True)
    if sys.stdin.readline().strip() == "kill":
        os.kill(child, 9)  # nobody else has its number: it has not been waited for
    print(os.waitpid(child, 0)[1], flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """How a process ended. Attributes: code: negative where it was killed; said: what it printed; seconds."""

    code: int
    said: str
    seconds: float

    @property
    def sentence(self):
        """Whether it ended with an error that was said in a line, without a stack trace."""
        return self.code == 2 and "error: " in self.said and "Traceback" not in self.said


@contextmanager
def commands(folder):
    """Args: folder: for logs. Yields: run(words, kill=None, **environment) -> `Ended`.

    words: of `python -m core`, or "-c" and code; kill: seconds after which it is killed, or a function that returns when it is time.
    """
    process = subprocess.Popen([sys.executable, "-c", WARM], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    log = Path(folder) / "command.log"

    def run(words, kill=None, **environment):
        began = time.monotonic()
        process.stdin.write(json.dumps([[str(word) for word in words], {k: str(v) for k, v in environment.items()}, str(log)]) + "\n")
        process.stdin.flush()
        process.stdout.readline()
        if kill is not None:
            kill() if callable(kill) else time.sleep(kill)
        process.stdin.write("wait\n" if kill is None else "kill\n")
        process.stdin.flush()
        status = int(process.stdout.readline())
        return Ended(os.waitstatus_to_exitcode(status), log.read_text("utf-8", "replace"), time.monotonic() - began)

    try:
        process.stdout.readline()
        yield run
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(60)
