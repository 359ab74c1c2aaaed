"""The page of adaptation: runs that were kept, runs that go on (played by a fake, so that nothing waits for a timer), and the form."""

import json
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from core.adaptation.live import Judged, Seen, SeenLane
from core.adaptation.plan import Plan
from core.errors import InputError
from core.images.preprocess import stack
from core.images.sources import open_source
from core.packs import list_packs
from core.runs import Store
from dashboard import compute
from dashboard.language import LANGUAGES, catalogue
from dashboard.parts.adapt_plan import DEFAULT, METHODS
from tests.dashboard.pages import healthy, open_page

pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs")
PLAN = Plan("toybox", ("source", "bn"), ("gaussian_noise", "fog"), "toybox:test", "toybox:train", limit=24, batch_size=12, unknown="toybox:near")
DOMAINS = ("gaussian_noise", "gaussian_noise", "fog", "fog")
WRONG = {"source": (6, 5, 4, 3), "bn": (2, 1, 3, 0)}  # of 12 in each batch
BLOCKS = ("layer1.0", "layer2.0")
N = 12
FAILED = InputError("This network has no batch normalisation.", key="adaptation.batch_norm", method="BN")


def rows_of(wrong, before=WRONG["source"], **more):
    """Return rows as `core.adaptation.live.row_of` makes them, of batches in which so many of 12 are wrong. Args: **more: {batch: fields of it}."""
    rows = []
    for k, count in enumerate(wrong):
        labels = [j % 10 for j in range(N)]
        answers = [(label + (j < count)) % 10 for j, label in enumerate(labels)]
        row = {"batch": k + 1, "domain": DOMAINS[k], "severity": 5, "n": N, "broken": 0, "predicted": answers, "labels": labels}
        row |= {"before": [(label + (j < before[k])) % 10 for j, label in enumerate(labels)], "counts": {DOMAINS[k]: [count, N]}}
        row |= {"error": count / N, "error_before": before[k] / N, "running": sum(wrong[: k + 1]) / (k + 1) / N, "accepted": None}
        row |= {"running_before": sum(before[: k + 1]) / (k + 1) / N, "entropy": 0.5 - k / 10, "confidence": 0.9, "classes": 8.0 - k, "ece": 0.1}
        row |= {"drift": dict.fromkeys(BLOCKS, 0.01 * k), "features": dict.fromkeys(BLOCKS, 0.02), "auroc": None if k else 0.91, "seconds": 0.024}
        row |= {"peak_memory": 1, "reset": False, "diversity": 0.9, "raised": [], "alarm": False, "went_back": None}
        rows.append(row | more.get(f"batch_{k + 1}", {}))
    return rows


def document(wrong=WRONG, plan=PLAN, *, state="done", batches=4, states=None, **more):
    """Return a run as `core.adaptation.live.Adaptation.document` does."""
    made = {}
    for method, counts in wrong.items():
        summary = {"errors": {}, "mean": None, "selected_blocks": None, "seconds_setup": 0.1, "seconds_adapt": 0.2}
        made[method] = {"state": (states or {}).get(method, "done"), "summary": summary, "selection": None, "rows": rows_of(counts, **more.get(method, {}))}
    return {"state": state, "plan": plan.document(), "batches": batches, "methods": made}


def sheets(count=4):
    return {k: np.full((N, 32, 32, 3), 40 * k, np.uint8) for k in range(1, count + 1)}


def seen(state, *, wrong=WRONG, plan=PLAN, lanes=None, batches=4, document_of=None, **more):
    """Return a `Seen`. Args: lanes: {method: (state, error)} where it is not as the run."""
    busy = state in ("waiting", "reading", "running", "paused")
    found = {m: SeenLane(*((lanes or {}).get(m, ("ready" if busy else "done", None)))[:1], 0, 0, (lanes or {}).get(m, (None, None))[1]) for m in wrong}
    plain = {"name": "live", "plan": plan, "state": state, "busy": busy, "ahead": 0, "done": 0, "total": 0, "error": None, "stopping": False}
    plain |= {"stored": None, "unstored": None, "lanes": found, "pictures": sheets()}
    return Seen(**plain | {"document": document_of or document(wrong, plan, state=state, batches=batches)} | more)


