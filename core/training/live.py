"""Trainings that run in the background of a server; `resume` goes on after the last whole epoch."""

import time
from collections import OrderedDict
from dataclasses import dataclass

from core.packs.making import Making, Makings

READ = 2  # sets of pictures that are kept in memory


@dataclass
class Training(Making):
    """One training. `seconds_left` is of training alone: measuring comes on top. `curve`: `core.training.trainer.Curve` as far as it has come."""

    curve: object = None


class Trainings(Makings):
    """All trainings of a server. Every method may be called from any thread."""

    COMMAND, Kind = ("train",), Training

    def __init__(self, folder=None, *, line=None):
        super().__init__(folder, line=line)
        self._sets = OrderedDict()

    def curve(self, training):
        """Return how a training has gone so far, read from its checkpoint or pack if it does not run here."""
        if training.curve is None:
            from core.training.command import checkpoint_of, curve_of
            from core.training.trainer import read_curve

            training.curve = curve_of(training.folder) if training.state == "done" else read_curve(checkpoint_of(training.folder))
        return training.curve

    def remnants(self, training):
        from core.training.command import checkpoint_of

        return (checkpoint_of(training.folder),)

    def make(self, job, training):
        from core.cli import parse
        from core.training.command import train_pack

        training.curve = None  # of the checkpoint from which it goes on
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
