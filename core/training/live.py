"""Trainings that run in the background of a server: one at a time, each under a name that nobody can guess.

What makes one lies on disk: its order, its checkpoint, in the end its pack. So a training outlives a cancel, and the server too; `resume`
goes on after the last whole epoch.
"""

import json
import logging
import os
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from core import jobs
from core.errors import InputError
from core.packs import own_folder

KEPT = 40  # trainings on disk; the oldest go first
READ = 2  # sets of pictures that are kept in memory


@dataclass
class Training:
    """One training.

    Attributes:
        name: of the training and of its pack; arguments: of `python -m core`; folder: of its pack; job: of this process, or None;
        curve: `core.training.trainer.Curve` as far as it has come.
    """

    name: str
    arguments: list
    folder: Path
    job: jobs.Job | None = None
    curve: object = None
    began: tuple = ()  # when the first step was done here, and which one it was

    @property
    def busy(self):
        return self.job is not None and self.job.running

    @property
    def seconds_left(self):
        """Return how long training will take on, or None before there is a step to tell it by; measuring comes on top."""
        if not self.began or self.job.done <= self.began[1]:
            return None
        return (time.monotonic() - self.began[0]) * (self.job.total - self.job.done) / (self.job.done - self.began[1])

    def option(self, name):
        """Return the word after --name, or None."""
        return self.arguments[self.arguments.index(f"--{name}") + 1] if f"--{name}" in self.arguments else None

    @property
    def state(self):
        """Return "waiting", "running", "done", "failed" or "stopped": cancelled, or interrupted with its server."""
        if self.busy:
            return "waiting" if self.job.doing == "waiting" else "running"
        if (self.folder / "pack.toml").is_file():
            return "done"
        return "failed" if self.job is not None and (self.job.error or self.job.bug) else "stopped"


class Trainings:
    """All trainings of a server. Every method may be called from any thread."""

    def __init__(self, folder=None):
        """Args: folder: of orders, checkpoints and packs; by default the one where packs are found by name."""
        self.folder = Path(folder or own_folder())
        self._held, self._lock = OrderedDict(), threading.Lock()
        self._queue, self._turn = [], threading.Condition()
        self._sets = OrderedDict()

    def start(self, arguments):
        """Start a training. Args: arguments: of `python -m core train`, but for --out. Returns: its `Training`."""
        name = secrets.token_urlsafe(12)
        training = Training(name, [*arguments, "--out", str(self.folder / name)], self.folder / name)
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self._order(name).with_suffix(".part")
        part.write_text(json.dumps(training.arguments), "utf-8")
        os.replace(part, self._order(name))
        with self._lock:
            self._held[name] = training
        self._forget()
        self._run(training)
        return training

    def find(self, name):
        """Return the `Training` of a name, or None."""
        with self._lock:
            if name in self._held or "/" in name or name.startswith("."):
                return self._held.get(name)
            file = self._order(name)
            if not file.is_file():
                return None
            self._held[name] = Training(name, json.loads(file.read_text("utf-8")), self.folder / name)
            return self._held[name]

    def curve(self, training):
        """Return how a training has gone so far, read from its checkpoint or pack if it does not run here."""
        if training.curve is None:
            from core.training.command import checkpoint_of, curve_of
            from core.training.trainer import read_curve

            training.curve = curve_of(training.folder) if training.state == "done" else read_curve(checkpoint_of(training.folder))
        return training.curve

    def resume(self, training):
        """Go on with a training that has stopped or failed; of two that ask, one does."""
        with self._lock:
            if training.state in ("stopped", "failed"):
                training.curve, training.began = None, ()
                self._run(training)

    def ahead(self, training):
        """Return how many trainings run or wait before this one."""
        with self._turn:
            return self._queue.index(training.name) if training.name in self._queue else 0

    def remove(self, training):
        """Stop a training and delete all of it."""
        from core.training.command import checkpoint_of

        if training.busy:
            training.job.stop.set()
            training.job.wait(30)
        with self._lock:
            self._held.pop(training.name, None)
        for file in (self._order(training.name), checkpoint_of(training.folder)):
            file.unlink(missing_ok=True)
        shutil.rmtree(training.folder, ignore_errors=True)

    def _order(self, name):
        return self.folder / f".{name}.order.json"

    def _run(self, training):
        with self._turn:
            self._queue.append(training.name)
        training.job = jobs.start(self._work, training, doing="waiting")

    def _work(self, job, training):
        """Wait for the turn, then train."""
        try:
            with self._turn:
                while self._queue[0] != training.name:
                    self._turn.wait(0.2)
                    job.report(0, 0)
            return self._train(job, training)
        except (InputError, jobs.Stopped):
            raise
        except Exception:
            logging.getLogger(__name__).exception("training %s failed", training.name)
            raise
        finally:
            with self._turn:
                self._queue.remove(training.name)
                self._turn.notify_all()

    def _train(self, job, training):
        import torch

        from core.cli import parse
        from core.training.command import train_pack

        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))  # of this thread: a core is left for the pages
        options = parse(training.arguments)

        def progress(done, total, curve):
            training.curve = curve
            training.began = training.began or (time.monotonic(), done)
            job.doing = "training"
            job.report(done, total)

        def log(_):
            job.doing = "measuring" if job.done else "reading"
            job.report(job.done, job.total)

        return train_pack(options, progress=progress, log=log, stop=job.stop, sets=self._read(options, job))

    def _read(self, options, job):
        """Read the pictures that a training names, once for several trainings."""
        from core.training.command import preprocessing_of, read_sets

        names = ("data", "val", "val_limit", "limit", "holdout", "ood_limit", "bank", "classes", "size", "mean", "std", "jpeg", "seed")
        key = (*(getattr(options, name) for name in names), *options.ood)
        if key not in self._sets:
            job.doing = "reading"
            self._sets[key] = read_sets(options, preprocessing_of(options), log=lambda _: None, train=options.limit, progress=job.report)
            job.report(0, 0)
        while len(self._sets) > READ:
            self._sets.popitem(last=False)
        return self._sets[key]

    def _forget(self):
        """Delete the oldest trainings beyond `KEPT`, but for those that run or wait."""
        orders = sorted(self.folder.glob(".*.order.json"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in orders[KEPT:]:
            training = self.find(file.name.removesuffix(".order.json")[1:])
            if training and not training.busy:
                self.remove(training)
