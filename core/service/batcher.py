"""Collect pieces of work that come at the same time into batches, and do these one after another on a thread of their own.

A batch is closed when it is full, when its first piece has waited long enough, or when nobody else is on the way: a single
client never waits for others. Whoever sends work takes a place first, and there are so many places and no more, so that what
waits is bounded and whoever is too much hears of it at once.
"""

import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import contextmanager

from core.errors import InputError


class Batcher:
    """Args:
        run: list of items -> list of their results, in order; a result that is an exception is that item's failure.
            Where it raises with several items, each is run again alone, so that only the one to blame fails.
        size: the most items in a batch; wait: the most seconds that a first item waits for others; places: the most items on the way.
        observe: called with the number of items of each batch.
    Attributes: held: how many places are taken.
    """

    def __init__(self, run, *, size, wait, places, observe=lambda items: None):
        self.held = 0
        self._run, self._size, self._wait, self._places, self._observe = run, size, wait, places, observe
        self._queue, self._changed, self._closing = deque(), threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    @property
    def open(self):
        """Whether it takes more work."""
        return self._thread.is_alive() and not self._closing and self.held < self._places

    @contextmanager
    def place(self, count=1):
        """Hold places for items that are on the way. Raises: InputError if so many are not free, or the batcher is closing."""
        with self._changed:
            if self._closing or self.held + count > self._places:
                raise InputError("More pictures wait than can be taken; send this one again in a second.", key="service.full")
            self.held += count
        try:
            yield
        finally:
            with self._changed:
                self.held -= count
                self._changed.notify_all()

    def put(self, item):
        """Hand in an item, while its place is held. Returns: a `Future` of its result; one that is cancelled in time costs nothing more."""
        future = Future()
        with self._changed:
            self._queue.append((item, future))
            self._changed.notify_all()
        return future

    def close(self):
        """Take no more work, finish what is on the way and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self):
        while batch := self._collect():
            wanted = [(item, future) for item, future in batch if future.set_running_or_notify_cancel()]
            if wanted:
                self._observe(len(wanted))
                self._answer(wanted)

    def _collect(self):
        """Return the next batch of (item, future); an empty one when the batcher is closed and nobody is on the way."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or (self._closing and not self.held))
            end = time.monotonic() + self._wait
            while len(self._queue) < min(self._size, self.held) and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            return [self._queue.popleft() for _ in range(min(self._size, len(self._queue)))]

    def _answer(self, wanted):
        try:
            results = self._run([item for item, _ in wanted])
        except Exception as error:  # handed to whoever waits: a thread has nobody above it
            if len(wanted) == 1:
                wanted[0][1].set_exception(error)
            else:
                for each in wanted:
                    self._answer([each])
            return
        for (_, future), result in zip(wanted, results, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