class Fake:
    """What `core.adaptation.apart.Apart` does, without a process: it says what a test wants it to, and remembers what it was asked."""

    def __init__(self):
        self.runs, self.prepared, self.started, self.controlled, self.asked, self.says = {}, [], [], [], [], {}

    def prepare(self, plan):
        self.prepared.append(plan)

    def start(self, plan, owner=None):
        self.started.append(plan)
        self.runs["live"] = seen("running", plan=plan, wrong={m: () for m in plan.methods}, batches=None)
        return "live"

    def look(self, name):
        return next((one for one in self.runs.values() if name and name in (one.name, one.stored)), None)

    def control(self, name, what):
        self.controlled.append((name, what))

    def judge(self, name, images, domain=None):
        self.asked.append((name, images, domain))
        return self.says


@pytest.fixture(autouse=True)
def far(monkeypatch):
    """Replace the process in which runs go on."""
    made = Fake()
    monkeypatch.setattr(compute, "adaptations", lambda: made)
    for cached in (compute.adaptation_pictures, compute.judged, compute.can_open):
        cached.clear()
    return made


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("BLOCKSCOPE_RUNS", f"sqlite:///{tmp_path}/runs.sqlite")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("BLOCKSCOPE_DATA", raising=False)
    with Store() as opened:
        yield opened


@pytest.fixture
def offered(monkeypatch):
    """Return {file: its content} of what the page offers to download; AppTest keeps only the buttons."""
    import streamlit as st

    files, drawn = {}, st.download_button

    def button(label, data, file, *arguments, **options):
        files[file] = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        return drawn(label, data, file, *arguments, **options)

    monkeypatch.setattr(st, "download_button", button)
    return files


def keep(store, made=None, title="a run", pictures=True, kind="adaptation"):
    arrays = {f"batch_{k}": array for k, array in sheets().items()} if pictures else None
    return store.add(kind, made or document(), title=title, arrays=arrays).id


def visit(language="en", **query):
    return open_page("adaptation", language, **query)


def words(key, language="en", **values):
    return catalogue(language)[key].format(**values)


def name(kind, language="en"):
    titles = {"bn": "BN-1 (batch statistics)"}
    return catalogue(language).get(f"adaptation.{kind}", titles.get(kind))


def found(batch, language="en", wrong=WRONG):
    """Return what the page must say after a batch, from the counts of wrong answers alone."""
    source, bn = (round(100 * sum(counts[:batch]) / (N * batch), 1) for counts in wrong.values())
    numbers = {"error": bn, "gain": f"{100 * (sum(wrong['source'][:batch]) - sum(wrong['bn'][:batch])) / (N * batch):.1f}", "source": source}
    return words("adapt.found", language, method=name("bn", language), batch=batch, batches=4, **numbers)


def errors_table(page, language="en"):
    """Return the table of errors as {method: numbers}."""
    (frame,) = (d.value for d in page.dataframe if words("adapt.mean", language) in d.value.columns)
    return list(frame.columns), {row[0]: list(row[1:]) for row in frame.itertuples(index=False)}


def charts(page):
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def text(page):
    return " ".join(e.value for e in (*page.header, *page.subheader, *page.markdown, *page.caption))


def keys(page):
    return {button.key for button in page.button}


# Runs that were kept


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_kept_run_is_reopened_by_its_link(store, offered, language):
    id = keep(store)
    page = visit(language, adaptation=id)
    assert page.header[0].value == found(4, language)
    columns, table = errors_table(page, language)
    assert columns[1:3] == [words(f"corruption.{domain}", language) for domain in PLAN.corruptions]
    for method, wrong in WRONG.items():
        noise, fog = (100 * sum(wrong[half]) / (2 * N) for half in (slice(0, 2), slice(2, 4)))
        assert table[name(method, language)] == pytest.approx([noise, fog, (noise + fog) / 2, 2.0, 10.0])  # then seconds per 1,000 and ECE
    assert page.slider(key="adapt_at").value == 4 and page.select_slider(key="adapt_speed").value == 5
    assert json.loads(offered[f"adaptation-{id}.json"]) == store.get(id).result
    lines = offered[f"adaptation-{id}.csv"].split()
    assert len(lines) == 1 + 8 and lines[0].startswith("method,batch,domain") and lines[5].startswith("bn,1,gaussian_noise,5,12,0.1666")
    assert words("adapt.own_gone", language) in text(page), "its networks are gone"


