"""Runs in the background: methods side by side, paused, stepped, cancelled, stored, two at once."""

import json
import time
from dataclasses import replace

import pytest
import torch

from core.adaptation import make
from core.adaptation.kept import keep_selection, kept_selection
from core.adaptation.live import Adaptations, Shelf
from core.adaptation.plan import Plan, plan_of
from core.adaptation.selection import BlockSelection
from core.errors import InputError
from core.images.sources import open_source, read
from core.packs import list_packs, load_pack
from core.runs import Store
from tests.waiting import until

PLAN = Plan("toybox", ("source", "bn"), ("gaussian_noise", "fog"), "toybox:test", "toybox:train", limit=24, batch_size=12, unknown="toybox:textures")
pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs")


@pytest.fixture(scope="module")
def shelf():
    """Return what all servers of these tests have read: a toy is drawn once."""
    return Shelf()


@pytest.fixture
def runs(tmp_path, monkeypatch, shelf):
    monkeypatch.setenv("BLOCKSCOPE_RUNS", f"sqlite:///{tmp_path}/runs.sqlite")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    threads, made = torch.get_num_threads(), Adaptations()
    made._shelf = shelf
    yield made
    for one in made._held.values():
        one.cancel()
        one.job.wait(60)
    torch.set_num_threads(threads)


def counts(one):
    return {name: len(lane.rows) for name, lane in one.lanes.items()}


def test_a_plan_is_what_its_document_says_and_knows_its_names():
    assert plan_of(json.loads(json.dumps(PLAN.document()))) == PLAN
    for wrong in ({"methods": ("sauce",)}, {"setting": "sideways"}, {"guard": "sleep"}):
        with pytest.raises(InputError):
            replace(PLAN, **wrong)
    with pytest.raises(InputError, match="no part of a plan named 'mood'"):
        plan_of(PLAN.document() | {"mood": "new"})


def test_a_plan_is_a_command_that_is_understood():
    from core.cli import parse

    options = parse(replace(PLAN, share=0.25).arguments)
    assert (options.images, options.corruptions, options.batch_size, options.ood_share) == ("toybox:test", "gaussian_noise,fog", 12, 0.25)


def test_a_run_goes_through_the_stream_and_is_stored(runs):
    one = runs.start(PLAN)
    one.job.wait(120)
    assert one.state == "done" and counts(one) == {"source": 4, "bn": 4} and one.batches == 4 and one.unstored is None
    with Store() as store:
        kept, arrays = store.get(one.stored), store.arrays(one.stored)
    assert kept.kind == "adaptation" and plan_of(kept.result["plan"]) == PLAN and kept.made_by["pack"] == "toybox"
    assert kept.result == json.loads(json.dumps(one.document() | {"state": "done"}))
    assert arrays.keys() == {"batch_1", "batch_2", "batch_3", "batch_4"} and arrays["batch_1"].shape == (12, 32, 32, 3)
    source, bn = (kept.result["methods"][name]["rows"] for name in PLAN.methods)
    assert [row["domain"] for row in bn] == ["gaussian_noise"] * 2 + ["fog"] * 2 and 0 < bn[0]["auroc"] <= 1
    assert [row["error"] for row in source] == [row["error_before"] for row in source] == [row["error_before"] for row in bn]
    right = [row["labels"] for row in bn]
    assert all(len(labels) == 12 for labels in right) and [row["labels"] for row in source] == right


def test_pause_step_and_go_on(runs):
    one = runs.start(replace(PLAN, limit=120))
    one.pause()
    until(lambda: all(lane.state == "ready" for lane in one.lanes.values()))
    time.sleep(0.3)
    held = max(counts(one).values())
    assert one.state == "paused" and set(counts(one).values()) == {held} and held < 20
    for k in (1, 2):
        one.step()
        until(lambda k=k: set(counts(one).values()) == {held + k})
    time.sleep(0.3)
    assert set(counts(one).values()) == {held + 2}
    one.go_on()
    one.job.wait(120)
    assert one.state == "done" and counts(one) == {"source": 20, "bn": 20}


def test_what_was_cancelled_keeps_what_there_is(runs):
    one = runs.start(replace(PLAN, limit=120))
    until(lambda: all(n > 1 for n in counts(one).values()))
    one.cancel()
    one.job.wait(60)
    assert one.state == "cancelled" and one.stored and {lane.state for lane in one.lanes.values()} == {"stopped"}
    with Store() as store:
        assert store.get(one.stored).result["state"] == "cancelled"


def test_what_there_is_is_stored_while_a_run_goes_on(runs, monkeypatch):
    """So that a server that dies leaves it; the end takes its place under the same id."""
    one = runs.start(replace(PLAN, limit=120))
    one.pause()
    until(lambda: all(lane.state == "ready" for lane in one.lanes.values()))
    one.step()
    with Store() as store:
        until(lambda: store.list())
        (early,) = store.list()
        assert early.id == one.name and early.result["state"] == "interrupted" and one.stored is None
        assert len(early.result["methods"]["source"]["rows"]) + len(early.result["methods"]["bn"]["rows"]) >= 1 and store.arrays(early.id)
        one.cancel()
        one.job.wait(60)
        (late,) = store.list()
    assert (late.id, late.created, late.result["state"]) == (early.id, early.created, "cancelled") and one.stored == one.name


