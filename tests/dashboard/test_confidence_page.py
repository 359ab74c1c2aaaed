"""Tests of the page of confidence, run without a browser: what it says is what NumPy, SciPy and scikit-learn make of the pack's numbers."""

import base64
import contextlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import tomlkit
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import roc_curve

import core.packs
from core.images.preprocess import stack
from core.images.sources import open_source
from core.packs import list_packs
from dashboard.charts.confidence import AXES, FORMS, confidence_at, in_percent
from dashboard.compute import Confidence
from dashboard.language import LANGUAGES, catalogue
from tests.dashboard.pages import choices_are_kept, healthy, open_page

PICTURE = "toybox:test/3"
DEFAULTS = {"ood": "near", "form": "histogram", "axis": "nines", "level": 90.0, "length": "kept", "least": 90.0}
CHOICES = {"ood": "noise", "form": "ridge", "axis": "percent", "level": 99.9, "length": "paper", "least": 99.99}
TENTHS = st.integers(0, 10).map(lambda n: n / 10)

pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs; make packs builds it")


@pytest.fixture
def changed(pack, tmp_path, monkeypatch):
    """Return a function that puts a changed toybox beside the shipped packs, under a name of its own."""

    def make(name, *, sets=None, **changes):
        facts = {**pack.facts, "sets": pack.facts["sets"] if sets is None else sets}
        (tmp_path / name).mkdir()
        (tmp_path / name / "pack.toml").write_text(tomlkit.dumps(facts), "utf-8")
        made = replace(pack, name=name, facts=facts, reference=replace(pack.reference, **changes))
        monkeypatch.setenv("BLOCKSCOPE_PACKS", str(tmp_path))
        monkeypatch.setattr(core.packs, "load_pack", lambda _: made)
        return made

    return make


def visit(language="en", **query):
    """Open the page by a link and let it run."""
    return open_page("confidence", language, **{"pack": "toybox", "picture": PICTURE, **query})


def widget(page, key):
    kind = {"ood": "selectbox", "level": "select_slider", "least": "select_slider"}.get(key, "segmented_control")
    return getattr(page, kind)(key=key)


def controls(page):
    return {key: widget(page, key).value for key in DEFAULTS}


def headings(page):
    return [heading.value for heading in page.header]


def tables(page):
    """Return the data of the first chart, the counts at the threshold, the data of the sweep and the table of all sets."""
    return [element.value for element in page.dataframe]


def drawn(page):
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def decoded(values):
    """Return numbers as Plotly sends them: a list, or bytes in base64."""
    return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]) if isinstance(values, dict) else np.array(values)


def content(page):
    return headings(page), [caption.value for caption in page.caption], [data.to_csv() for data in tables(page)], drawn(page)


def percent(share):
    return f"{100 * share:.1f}"


def logits(pack, measured, *, raw=False):
    """Return {pass: (N, classes)}: a picture's own logits, those with the selected norm, and its own divided to be as short as with the norm."""
    weight, bias = (tensor.double().numpy() for tensor in pack.reference.head)
    k = pack.selection.blocks.index(pack.selection.selected)

    def lengths(of):
        return np.linalg.norm(of.features.double().numpy(), axis=1), of.norms.double().numpy()[:, k]

    length, norm = lengths(measured)
    ratio = np.divide(*(each.mean() for each in lengths(pack.reference.held_out)))
    features = measured.features.double().numpy() * ((1 if raw else ratio) * norm / length)[:, None]
    own = measured.logits.double().numpy()
    return {"before": own, "after": features @ weight.T + bias, "cooled": own / ratio}


def confidences(pack, *, raw=False):
    """Return {pass: {set: (N,) confidences}}."""
    sets = {"known": pack.reference.held_out, **pack.reference.unknown}
    found = {name: logits(pack, measured, raw=raw) for name, measured in sets.items()}
    return {kind: {name: softmax(found[name][kind], axis=1).max(1) for name in found} for kind in ("before", "after", "cooled")}


def right(pack, kind, *, raw=False):
    return logits(pack, pack.reference.held_out, raw=raw)[kind].argmax(1) == pack.reference.held_out_labels.numpy()


