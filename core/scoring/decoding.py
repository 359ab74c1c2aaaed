"""Decode pictures beside the forward pass: in one thread, or in processes of their own where a GPU is faster than a thread decodes."""

import multiprocessing
import queue
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from core.images.sources import decode_batch

AHEAD = 2  # batches that wait for the forward pass: what a queue holds beyond that is memory alone


def decoded(source, preprocessing, ranges, *, size, workers=0):
    """Decode ranges of a source in batches, ahead of whoever takes them; no batch reaches over the end of a range.

    Args: source: see `core.images.sources`; ranges: (start, stop) in order; size: pictures in a batch; workers: processes, 0 for a thread.
    Yields: (number of the batch's first picture in the source, `Batch`).
    """
    cut = _cut(source, ranges, size)
    if not workers:
        yield from ahead((first, decode_batch(items, preprocessing)) for first, items in cut)
        return
    context = multiprocessing.get_context("forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from ahead(_in_processes(pool, preprocessing, cut, workers))


def ahead(values, waiting=AHEAD):
    """Draw from an iterator in a thread, at most `waiting` values before they are taken. Raises: what the iterator raises."""
    ready, stop = queue.Queue(waiting), threading.Event()

    def put(value):
        while not stop.is_set():
            try:
                return ready.put(value, timeout=0.1)
            except queue.Full:
                continue

    def draw():
        try:
            for value in values:
                put((value, None))
                if stop.is_set():
                    return
            put((None, StopIteration()))
        except BaseException as error:  # handed to whoever takes the values: a thread has nobody above it
            put((None, error))

    thread = threading.Thread(target=draw, name="decode", daemon=True)
    thread.start()
    try:
        while True:
            value, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield value
    finally:
        stop.set()
        thread.join()


def _cut(source, ranges, size):
    """Yield (first, items) of each batch. Ranges that touch are read in one go."""
    runs = []
    for start, stop in ranges:
        if runs and runs[-1][1] == start and (start - runs[-1][0]) % size == 0:
            runs[-1][1] = stop
        else:
            runs.append([start, stop])
    for start, stop in runs:
        items = source.items(start, stop)
        for first in range(start, stop, size):
            yield first, list(islice(items, min(size, stop - first)))


def _in_processes(pool, preprocessing, cut, workers):
    waiting = deque()
    for first, items in cut:
        waiting.append((first, pool.submit(decode_batch, items, preprocessing)))
        if len(waiting) > workers:
            first, batch = waiting.popleft()
            yield first, batch.result()
    while waiting:
        first, batch = waiting.popleft()
        yield first, batch.result()