def test_two_runs_do_not_see_each_other_nor_change_the_pack(runs):
    before = {name: value.clone() for name, value in load_pack("toybox").network.state_dict().items()}
    plan = replace(PLAN, methods=("tent",), limit=48)
    alone = runs.start(plan)
    alone.job.wait(120)
    first, second = runs.start(plan), runs.start(replace(plan, corruptions=("contrast",)))
    first.job.wait(120), second.job.wait(120)

    def answers(one):
        return [row["predicted"] for row in one.lanes["tent"].rows]

    assert answers(first) == answers(alone) and len(answers(second)) == 4
    after = first.lanes["tent"].method.origin.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_method_that_cannot_run_does_not_stop_the_others(runs, monkeypatch):
    monkeypatch.setattr("core.adaptation.method.has_batch_norm", lambda network: False)
    one = runs.start(replace(PLAN, limit=12))
    one.job.wait(120)
    assert one.lanes["bn"].state == "failed" and one.lanes["bn"].error.key == "adaptation.batch_norm"
    assert one.state == "done" and len(one.lanes["source"].rows) == 2


def test_a_network_of_no_numbers_is_an_alarm_and_stops_nobody(runs, monkeypatch):
    def make_broken(name, *arguments, **options):
        method = make(name, *arguments, **options)
        if name == "bn":
            for parameter in method.network.parameters():
                parameter.data.fill_(float("nan"))
        return method

    monkeypatch.setattr("core.adaptation.live.make", make_broken)
    one = runs.start(PLAN)
    one.job.wait(120)
    assert one.state == "done" and counts(one) == {"source": 4, "bn": 4}
    row = one.lanes["bn"].rows[-1]
    assert row["alarm"] and row["classes"] == 1 and row["entropy"] is None and row["confidence"] is None and set(row["drift"].values()) == {None}
    json.dumps(one.document(), allow_nan=False)
    assert not any(row["alarm"] for row in one.lanes["source"].rows)


def test_judging_a_picture_teaches_nothing(runs):
    one = runs.start(replace(PLAN, methods=("source", "tent")))
    one.job.wait(120)
    pack = load_pack("toybox")
    images = read(open_source("toybox:test"), pack.preprocessing, start=500, stop=502).images
    weights = {name: p.clone() for name, p in one.lanes["tent"].method.network.named_parameters()}
    found = one.judge(images)
    assert {name: len(judged) for name, judged in found.items()} == {"source": 2, "tent": 2}
    assert all(torch.equal(weights[name], p) for name, p in one.lanes["tent"].method.network.named_parameters())
    clean = one.judge(images, "clean")["source"]
    expected = pack.judge.judge(pack.probe(images), pack.classes)
    for mine, theirs in zip(clean, expected, strict=True):
        assert (mine.class_name, mine.verdict.verdict) == (theirs.class_name, theirs.verdict)
        assert mine.confidence == pytest.approx(theirs.confidence, abs=1e-3) and mine.verdict.p_value == pytest.approx(theirs.p_value, abs=0.01)


def test_unreadable_pictures_are_an_error_of_the_run(runs):
    one = runs.start(replace(PLAN, pictures="data:no_such"))
    one.job.wait(60)
    assert one.state == "failed" and one.job.error.key == "source.missing" and one.stored is None


def test_a_selection_is_kept_for_its_weights(runs, monkeypatch):
    selection = BlockSelection(("a", "b"), (1.0, 0.5), (1.0, 0.0), ("a",), 0.75, 100)
    file = keep_selection("toybox", selection, seed=0)
    kept = kept_selection("toybox")
    assert kept is not None and (kept == selection or list_packs()["toybox"].folder.joinpath("adaptation.json").exists())
    document = json.loads(file.read_text("utf-8"))
    assert BlockSelection(**{k: tuple(v) if isinstance(v, list) else v for k, v in document["selection"].items()}) == selection
    file.write_text(json.dumps(document | {"pack_hash": "other"}), "utf-8")
    monkeypatch.setattr("core.adaptation.kept.FILE", "no-such.json")
    assert kept_selection("toybox") is None
    file.write_text("{", "utf-8")
    assert kept_selection("toybox") is None


def test_a_source_that_cannot_be_read_fails_only_who_needs_it(runs):
    one = runs.start(replace(PLAN, methods=("source", "dplot"), source="data:no_such"))
    one.job.wait(60)
    assert one.state == "done" and len(one.lanes["source"].rows) == 4
    assert one.lanes["dplot"].state == "failed" and one.lanes["dplot"].error.key == "source.missing"