def test_the_charts_and_the_sheet_show_the_run(store):
    page = visit(adaptation=keep(store))
    errors = {trace["name"]: trace for trace in charts(page)[0]["data"] if trace["mode"] == "lines"}
    assert list(errors) == ["Model as it is: 37.5 %", "BN-1 (batch statistics): 12.5 %"]
    assert errors["BN-1 (batch statistics): 12.5 %"]["y"] == pytest.approx([16.67, 12.5, 16.67, 12.5])
    assert words("adapt.sheet", batch=4, domain="Fog", n=12, before=9, method=name("bn"), after=12) in text(page)
    assert "AUROC" in text(page) and "91" in text(page) and len(charts(page)) == 5


def test_a_run_is_shown_as_it_was_after_a_batch(store):
    page = visit(adaptation=keep(store))
    for batch in (1, 3):
        page.slider(key="adapt_at").set_value(batch).run()
        assert healthy(page).header[0].value == found(batch)
    page.slider(key="adapt_at").set_value(1).run()
    columns, table = errors_table(page)
    assert columns[1:3] == ["Gaussian noise", "mean"] and table[name("bn")][:2] == pytest.approx([100 * 2 / 12] * 2)
    assert words("adapt.sheet", batch=1, domain="Gaussian noise", n=12, before=6, method=name("bn"), after=10) in text(page)
    page.segmented_control(key="adapt_eye").set_value("source").run()
    assert words("adapt.sheet", batch=1, domain="Gaussian noise", n=12, before=6, method=name("source"), after=6) in text(healthy(page))


def test_a_replay_goes_from_the_first_batch_to_the_last_and_stops(store):
    page = visit(adaptation=keep(store))
    healthy(page.button(key="adapt_play").click().run())
    at = page.slider(key="adapt_at").value
    assert "adapt_stop" in keys(page) and 1 <= at < 4 and page.header[0].value == found(at)
    for _ in range(4):  # what a timer would do
        if "adapt_stop" in keys(page):
            healthy(page.run())
    assert "adapt_play" in keys(page) and page.slider(key="adapt_at").value == 4 and page.header[0].value == found(4)


def test_a_run_is_compared_with_another(store):
    other = keep(store, document({"source": (6, 5, 4, 3), "bn": (0, 0, 0, 6)}), title="other")
    page = visit(adaptation=keep(store, title="this"), adapt_with=other)
    names = [trace["name"] for trace in charts(page)[0]["data"] if trace["mode"] == "lines"]
    assert names[2:] == ["compared: Model as it is: 37.5 %", "compared: BN-1 (batch statistics): 12.5 %"]
    options = [option.split(" (")[0] for option in page.selectbox(key="adapt_with").options]
    assert options == [words("runs.with_none"), "other"] and page.header[0].value == found(4), "not with itself"
    healthy(page.selectbox(key="adapt_with").set_value("").run())
    assert len(charts(page)[0]["data"]) == 4


def test_a_run_is_chosen_from_the_list_by_what_it_is_called(store):
    id = keep(store, title="toybox: gaussian_noise at severity 5")
    page = visit()
    assert words("adapt.kept", n=1) in [e.label for e in page.expander]
    (option,) = page.selectbox(key="adapt_reopen").options
    assert option.startswith("toybox: gaussian_noise at severity 5 (20"), "an option is no Markdown: no backslashes"
    healthy(page.selectbox(key="adapt_reopen").set_value(id).run())
    assert page.header[0].value == found(4) and page.query_params["adaptation"] in (id, [id])