def fpr95(known, unknown):
    """Read FPR@95TPR off the curve of scikit-learn, where the recall is nearest to 95 %."""
    false, true, _ = roc_curve(np.arange(len(known) + len(unknown)) < len(known), np.concatenate([known, unknown]), drop_intermediate=False)
    return false[np.abs(true - 0.95).round(9).argmin()]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_findings_are_those_of_the_packs_numbers(language, pack):
    page, words = visit(language, level=95), catalogue(language)
    found = confidences(pack)
    sure = {kind: {name: percent((values >= 0.95).mean()) for name, values in sets.items()} for kind, sets in found.items()}
    name = {name: words[f"blocks.set_{name}"] for name in ("known", "jigsaw", "near")}
    before, after = (percent(right(pack, kind).mean()) for kind in ("before", "after"))
    accuracy = words["confidence.accuracy"].format(accuracy=before, n=len(pack.reference.held_out))
    accuracy += " " + words["confidence.accuracy_after"].format(accuracy=after)
    finding = words["confidence.found_after"].format(name=name["near"], level="95", share=sure["before"]["near"], after=sure["after"]["near"])
    said = [element.value for element in page.main if element.type in ("title", "markdown", "header")]
    assert said[:3] == [words["confidence.title"], accuracy, finding], "the ID accuracy comes first"
    assert all(f"{name[n]} {sure[kind][n]}" in said[3] for n in ("known", "jigsaw") for kind in ("before", "after"))
    above = {f"{rate}_{kind}": percent((found[kind][of] > 0.9).mean()) for kind in ("before", "after") for rate, of in (("tpr", "known"), ("fpr", "near"))}
    assert headings(page)[1] == words["confidence.sweep_unknown_after"].format(threshold="90", name=name["near"], **above)


@pytest.mark.parametrize("query", [{}, {"length": "paper", "ood": "letters", "level": 99.9}], ids=str)
def test_the_code_on_the_page_prints_the_numbers_of_the_finding(query):
    page, said = visit(**query), io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(page.code[0].value, {})
    before, after = map(float, said.getvalue().split())
    assert headings(page)[0].startswith(f"{before:.1f}") and f" {after:.1f}" in headings(page)[0]


@pytest.mark.parametrize("form", FORMS)
def test_the_spread_of_confidence_is_that_of_the_packs_numbers(form, pack):
    page, found = visit(form=form, length="paper", ood="letters", level=80), confidences(pack, raw=True)
    names = list(found["before"]) if form == "ridge" else ["known", "jigsaw", "letters"]
    spread = [found[kind][name] for kind in ("before", "after") for name in names]
    for values, (*_, count, low, middle, high, sure) in zip(spread, tables(page)[0].values, strict=True):
        assert (count, sure) == (len(values), float(percent((values >= 0.8).mean())))
        assert [low, middle, high] == pytest.approx(100 * np.quantile(values, [0.25, 0.5, 0.75]), abs=1e-5)
    layout = drawn(page)[0]["layout"]
    title = {"histogram": "word.share", "ecdf": "confidence.cumulative"}.get(form)
    assert layout["yaxis"].get("title", {}).get("text") == (title and catalogue("en")[title])


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("form", FORMS)
def test_both_charts_use_the_axis_that_is_asked_for(form, axis):
    for chart in drawn(visit(form=form, axis=axis)):
        assert (chart["layout"]["xaxis"]["range"] == [0, 102]) == (axis == "percent")
        assert ("99.9" in chart["layout"]["xaxis"].get("ticktext", [])) == (axis == "nines")


@pytest.mark.parametrize("axis", AXES)
def test_the_curves_are_the_shares_above_each_threshold(axis, pack):
    chart, found = drawn(visit(axis=axis, ood="letters"))[1], confidences(pack)
    names = {"known": catalogue("en")["confidence.tpr"], "letters": catalogue("en")["confidence.fpr"].format(name="◆ letters")}
    for name, title in names.items():
        curves = [trace for trace in chart["data"] if trace.get("name") == title]
        for kind, curve in zip(("before", "after"), curves, strict=True):
            thresholds = confidence_at(decoded(curve["x"]), axis)[:, None]
            assert decoded(curve["y"]) == pytest.approx(100 * (found[kind][name] > thresholds).mean(1), abs=0.1)


def test_each_choice_changes_the_page_and_their_link_brings_them_back():
    choices_are_kept(visit, content, widget, DEFAULTS, CHOICES)


def test_a_link_means_the_same_in_every_language():
    assert controls(visit("ko", **CHOICES)) == controls(visit("en", **CHOICES)) == CHOICES


def test_a_link_with_nonsense_opens_the_defaults():
    assert controls(visit(ood="jigsaw", form="pie", axis="log", level="nan", length="long", least="90.5")) == DEFAULTS


