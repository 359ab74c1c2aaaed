"""Wait for what goes on in the background, and end it."""

import time


def until(ready, seconds=120):
    """Wait until a function returns something true. Raises: AssertionError where that takes too long."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


def end_all(makings):
    """End whatever one of `core.packs.making.Makings` has running."""
    for one in makings._held.values():
        if one.busy:
            one.job.stop.set()
            one.job.wait(60)