def test_nothing_kept_yet_says_how_to_begin():
    page = visit()
    says = f"{words('adapt.example')} {words('adapt.example_yours')}"
    assert [i.value for i in page.info] == [says] and not page.button(key="adapt_start").disabled


@pytest.mark.parametrize("id", ["0123456789abcdef", "../../etc", "bench"])
def test_a_run_that_is_not_here_gets_a_sentence(store, id):
    kept = keep(store, {"accuracy": 1.0}, kind="bench", pictures=False)
    page = visit(adaptation=kept if id == "bench" else id)
    assert [i.value for i in page.info] == [words("adapt.gone")] and not page.button(key="adapt_start").disabled


def test_a_store_that_cannot_be_reached_gets_a_sentence(store, tmp_path, monkeypatch):
    (tmp_path / "text.sqlite").write_text("this is no database, only text that goes on for a while" * 50)
    monkeypatch.setenv("BLOCKSCOPE_RUNS", f"sqlite:///{tmp_path}/text.sqlite")
    for query in ({}, {"adaptation": "0123456789abcdef"}):
        page = visit(**query)
        assert len(page.error) == 1 and "text.sqlite" in page.error[0].value and not page.button(key="adapt_start").disabled


@pytest.mark.parametrize("change", [{"methods": ["sauce"]}, {"mood": "new"}])
def test_a_run_of_another_version_gets_a_sentence(store, change):
    made = document()
    made["plan"] |= change
    strange, id = keep(store, made, title="strange"), keep(store)
    assert next(iter(change.get("methods", change))) in visit(adaptation=strange).error[0].value
    page = visit(adaptation=id, adapt_with=strange)
    assert page.header[0].value == found(4) and len(page.error) == 1


# The form


def test_the_plan_has_what_was_chosen_and_the_link_says_it_again(far):
    page = visit()
    assert far.prepared[-1].methods == METHODS and far.prepared[-1].corruptions == DEFAULT and far.prepared[-1].limit == 500
    page.pills(key="adapt_corruptions").set_value(["snow", "clean"])
    page.pills(key="adapt_methods").set_value(["lame", "bn"])
    page.select_slider(key="adapt_severity").set_value(3)
    page.selectbox(key="adapt_setting").set_value("correlated")
    page.select_slider(key="adapt_pictures").set_value(100)
    page.select_slider(key="adapt_batch").set_value(20)
    page.selectbox(key="adapt_unknown").set_value("letters")
    page.select_slider(key="adapt_share").set_value(20)
    page.segmented_control(key="adapt_guard").set_value("good")
    page.number_input(key="adapt_seed").set_value(7)
    page.segmented_control(key="adapt_reselect").set_value(1)
    healthy(page.run())
    chosen = {"severity": 3, "setting": "correlated", "limit": 100, "batch_size": 20, "unknown": "toybox:letters", "share": 0.2, "guard": "good", "seed": 7}
    plan = Plan("toybox", ("bn", "lame"), ("clean", "snow"), "toybox:test", "toybox:train", reselect=True, **chosen)
    assert far.prepared[-1] == plan
    assert any("--methods bn,lame" in c.value and "--ood-share 0.2" in c.value for c in page.code)
    link = {key: value[0] if isinstance(value, list) else value for key, value in page.query_params.items()}
    assert {key for key in link if key.startswith("adapt_")} == {
        f"adapt_{key}" for key in "corruptions methods severity setting pictures batch unknown share guard seed reselect".split()
    }
    far.prepared.clear()
    visit("ko", **{key: value for key, value in link.items() if key != "lang"})
    assert far.prepared == [plan]
    page.button(key="adapt_start").click().run()
    assert far.started == [plan] and page.query_params["adaptation"] in ("live", ["live"])


def test_of_more_than_four_methods_the_others_are_named(far):
    page = visit(adapt_methods="source,bn,tent,eata,sar,lame")
    assert words("adapt.methods_most", n=4, names="SAR, LAME") in text(page) and far.prepared[-1].methods == ("source", "bn", "tent", "eata")