@pytest.mark.parametrize("length", ["kept", "paper"])
def test_the_threshold_counts_what_lies_above_it(length, pack):
    page, found = visit(length=length, ood="letters"), confidences(pack, raw=length == "paper")
    first = headings(page)[0]
    for least in (0.0, 50.0, 95.0):
        healthy(widget(page, "least").set_value(least).run())
        counts, swept = tables(page)[1:3]
        assert headings(page)[0] == first and f"{least:g}" in headings(page)[1]
        for column, kind in enumerate(("before", "after"), 1):
            above = {name: values > least / 100 for name, values in found[kind].items()}
            known, letters, puzzles = (above[name] for name in ("known", "letters", "jigsaw"))
            correct = right(pack, kind, raw=length == "paper")[known]
            parts = [known, correct, letters, puzzles, np.append(known, letters)]
            assert counts.iloc[:, column].tolist() == [f"{p.sum():,} / {len(p):,} = {percent(p.mean())} %" for p in parts]
            row = swept[swept.iloc[:, 1] == least].iloc[column - 1, 2:].tolist()
            assert row == pytest.approx([100 * p.mean() for p in (known, letters, correct, parts[-1])], abs=0.006)


def test_where_no_known_picture_is_accepted_none_is_right(pack, changed):
    changed("toybox_unsure", head=tuple(0 * tensor for tensor in pack.reference.head))
    counts, swept = tables(visit(pack="toybox_unsure"))[1:3]
    assert counts.iloc[:3, 2].tolist() == [f"0 / {len(pack.reference.held_out):,} = 0.0 %", "–", "0 / 300 = 0.0 %"]
    assert np.isnan(swept.iloc[-1, 4])


@pytest.mark.parametrize("length", ["kept", "paper"])
def test_the_table_of_all_sets_agrees_with_scikit_learn(length, pack):
    page, found = visit(length=length, level=80), confidences(pack, raw=length == "paper")
    shown, unknown = tables(page)[3], list(pack.reference.unknown)
    false = {kind: 100 * np.array([fpr95(sets["known"], sets[name]) for name in unknown]) for kind, sets in found.items()}
    passes = ("before", "after", "cooled") if length == "paper" else ("before", "after")
    words = catalogue("en")
    for kind in passes:
        column = shown[words[f"word.fpr_{kind}"]].astype(float)
        assert np.isnan(column[0]) and column[1:].tolist() == pytest.approx(false[kind], abs=0.051)
    for kind in ("before", "after"):
        assert shown[words[f"word.sure_{kind}"]].tolist() == pytest.approx([100 * (v >= 0.8).mean() for v in found[kind].values()], abs=0.051)
        assert shown[words[f"word.median_{kind}"]].tolist() == pytest.approx([100 * np.median(v) for v in found[kind].values()], abs=1e-5)
    assert (words["word.fpr_cooled"] in shown) == (length == "paper")
    gained = false["before"] - false["after"]
    counts = {"better": (gained >= 1).sum(), "worse": (gained <= -1).sum(), "same": (abs(gained) < 1).sum()}
    assert headings(page)[2] == words["confidence.sets_after"].format(**counts, n=len(unknown), margin="1")
    if length == "paper":
        fewer, beyond = (false["before"] - false["cooled"] >= 1).sum(), (false["cooled"] - false["after"] >= 1).sum()
        k, reference = pack.selection.blocks.index(pack.selection.selected), pack.reference.held_out
        ratio = f"{reference.features.norm(dim=1).mean() / reference.norms[:, k].mean():.2f}"
        sentence = words["confidence.sets_cooled"].format(ratio=ratio, fewer=fewer, beyond=beyond, n=len(unknown), margin="1")
        assert any(sentence in markdown.value for markdown in page.markdown)


@pytest.mark.parametrize("length", ["kept", "paper"])
def test_single_pictures_are_told_before_and_after(length, pack):
    page, words = visit(pinned="toybox:noise/0", length=length), catalogue("en")
    for spec, index, name in (("toybox:test", 3, words["class.fish"]), ("toybox:noise", 0, words["picker.noise"])):
        measured = pack.probe(stack([pack.preprocessing.see(open_source(spec)[index].open())]))
        found = {kind: z[0] for kind, z in logits(pack, measured, raw=length == "paper").items()}
        told = {kind: {"share": in_percent(softmax(z).max()), "says": words[f"class.{pack.classes[z.argmax()]}"]} for kind, z in found.items()}
        sentence = words["confidence.picture"].format(name=name, **told["before"]) + " " + words["confidence.picture_after"].format(**told["after"])
        assert sentence in [markdown.value for markdown in page.markdown]


