import threading

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