def test_of_more_than_six_corruptions_six_are_shown(far):
    chosen = ("gaussian_noise", "defocus_blur", "snow", "fog", "brightness", "contrast", "pixelate")
    page = visit(adapt_corruptions=",".join(chosen))
    assert words("adapt.preview_most", n=6, more=1) in text(page) and far.prepared[-1].corruptions == chosen


@pytest.mark.parametrize(("key", "sentence"), [("adapt_corruptions", "adapt.too_few_corruptions"), ("adapt_methods", "adapt.too_few_methods")])
def test_without_a_corruption_or_a_method_nothing_starts(far, key, sentence):
    page = visit(**{key: ""})
    assert words(sentence) in text(page) and page.button(key="adapt_start").disabled and not far.prepared


def test_a_link_of_nonsense_is_the_form_as_it_is(far):
    visit(adapt_severity=9, adapt_setting="sideways", adapt_methods="sauce", adapt_batch="x", adapt_share=-1, adapt_seed=1e9, adapt_guard="sleep")
    assert far.prepared == [Plan("toybox", METHODS, DEFAULT, "toybox:test", "toybox:train", unknown=far.prepared[0].unknown)]


@pytest.mark.skipif("cifar10" not in list_packs(), reason="no pack named cifar10")
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_model_whose_pictures_are_not_here_gets_a_sentence(far, language):
    assert "BLOCKSCOPE_DATA" not in os.environ
    page = visit(language, pack="cifar10")
    assert words("adapt.no_pictures", language) in [i.value for i in page.info]
    assert page.button(key="adapt_start").disabled and not far.prepared and not page.pills


# A run that goes on


def progress(page):
    return [bar.proto.text for bar in page.get("progress")]


def test_a_run_that_goes_on_is_drawn_and_obeys(far):
    far.runs["live"] = seen("running", wrong={"source": (6, 5, 4), "bn": (2, 1)})
    page = visit(adaptation="live")
    assert page.header[0].value == found(2), "as far as all have come"
    assert progress(page) == [words("adapt.at_batch", method=name(m), done=n, batches=4) for m, n in (("source", 3), ("bn", 2))]
    assert page.button(key="adapt_start").disabled and words("adapt.busy") in text(page) and page.button(key="adapt_hold").label == words("adapt.pause")
    assert "adapt_reopen" not in {box.key for box in page.selectbox}
    for key in ("hold", "step", "cancel"):
        healthy(page.button(key=f"adapt_{key}").click().run())
    assert far.controlled == [("live", "pause"), ("live", "step"), ("live", "cancel")] and not far.started