def test_a_picture_that_is_not_there_gets_a_sentence():
    page = visit(picture="toybox:nowhere/1")
    assert len(page.error) == 1
    assert len(headings(page)) == 3


@pytest.mark.parametrize("form", FORMS)
def test_every_picture_and_chart_has_a_text(form):
    page = visit(form=form, pinned="toybox:noise/0")
    elements = [*page.get("plotly_chart"), *page.dataframe]
    alts = [element.proto.alt for element in elements] + [image.alt for element in page.image for image in element.proto.imgs]
    assert len(alts) == 8
    assert all(alts)
    assert not [alt for alt in alts if "*" in alt]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_network_without_a_linear_head_has_no_after(language, changed):
    pack, words = changed("toybox_headless", head=None), catalogue(language)
    page, known = visit(language, pack="toybox_headless"), pack.reference.held_out
    found = {name: softmax(a.logits.double().numpy(), axis=1).max(1) for name, a in {"known": known, **pack.reference.unknown}.items()}
    assert [info.value for info in page.info] == [words["confidence.no_head"]]
    spread, swept, everything = headings(page)
    name, share = words["blocks.set_near"], percent((found["near"] >= 0.9).mean())
    assert spread == words["confidence.found"].format(name=name, level="90", share=share)
    accepted = {"tpr_before": percent((found["known"] > 0.9).mean()), "fpr_before": percent((found["near"] > 0.9).mean())}
    assert swept == words["confidence.sweep_unknown"].format(threshold="90", name=name, **accepted)
    false = [fpr95(found["known"], found[n]) for n in pack.reference.unknown]
    assert everything == words["confidence.sets_before"].format(lowest=percent(min(false)), highest=percent(max(false)))
    assert not {words[f"word.{n}_after"] for n in ("fpr", "sure", "median")} & set(tables(page)[3]) and not page.code
    assert tables(page)[1].shape[1] == 2 and len(tables(page)[0]) == 3
    for form in FORMS:
        healthy(widget(page, "form").set_value(form).run())


def test_a_pack_that_names_no_classes_has_no_accuracy(pack, changed):
    changed("toybox_unlabelled", held_out_labels=torch.full_like(pack.reference.held_out_labels, -1))
    page = visit(pack="toybox_unlabelled")
    assert page.markdown[0].value == catalogue("en")["confidence.accuracy_none"]
    assert tables(page)[1].iloc[1, 1:].tolist() == ["–", "–"]


@pytest.mark.parametrize("sets", [[], ["jigsaw"]], ids=["none", "jigsaw"])
@pytest.mark.parametrize("form", ["histogram", "ridge"])
def test_a_pack_without_unknown_pictures_shows_what_it_has(form, sets, pack, changed):
    name = f"toybox_{len(sets)}"
    changed(name, sets=sets, unknown={n: pack.reference.unknown[n] for n in sets})
    page, words = visit(pack=name, form=form), catalogue("en")
    assert not [box for box in page.selectbox if box.key == "ood"]
    assert words[f"blocks.set_{'jigsaw' if sets else 'known'}"] in headings(page)[0]
    assert (headings(page)[2] == words["confidence.sets_none"]) != bool(sets)
    assert len(tables(page)[3]) == 1 + len(sets)


@given(st.lists(st.tuples(TENTHS, st.sampled_from([0.0, 1.0, np.nan])), min_size=1), st.lists(TENTHS, min_size=1))
def test_accepted_shares_and_their_accuracy_are_counted(pictures, thresholds):
    values, correct = np.array(pictures).T
    data = Confidence({"before": {"known": values}}, {"before": correct}, "late", 1.0, 1.0, 1.0, {})
    shares, accuracies = data.accepted("before", "known", thresholds), data.accuracy("before", thresholds)
    for threshold, share, accuracy in zip(thresholds, shares, accuracies, strict=True):
        judged = correct[(values > threshold) & ~np.isnan(correct)]
        assert share == pytest.approx((values > threshold).mean())
        assert accuracy == pytest.approx(judged.mean() if len(judged) else np.nan, nan_ok=True)
        assert data.accuracy("before", threshold) == pytest.approx(accuracy, nan_ok=True)
