"""Work that sessions share: each result is made once, sessions take turns, and one that waits can be asked to end."""

import threading

import pytest

from dashboard.session.background import Kept, Task


def tasks(names, made, gate=None):
    def work(name, report):
        if gate is not None:
            gate.wait(10)
        report(1, 2)
        made.append(name)
        return name.upper()

    return [Task((name,), name, lambda report, name=name: work(name, report)) for name in names]


def test_a_result_is_made_once_for_all():
    kept, made = Kept(10), []
    kept.start(tasks("ab", made)).job.wait(10)
    kept.start(tasks("bc", made)).job.wait(10)
    assert made == ["a", "b", "c"] and [kept.get((name,)) for name in "abc"] == ["A", "B", "C"]


def test_sessions_take_turns():
    kept, made, gate = Kept(10), [], threading.Event()
    first = kept.start(tasks("abc", made, gate))
    while not first.job.total:  # it has its turn
        pass
    second = kept.start(tasks("xyz", made))
    while len(kept.line) < 2:
        pass
    gate.set()
    first.job.wait(10), second.job.wait(10)
    assert made == ["a", "x", "b", "y", "c", "z"]


def test_who_waits_can_be_asked_to_end():
    kept, made, gate = Kept(10), [], threading.Event()
    first, second = kept.start(tasks("a", made, gate)), kept.start(tasks("x", made))
    second.job.stop.set()
    second.job.wait(10)
    assert second.job.stopped and not made
    gate.set()
    assert first.job.wait(10).result is None and made == ["a"]


def test_the_oldest_results_are_forgotten():
    kept = Kept(2)
    kept.start(tasks("abc", [])).job.wait(10)
    assert [(name,) in kept for name in "abc"] == [False, True, True]


def test_a_bug_is_raised_for_who_waits():
    def broken(report):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        Kept(2).start([Task((1,), "a", broken)]).job.wait(10)
