import threading
import time

import pytest

from core import jobs
from core.errors import InputError


def test_a_job_runs_beside_and_gives_its_result():
    gate = threading.Event()

    def work(job, number):
        job.total = number
        gate.wait(5)
        for job.done in range(1, number + 1):
            pass
        return number * 2

    job = jobs.start(work, 3)
    assert job.running and job.result is None
    gate.set()
    assert job.wait(5).result == 6 and not job.running and (job.done, job.total) == (3, 3)


def test_a_job_that_looks_at_stop_ends_early():
    job = jobs.start(lambda job: job.stop.wait(30))
    job.stop.set()
    assert job.wait(5).result is True and not job.running


def test_a_job_that_reports_ends_at_its_next_report():
    going = threading.Event()

    def work(job):
        for done in range(10**9):
            going.set()
            job.report(done, 10**9)

    job = jobs.start(work)
    assert going.wait(5) and not job.stopped
    job.stop.set()
    assert job.wait(5).stopped and job.result is None and not job.running and job.total == 10**9


def test_a_persons_mistake_is_kept_as_a_sentence():
    def work(job):
        raise InputError("There is no network; try again later.")

    assert str(jobs.start(work).wait(5).error) == "There is no network; try again later."


def test_a_bug_shows_where_somebody_waits():
    with pytest.raises(ZeroDivisionError):
        jobs.start(lambda job: 1 / 0).wait(5)


def test_a_turn_goes_round():
    turn, order, started = jobs.Turn(), [], threading.Barrier(3)

    def work(job, name):
        started.wait(5)
        for _ in range(4):
            with turn:
                order.append(name)
                time.sleep(0.01)

    made = [jobs.start(work, name) for name in "abc"]
    for job in made:
        job.wait(5)
    assert [sorted(order[k : k + 3]) for k in range(0, 12, 3)] == [["a", "b", "c"]] * 4


def test_who_passes_a_turn_on_lets_the_others_go_first():
    turn, order = jobs.Turn(), []

    def work(job):
        with turn:
            order.append("other")

    with turn:
        turn.pass_on()  # nobody waits: it goes on at once
        job = jobs.start(work)
        while len(turn._waiting) < 2:
            time.sleep(0.001)
        turn.pass_on()
        order.append("first")
    job.wait(5)
    assert order == ["other", "first"]


def test_a_line_goes_in_the_order_in_which_it_was_joined_and_who_waits_can_leave():
    line, gate, order = jobs.Line(), threading.Event(), []

    def work(job, name):
        with line.turn(job, name):
            order.append(name)
            gate.wait(5)

    names = ("first", "second", "third")
    for name in names:
        line.join(name)
    made = {name: jobs.start(work, name) for name in reversed(names)}
    assert [line.ahead(name) for name in names] == [0, 1, 2]
    made["second"].stop.set()
    assert made["second"].wait(5).stopped
    assert line.ahead("third") == 1
    gate.set()
    for job in made.values():
        job.wait(5)
    assert order == ["first", "third"]
    assert line.ahead("third") == 0


def test_a_piece_of_work_that_fails_leaves_its_line():
    line = jobs.Line()
    line.join("wrong")

    def work(job):
        with line.turn(job, "wrong"):
            raise InputError("Wrong.")

    assert str(jobs.start(work).wait(5).error) == "Wrong."
    line.join("next")
    assert line.ahead("next") == 0


def test_what_becomes_of_a_job_is_logged_under_its_name_without_its_words(caplog):
    def diary(job, how):
        if how == "refuse":
            raise InputError("diary.png is no picture.", key="picture.not_a_picture")
        if how == "fail":
            raise KeyError("diary.png")
        if how == "stop":
            job.stop.set()
            job.report(1, 2)

    with caplog.at_level("INFO", "core.jobs"):
        for how in ("work", "refuse", "fail", "stop"):
            jobs.start(diary, how)._thread.join(5)
    ends = [record for record in caplog.records if record.message == "job ended"]
    assert [record.ended for record in ends] == ["done", "refused", "failed", "stopped"] and ends[1].key == "picture.not_a_picture"
    assert all(record.job == "diary" and record.seconds >= 0 for record in ends) and not any("png" in record.message for record in caplog.records)