def test_a_paused_run_goes_on(far):
    far.runs["live"] = seen("paused")
    page = visit(adaptation="live")
    assert page.button(key="adapt_hold").label == words("adapt.go_on") and not page.button(key="adapt_step").disabled
    healthy(page.button(key="adapt_hold").click().run())
    assert far.controlled == [("live", "go_on")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_run_that_waits_or_reads_says_so(far, language):
    none = {"source": (), "bn": ()}
    far.runs["live"] = seen("waiting", wrong=none, batches=None, ahead=3)
    page = visit(language, adaptation="live")
    assert progress(page) == [words("adapt.waiting", language, n=3)] and not page.header
    assert [page.button(key=f"adapt_{what}").disabled for what in ("hold", "step", "cancel")] == [True, True, False]
    far.runs["live"] = seen("reading", wrong=none, batches=None, done=5, total=20)
    assert progress(healthy(page.run())) == [words("adapt.reading", language)] and page.get("progress")[0].proto.value == 25


def test_a_method_that_is_set_up_says_so_while_others_go_on(far):
    far.runs["live"] = seen("running", wrong={"source": (6,), "bn": ()}, lanes={"bn": ("setting up", None)})
    page = visit(adaptation="live")
    assert progress(page)[1] == words("adapt.setting_up", method=name("bn"))
    assert words("adapt.eye_waits", method=name("bn")) in text(page), "the last method is the one that is looked at first"


def test_a_run_whose_server_process_has_died_gets_a_sentence(far):
    far.runs["live"] = seen("running")
    page = visit(adaptation="live")
    far.runs.clear()
    assert [i.value for i in healthy(page.run()).info] == [words("adapt.gone")] and not page.header


def test_a_cancel_is_asked_for_once(far):
    far.runs["live"] = seen("running", stopping=True)
    assert visit(adaptation="live").button(key="adapt_cancel").disabled


@pytest.mark.parametrize("state", ["running", "done"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_method_that_failed_is_told_beside_the_others(far, state, language):
    far.runs["live"] = seen(state, wrong={"source": (6, 5), "bn": ()}, lanes={"bn": ("failed", FAILED)})
    page = visit(language, adaptation="live")
    sentence = str(FAILED) if language == "en" else words("error.adaptation.batch_norm", language, method="BN")
    assert [e.value for e in page.error] == [f"**{name('bn', language)}**: {sentence}"]
    assert "45.8" in page.header[0].value


@pytest.mark.parametrize(("back", "then"), [(None, "adapt.went_on"), ("good", "adapt.went_back_good"), ("source", "adapt.went_back_source")])
def test_a_collapse_is_told_where_it_began(far, back, then):
    alarm = {"alarm": True, "raised": ["diversity", "entropy"], "went_back": back}
    far.runs["live"] = seen("running", document_of=document(bn={"batch_2": alarm, "batch_4": alarm | {"raised": ["drift"]}}))
    page = visit(adaptation="live")
    signs = "it answers few classes, it is sure of everything"
    assert [w.value for w in page.warning] == [words("adapt.alarm", method=name("bn"), batch=2, signs=signs, n=2, then=words(then))]
    crosses = [trace for chart in charts(page) for trace in chart["data"] if trace["name"] == f"{name('bn')}: alarm"]
    assert len(crosses) == 2 and all(cross["x"] == [2, 4] for cross in crosses)


@pytest.mark.parametrize("state", ["running", "done"])
def test_answers_that_are_no_numbers_are_an_alarm_and_leave_gaps(far, state):
    nothing = {"alarm": True, "entropy": None, "confidence": None, "classes": 1.0, "drift": dict.fromkeys(BLOCKS), "features": dict.fromkeys(BLOCKS)}
    far.runs["live"] = seen(state, document_of=document(state=state, bn={f"batch_{k}": nothing for k in (3, 4)}))
    page = visit(adaptation="live")
    assert words("adapt.sign_broken") in page.warning[0].value and page.header[0].value == found(4)
    assert words("adapt.entropy_found", method=name("source"), entropy="0.20") in [h.value for h in page.subheader]
    (entropy,) = (chart["data"] for chart in charts(page) if chart["layout"]["yaxis"]["title"]["text"] == words("adapt.entropy_axis"))
    assert [trace["x"] for trace in entropy if trace["name"] == name("bn")] == [[1, 2]]
    far.runs["live"] = seen(state, document_of=document({"bn": WRONG["bn"]}, state=state, bn={f"batch_{k}": nothing for k in range(1, 5)}), wrong={"bn": ()})
    healthy(page.run())


# A run that has ended


def test_a_run_that_has_ended_is_known_by_its_id_in_the_store(far, store):
    id = keep(store)
    far.runs["live"] = seen("done", stored=id)
    page = visit(adaptation="live")
    assert page.header[0].value == found(4) and page.query_params["adaptation"] in (id, [id])
    far.runs.clear()  # the server has gone
    page = visit(adaptation=id)
    assert page.header[0].value == found(4) and words("adapt.own_gone") in text(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_how_a_run_ended_is_told(far, language):
    none = {"source": (), "bn": ()}
    error = InputError("There is no set.", key="source.missing", source="no_such", spec="data:no_such", name="no_such", file="no_such")
    far.runs["live"] = seen("failed", wrong=none, error=error)
    page = visit(language, adaptation="live")
    assert len(page.error) == 1 and not page.header and not page.button(key="adapt_start").disabled
    far.runs["live"] = seen("failed", wrong=none)
    assert [e.value for e in healthy(page.run()).error] == [words("adapt.failed", language)]
    far.runs["live"] = seen("cancelled")
    assert words("adapt.cancelled", language) in [i.value for i in healthy(page.run()).info] and page.header[0].value == found(4, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_run_whose_server_died_shows_what_there_is_and_starts_again(far, store, language):
    id = keep(store, document({"source": (6, 6), "bn": (3,)}, state="interrupted"))
    page = visit(language, adaptation=id)
    assert [w.value for w in page.warning] == [words("adapt.interrupted", language, done=2, batches=4)] and page.header
    assert words("adapt.cut", language) in page.selectbox(key="adapt_reopen").options[0]
    page.button(key="adapt_again").click().run()
    assert far.started == [PLAN]


def test_a_run_that_could_not_be_kept_is_drawn_all_the_same(far, offered):
    far.runs["live"] = seen("done", unstored=InputError("The disk is full."))
    page = visit(adaptation="live")
    assert [w.value for w in page.warning] == [words("adapt.unstored", reason="The disk is full.")]
    assert page.header[0].value == found(4) and {"adaptation-live.csv", "adaptation-live.json"} <= offered.keys()


def test_the_blocks_that_are_tuned_alone_are_told(far):
    made = document()
    choice = {"blocks": ["a", "b", "c"], "similarity": [1.0, 0.5, 0.9], "scaled": [1.0, 0.0, 0.8], "selected": ["a", "c"], "threshold": 0.75, "pictures": 1000}
    made["methods"]["bn"]["selection"] = choice
    far.runs["live"] = seen("done", document_of=made)
    page = visit(adaptation="live")
    assert words("adapt.selection_found", n=2, of=3, names="a, c") in [e.label for e in page.expander] and "1,000" in text(page)


def test_a_picture_is_judged_before_and_after(far):
    far.runs["live"] = seen("done")
    measured = compute.pack("toybox")
    image = stack([measured.preprocessing.see(open_source("toybox:test")[2].open(near=measured.preprocessing.size))])
    activations = measured.probe(image)
    (verdict,) = measured.judge.judge(activations, measured.classes)
    other = next(c for c in measured.classes if c != verdict.class_name)
    judged = SimpleNamespace(verdict="OOD", p_value=0.031)
    far.says = {"source": [Judged(verdict.class_name, 0.7, verdict)], "bn": [Judged(other, 0.625, judged)]}
    page = visit(adaptation="live", picture="toybox:test/2")
    (table,) = (d.value for d in page.dataframe if len(d.value.columns) == 5 and d.value.iloc[0, 0] == words("adapt.own_source"))
    assert table.iloc[:, 1].tolist() == [words(f"class.{c}") for c in (verdict.class_name, verdict.class_name, other)]
    assert table.iloc[:, 2].tolist() == pytest.approx([100 * verdict.confidence, 70, 62.5])
    assert table.iloc[2, 3] == words("word.OOD") and table.iloc[2, 4] == pytest.approx(3.1)
    assert words("adapt.own_changed", methods=name("bn")) in text(page)
    ((run, images, domain),) = far.asked
    assert (run, domain) == ("live", "fog") and (images == image.permute(0, 2, 3, 1).numpy()).all()
    far.says = {"bn": [Judged(verdict.class_name, 0.625, judged)]}
    healthy(page.segmented_control(key="adapt_domain").set_value("clean").run())
    assert far.asked[-1][2] == "clean" and any(m.value == f"**{words('adapt.own_same', answer=words(f'class.{verdict.class_name}'))}**" for m in page.markdown)


def test_networks_of_another_model_are_not_asked(far):
    far.runs["live"] = seen("done", plan=replace(PLAN, pack="toybox-mixup"))
    page = visit(adaptation="live")
    assert words("adapt.own_gone") in text(page) and not far.asked


def test_where_nothing_can_begin_nothing_says_that_it_does(monkeypatch, tmp_path):
    monkeypatch.setenv("BLOCKSCOPE_DATA", str(tmp_path))
    page = visit(pack="cifar10")
    assert words("adapt.no_pictures") in [i.value for i in (*page.info, *page.warning)]
    assert words("adapt.example") in [i.value for i in page.info] and page.button(key="adapt_start").disabled
