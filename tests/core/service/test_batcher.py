"""Nothing that has a place is lost, batches form, and a failure is one item's own."""

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from core.errors import InputError
from core.service.batcher import Batcher


@pytest.fixture
def make():
    made = []

    def batcher(run, *, size=8, wait=0.05, places=64, **options):
        made.append(Batcher(run, size=size, wait=wait, places=places, **options))
        return made[-1]

    yield batcher
    for each in made:
        each.close()


def send(batcher, item):
    with batcher.place():
        return batcher.put(item).result(10)


def test_every_item_gets_its_own_result_in_batches_of_the_size_allowed(make):
    sizes = []
    batcher = make(lambda items: [10 * i for i in items], size=5, observe=sizes.append)
    with ThreadPoolExecutor(16) as clients:
        assert list(clients.map(lambda i: send(batcher, i), range(200))) == [10 * i for i in range(200)]
    assert sum(sizes) == 200 and max(sizes) > 1 and max(sizes) <= 5 and batcher.held == 0


def test_a_single_client_does_not_wait_for_others(make):
    batcher, answered = make(lambda items: items, wait=60), threading.Event()
    threading.Thread(target=lambda: (send(batcher, 1), answered.set()), daemon=True).start()
    assert answered.wait(5)


def test_whoever_is_on_the_way_is_waited_for_but_not_for_ever(make):
    sizes = []
    batcher = make(lambda items: items, wait=0.02, observe=sizes.append)
    with batcher.place():  # somebody whose picture never comes
        assert [send(batcher, i) for i in (1, 2)] == [1, 2]
    assert sizes == [1, 1]


def test_one_item_to_blame_fails_alone(make):
    def run(items):
        if "bad" in items:
            raise ZeroDivisionError("bad")
        return [KeyError(item) if item == "odd" else item.upper() for item in items]

    batcher = make(run, size=4)
    with batcher.place(4):
        futures = [batcher.put(item) for item in ("a", "bad", "odd", "b")]
        assert futures[0].result(5) == "A" and futures[3].result(5) == "B"
        with pytest.raises(ZeroDivisionError):
            futures[1].result(5)
        with pytest.raises(KeyError):
            futures[2].result(5)


def test_what_is_cancelled_is_not_run(make):
    begun, go, ran = threading.Event(), threading.Event(), []

    def run(items):
        ran.extend(items)
        begun.set()
        assert go.wait(10)
        return items

    batcher = make(run, size=1)
    with batcher.place(3):
        first = batcher.put("first")
        assert begun.wait(10)
        dropped, last = batcher.put("dropped"), batcher.put("last")
        assert dropped.cancel()
        go.set()
        assert first.result(5) == "first" and last.result(5) == "last"
        with pytest.raises(CancelledError):
            dropped.result()
    assert ran == ["first", "last"]


def test_places_are_bounded_and_given_back(make):
    batcher = make(lambda items: items, places=2)
    with batcher.place(2):
        assert not batcher.open
        with pytest.raises(InputError, match="More pictures wait than can be taken"), batcher.place():
            pass
    assert batcher.open and batcher.held == 0
    with pytest.raises(InputError), batcher.place(3):
        pass
    assert send(batcher, 7) == 7


def test_closing_finishes_what_is_on_the_way_and_takes_no_more(make):
    batcher = make(lambda items: items, size=2)
    with batcher.place(5):
        closing = threading.Thread(target=batcher.close)
        closing.start()
        while batcher.open:
            pass
        with pytest.raises(InputError), batcher.place():
            pass
        assert [batcher.put(i).result(5) for i in range(5)] == list(range(5))
        assert closing.is_alive()
    closing.join(5)
    assert not closing.is_alive()
