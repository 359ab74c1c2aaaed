"""Tests of the page of detectors, run without a browser: what it says is what core says, and its controls do what they say."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core.detectors import DETECTORS
from core.evaluation import evaluate, figures
from core.images.preprocess import stack
from core.images.sources import open_source
from core.metrics import CONVENTIONS, intervals
from core.packs import list_packs
from core.packs.pack import save
from core.verdict import Judge
from dashboard import compute
from dashboard.charts.detector import bin_edges
from dashboard.language import LANGUAGES, catalogue
from tests.dashboard.pages import healthy, open_page

COMPARED = ("consensus", "featurenorm", "msp", "energy")
METRICS = ("auroc", "fpr95", "aupr_in", "aupr_out")

pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs; make packs builds it")


@pytest.fixture(scope="module")
def judge(pack):
    return Judge(pack.reference, tuple(DETECTORS))


@pytest.fixture(scope="module")
def evaluation(pack, judge):
    return evaluate(judge, pack.reference.unknown, by_permutation=pack.selection.by_permutation)


@pytest.fixture(scope="module", params=LANGUAGES)
def opened(request):
    """Return (language, the page before anything is chosen); read only."""
    return request.param, visit(request.param)


@pytest.fixture(scope="module")
def default():
    """Return all that the page says before anything is chosen."""
    return seen(visit())


@pytest.fixture
def small_pack(pack, monkeypatch, tmp_path):
    """Return a function that makes a pack of the shipped one's network and a part of its reference, changed. Returns: its name."""
    monkeypatch.setenv("BLOCKSCOPE_PACKS", str(tmp_path))
    of, facts = pack.reference, {k: v for k, v in pack.facts.items() if k not in ("preprocessing", "selection", "files")}
    few = {"bank": of.bank[:500], "bank_labels": of.bank_labels[:500], "held_out": of.held_out[:200], "held_out_labels": of.held_out_labels[:200]}
    parts = {"network": pack.network, "preprocessing": pack.preprocessing, "selection": pack.selection}

    def make(name, *, two_passes=True, **unknown):
        keep = few if two_passes else {k: v if k.endswith("labels") else replace(v, perturbed=None) for k, v in few.items()}
        reference = replace(of, **keep, unknown=unknown, puzzles=None)
        save(tmp_path / name, facts={**facts, "sets": list(unknown)}, reference=reference, **parts)
        return name

    return make


def visit(language="en", **query):
    """Open the page by a link and let it run."""
    return open_page("detector", language, **{"pack": "toybox", **query})


def words(key, language="en", **values):
    return catalogue(language)[key].format(**values)


def headings(page):
    return [heading.value for heading in page.header]


def subheadings(page):
    return [heading.value for heading in page.subheader]


def captions(page):
    return [caption.value for caption in page.caption]


def keys(page, start):
    return [button.key for button in page.button if (button.key or "").startswith(start)]


def data(page, alt):
    """Return the first table of this alternative text; that below a chart ends with the chart's."""
    return next(d.value for d in page.dataframe if d.proto.alt.endswith(alt))


def seen(page):
    """Return all that the page says, in words and numbers."""
    kinds = ("header", "subheader", "markdown", "caption", "metric")
    return [e.value for e in page.main if e.type in kinds], [d.value.to_csv() for d in (*page.dataframe, *page.table)]


def line_at(known, keep):
    """Return the lowest score that is still called known where this percentage of known pictures is."""
    return np.sort(known)[round(len(known) * (100 - keep) / 100)]


def said_known(evaluation, detector, keep, of="near"):
    """Return who is called known: (N,) of the known pictures, (M,) of the unknown ones."""
    known = evaluation.known[detector]
    return known >= line_at(known, keep), evaluation.unknown[of][detector] >= line_at(known, keep)


def auroc(known, unknown):
    return 100 * roc_auc_score([1] * len(known) + [0] * len(unknown), np.concatenate([known, unknown]))


def best_of(evaluation, name, language="en"):
    """Return the finding on a set, by scikit-learn's AUROC."""
    found = {d: auroc(known, evaluation.unknown[name][d]) for d, known in evaluation.known.items()}
    best = max(found, key=found.get)
    titles = {"best": words(f"detector.{best}", language), "set": words(f"blocks.set_{name}", language)}
    return words("detect.found", language, **titles, auroc=f"{found[best]:.1f}", n=len(found))


def test_the_accuracy_comes_first(opened, pack):
    (language, page), reference = opened, pack.reference
    right = (reference.held_out.logits.argmax(1) == reference.held_out_labels).numpy()
    order = [e.value for e in page.main if e.type in ("title", "markdown", "caption", "header")]
    assert order[:2] == [words("detect.title", language), words("detect.accuracy", language, accuracy=f"{100 * right.mean():.1f}", n=len(right))]


def test_the_finding_names_the_best_detector(opened, evaluation):
    language, page = opened
    assert headings(page)[0] == best_of(evaluation, "near", language)


def test_every_set_has_its_finding(evaluation):
    page = visit()
    for name in evaluation.unknown:
        healthy(page.selectbox(key="ood").set_value(name).run())
        assert headings(page)[0] == best_of(evaluation, name)


def test_everything_drawn_has_words_for_those_who_do_not_see_it():
    page = visit(range="39", picture="toybox:near/0")
    drawn = [*page.get("plotly_chart"), *page.dataframe, *(image for element in page.image for image in element.proto.imgs)]
    assert len(page.get("plotly_chart")) == 6 and len(page.image) > 24
    assert not [element for element in drawn if not (element.alt if hasattr(element, "alt") else element.proto.alt).strip()]


CHOICES = {
    "ood": ("selectbox", "letters"),
    "detectors": ("pills", ["consensus", "knn"]),
    "focus": ("selectbox", "knn"),
    "convention": ("segmented_control", "ood_positive"),
    "metric": ("segmented_control", "fpr95"),
    "keep": ("slider", 80.0),
    "range": ("selectbox", 39),
}


def test_each_choice_changes_the_page_and_their_link_brings_them_back(default):
    page, defaults = visit(), {}
    for key, (kind, value) in CHOICES.items():
        before, defaults[key] = seen(page), getattr(page, kind)(key=key).value
        healthy(getattr(page, kind)(key=key).set_value(value).run())
        assert seen(page) != before, key
        assert page.query_params[key] == (",".join(value) if key == "detectors" else str(value))
    assert seen(visit(**page.query_params)) == seen(page)
    for key, (kind, _) in CHOICES.items():
        getattr(page, kind)(key=key).set_value(defaults[key])
    assert seen(healthy(page.run())) == default and not set(CHOICES) & set(page.query_params)


def test_a_link_means_the_same_in_every_language():
    link = {"ood": "letters", "focus": "energy", "convention": "odin_grid", "metric": "fpr95", "keep": "80.0", "range": "39", "detectors": "featurenorm,energy"}
    page = visit("ko", **link)
    assert [page.selectbox(key=key).value for key in ("ood", "focus", "range")] == ["letters", "energy", 39]
    assert [page.segmented_control(key=key).value for key in ("convention", "metric")] == ["odin_grid", "fpr95"]
    assert page.pills(key="detectors").value == ["featurenorm", "energy"] and page.slider(key="keep").value == 80
    assert {key: page.query_params[key] for key in link} == link


def test_a_link_with_nonsense_opens_the_defaults(default):
    nonsense = {"ood": "nowhere", "detectors": "oracle,,", "focus": "oracle", "convention": "mine", "metric": "speed", "keep": "95.3", "range": "-7"}
    page = visit(**nonsense)
    assert seen(page) == default
    assert not set(nonsense) & set(page.query_params)


def test_a_link_may_name_a_detector_twice_or_a_wrong_one_beside_a_right_one():
    page = visit(detectors="knn,oracle,knn,msp", focus="consensus")
    assert sorted(page.table[1].value.index) == sorted(words(f"detector.{d}") for d in ("knn", "msp"))
    assert page.selectbox(key="focus").value in ("knn", "msp")


def test_without_a_chosen_detector_the_default_is_shown():
    page = visit()
    healthy(page.pills(key="detectors").set_value([]).run())
    title = words("detector.consensus")
    assert words("detect.compared_empty", name=title) in captions(page) and words("detect.divided_needs") in captions(page)
    assert page.table[1].value.index.tolist() == [title]
    assert seen(visit(**page.query_params)) == seen(page)


def test_at_most_six_detectors_are_compared_and_the_link_says_the_same():
    page = visit()
    healthy(page.pills(key="detectors").set_value([*COMPARED, "vim", "knn", "maxlogit"]).run())
    assert words("detect.compared_most", n=6, names=words("detector.vim")) in captions(page)
    assert seen(visit(**page.query_params)) == seen(page)


def test_the_threshold_counts_as_numpy_does(evaluation):
    page = visit(focus="energy")
    for keep in (95.0, 80.0, 99.5, 0.5):
        healthy(page.slider(key="keep").set_value(keep).run())
        known, unknown = said_known(evaluation, "energy", keep)
        counts = [[known.sum(), (~known).sum()], [unknown.sum(), (~unknown).sum()]]
        shares = [[f"{c:,} ({100 * c / sum(row):.1f} %)" for c in row] for row in counts]
        assert [[cell.replace("\N{NO-BREAK SPACE}", " ") for cell in row] for row in page.table[0].value.to_numpy()] == shares
        assert str(unknown.sum()) in headings(page)[1]
        rows = page.table[1].value
        assert rows.index.tolist() == [words(f"detector.{d}") for d in COMPARED]
        for d, row in zip(COMPARED, rows.to_numpy().tolist(), strict=True):
            assert float(row[0]) == pytest.approx(line_at(evaluation.known[d], keep), rel=1e-4)
            assert row[1:] == [f"{100 * said.mean():.1f}" for said in said_known(evaluation, d, keep)]


def test_the_table_below_the_curves_says_what_the_threshold_says(evaluation):
    table = data(page := visit(), headings(page)[1])
    for share, *accepted in table.to_numpy().tolist():
        assert accepted == pytest.approx([100 * said_known(evaluation, d, share)[1].mean() for d in COMPARED], abs=0.006)


def test_mistakes_are_counted_and_those_nearest_to_the_line_come_first(evaluation):
    page = visit(keep="90")
    known, unknown = evaluation.known["consensus"], evaluation.unknown["near"]["consensus"]
    called, passed = said_known(evaluation, "consensus", 90)
    rejected = [r for r in np.argsort(-known, kind="stable") if not called[r]]
    wrong = [r for r in np.argsort(unknown, kind="stable") if passed[r]]
    assert subheadings(page)[:2] == [words("detect.mistake_rejected", n=len(rejected)), words("detect.mistake_passed", n=len(wrong))]
    assert keys(page, "rejected_") == [f"rejected_None_{r}" for r in rejected[:8]]
    assert keys(page, "passed_") == [f"passed_near_{r}" for r in wrong[:8]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_picture_is_judged_by_every_detector(language, pack, judge, evaluation):
    page = visit(language)
    assert words("detect.choose_one", language) in captions(page)
    row = int(keys(page, "passed_")[0].rpartition("_")[2])
    healthy(page.button(key=f"passed_near_{row}").click().run())
    assert page.query_params["picture"] == f"toybox:near/{row}"
    opinions = judge.judge(pack.reference.unknown["near"][[row]], pack.classes)[0].opinions
    shown = data(page, words("detect.detail_alt", language))
    assert shown.iloc[:, 0].tolist() == [words(f"detector.{d}", language) for d in opinions]
    assert shown.iloc[:, 1].tolist() == pytest.approx([o.score for o in opinions.values()], rel=1e-5)
    assert shown.iloc[:, 2].tolist() == pytest.approx([o.threshold for o in opinions.values()], rel=1e-5)
    assert shown.iloc[:, 3].tolist() == pytest.approx([100 * o.p_value for o in opinions.values()], abs=0.006)
    assert [words(f"word.{o.verdict}", language) in said for o, said in zip(opinions.values(), shown.iloc[:, 4], strict=True)] == [True] * len(opinions)
    says = sum(o.verdict == "ID" for o in opinions.values())
    name, kind = words("detect.row", language, row=row), words("blocks.set_near", language)
    assert words("detect.detail", language, name=name, kind=kind, says=says, n=len(opinions)) in subheadings(page)
    assert data(visit(language, picture=f"toybox:near/{row}"), words("detect.detail_alt", language)).equals(shown)


def test_a_known_picture_is_judged_by_the_others(evaluation):
    page = visit()
    row = int(keys(page, "rejected_")[0].rpartition("_")[2])
    healthy(page.button(key=f"rejected_None_{row}").click().run())
    assert page.query_params["picture"] == f"toybox:train/{row}"
    shown = data(page, words("detect.detail_alt"))
    assert shown.iloc[:, 1].tolist() == pytest.approx([scores[row] for scores in evaluation.known.values()], rel=1e-5)
    assert shown.iloc[:, 3].tolist() == pytest.approx([100 * (scores <= scores[row]).mean() for scores in evaluation.known.values()], abs=0.006)


@pytest.mark.parametrize(("of", "row"), [(None, 3), ("jigsaw", 5), ("near", 7), ("letters", 299)])
def test_the_picture_behind_a_row_is_the_one_that_was_measured(of, row, pack):
    measured = pack.reference.held_out if of is None else pack.reference.unknown[of]
    source = {None: "toybox:train", "jigsaw": "puzzle:0:toybox:train"}.get(of, f"toybox:{of}")
    page = visit(picture=f"{source}/{row}")
    assert len(data(page, words("detect.detail_alt"))) == len(DETECTORS)
    if of != "jigsaw":
        again = pack.probe(stack([pack.preprocessing.see(open_source(source)[row].open())]))
        assert again.norms[0].numpy() == pytest.approx(measured.norms[row].numpy(), rel=0.01)


@pytest.mark.parametrize("picture", ["toybox:test/3", "toybox:near/300", "toybox:near/99999999999", "toybox:near/²", "nonsense"])
def test_a_picture_that_was_not_measured_is_not_judged(picture):
    said = captions(visit(picture=picture))
    assert words("detect.choose_one") in said
    assert (words("detect.not_measured", name=words("class.fish")) in said) == (picture == "toybox:test/3"), "the only one that is a picture"


def test_a_range_of_scores_shows_its_pictures(evaluation):
    page = visit(focus="msp", ood="textures")
    known, unknown = evaluation.known["msp"], evaluation.unknown["textures"]["msp"]
    edges = bin_edges(known, unknown)
    counts = [np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0] for scores in (known, unknown)]
    filled = np.flatnonzero(counts[0] + counts[1])
    bars = next(d.value for d in page.dataframe if words("word.range_from") in d.value.columns)
    assert bars.iloc[:, 2:].to_numpy().T.tolist() == [count[filled].tolist() for count in counts]
    for k in (int(counts[1].argmax()), int(filled[0]), int(filled[-1])):
        healthy(page.selectbox(key="range").set_value(k).run())
        n, m = (count[k] for count in counts)
        inside = np.concatenate([scores[np.clip(np.digitize(scores, edges) - 1, 0, len(edges) - 2) == k] for scores in (known, unknown)])
        assert words("detect.bin", low=f"{edges[k]:.4g}", high=f"{edges[k + 1]:.4g}", known=n, unknown=m) in subheadings(page)
        assert (len(keys(page, "bin_None_")), len(keys(page, "bin_textures_"))) == (min(n, 16), min(m, 16))
        listed = data(page, words("detect.bin_table"))
        assert listed[words("word.truth")].tolist() == [words("word.ID")] * n + [words("word.OOD")] * m
        assert listed[words("word.score")].tolist() == pytest.approx(inside, rel=1e-5)
        assert listed[words("word.verdict")].str.contains(words("word.ID"), regex=False).tolist() == (inside >= line_at(known, 95)).tolist()
    row = keys(page, "bin_")[0]
    healthy(page.button(key=row).click().run())
    assert page.query_params["picture"].endswith(f"/{row.rpartition('_')[2]}") and page.query_params["range"] == str(k)
    healthy(page.selectbox(key="focus").set_value("energy").run())
    assert page.selectbox(key="range").value == -1 and "range" not in page.query_params, "another detector has other bars"


def test_detectors_disagree_about_as_many_pictures_as_numpy_counts(evaluation):
    page = visit(keep="85", ood="noise")
    votes = np.stack([np.concatenate(said_known(evaluation, d, 85, "noise")) for d in COMPARED]).sum(0)
    divided = np.count_nonzero((votes > 0) & (votes < len(COMPARED)))
    assert subheadings(page)[-1] == words("detect.divided", n=divided, all=len(votes), detectors=len(COMPARED))
    halves = min(8, np.count_nonzero(votes == 2))
    labels = [button.label for button in page.button if (button.key or "").startswith("divided_")]
    assert len(labels) == min(8, divided) and halves and all(label.endswith(": 2/4") for label in labels[:halves])
    table = data(page, words("detect.divided_caption"))
    assert len(table) == min(100, divided)
    called = {d: said_known(evaluation, d, 85, "noise")[1] for d in COMPARED}
    for picture, truth, *verdicts in table.to_numpy().tolist():
        known = [words("word.ID") in verdict for verdict in verdicts]
        assert 0 < sum(known) < len(COMPARED)
        if truth == words("word.OOD"):
            assert known == [called[d][int(picture.removeprefix("No. "))] for d in COMPARED]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_figure_is_that_of_core(convention, evaluation):
    page, found, sets = visit(convention=convention), figures(evaluation, convention=convention, resamples=0), list(evaluation.unknown)
    assert [metric.value for metric in page.metric] == [f"{found['consensus']['near'][metric]:.1f} %" for metric in METRICS]
    for metric in METRICS:
        healthy(page.segmented_control(key="metric").set_value(metric).run())
        expected = {words(f"detector.{d}"): [*(of[s][metric] for s in sets), np.mean([of[s][metric] for s in sets])] for d, of in found.items()}
        table = data(page, headings(page)[2])
        assert table.columns[1:-1].tolist() == [words(f"blocks.set_{s}") for s in sets]
        assert {name: numbers for name, *numbers in table.to_numpy().tolist()} == {name: pytest.approx(of, abs=0.006) for name, of in expected.items()}
        best_first = table.iloc[:, -1] if metric == "fpr95" else -table.iloc[:, -1]
        assert best_first.is_monotonic_increasing
    page.session_state["exact"] = True
    exact = data(healthy(page.run()), words("detect.exact"))
    assert exact["AUROC, %"].tolist() == [row["auroc"] for of in found.values() for row in of.values()]
    of_msp = exact[(exact[words("word.detector")] == words("detector.msp")) & (exact[words("word.set")] == words("blocks.set_near"))].iloc[0]
    ends = intervals(evaluation.known["msp"], evaluation.unknown["near"]["msp"], convention=convention)
    for name, key in (("AUROC", "auroc"), ("FPR@95TPR", "fpr95")):
        assert [of_msp[f"{name} {words(f'word.{end}')}"] for end in ("low", "high")] == pytest.approx([100 * end for end in ends[key]], abs=1e-3)


def test_the_best_detector_on_average_is_named(opened, evaluation):
    language, page = opened
    mean = {d: np.mean([auroc(known, evaluation.unknown[s][d]) for s in evaluation.unknown]) for d, known in evaluation.known.items()}
    best, second = sorted(mean, key=mean.get, reverse=True)[:2]
    values = {"auroc": f"{mean[best]:.1f}", "gap": f"{mean[best] - mean[second]:.1f}", "n": len(evaluation.unknown)}
    titles = {"best": words(f"detector.{best}", language), "second": words(f"detector.{second}", language)}
    assert headings(page)[2] == words("detect.every", language, **titles, **values)


def test_every_block_is_measured_alone(opened, pack):
    (language, page), reference, names = opened, pack.reference, pack.selection.blocks
    found = np.array([[auroc(reference.held_out.norm(b), of.norm(b)) for of in reference.unknown.values()] for b in names])  # (K, sets)
    mean = found.mean(1)
    best, chosen = int(mean.argmax()), names.index(pack.selection.selected)
    values = {"block": names[chosen], "best": names[best], "n": len(reference.unknown), "points": f"{mean[best] - mean[chosen]:.1f}"}
    assert headings(page)[3] == words("detect.blocks_best" if best == chosen else "detect.blocks_behind", language, **values)
    table = data(page, headings(page)[3])
    assert table.iloc[:, 0].tolist() == list(names)
    assert table.iloc[:, 1:].to_numpy(float) == pytest.approx(np.column_stack([found, mean]), abs=0.006)


def test_where_another_block_is_better_the_points_are_said(pack, evaluation, monkeypatch):
    monkeypatch.setattr(compute, "evaluation", lambda name: replace(evaluation, selected="layer1.0"))
    mean = np.mean(list(evaluation.block_auroc.values()), axis=0)
    best, names = int(mean.argmax()), pack.selection.blocks
    values = {"block": "layer1.0", "best": names[best], "n": len(evaluation.unknown), "points": f"{100 * (mean[best] - mean[0]):.1f}"}
    assert headings(visit())[3] == words("detect.blocks_behind", **values)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_low_accuracy_is_a_warning(language, evaluation, monkeypatch):
    monkeypatch.setattr(compute, "evaluation", lambda name: replace(evaluation, accuracy=0.12))
    page = visit(language)
    assert [w.value for w in page.warning] == [words("detect.doubtful", language, accuracy="12.0", guess="10.0")]


def test_without_labels_the_accuracy_is_not_known(evaluation, monkeypatch):
    monkeypatch.setattr(compute, "evaluation", lambda name: replace(evaluation, accuracy=None))
    page = visit()
    assert captions(page)[0] == words("detect.no_labels") and len(headings(page)) == 5


def test_a_pack_without_unknown_pictures_says_so(small_pack):
    page = visit(pack=small_pack("bare"))
    assert [i.value for i in page.info] == [words("detect.no_sets")]
    assert not headings(page) and not page.button(key="bring_start").disabled


def test_detectors_that_a_pack_cannot_have_are_named_and_left_out(pack, small_pack):
    near = replace(pack.reference.unknown["near"], perturbed=None)
    page = visit(pack=small_pack("once", two_passes=False, near=near), detectors="odin,msp", focus="odin")
    assert words("detect.lacking", names=words("detector.odin")) in captions(page)
    assert page.table[1].value.index.tolist() == [words("detector.msp")]
    assert words("detect.divided_needs") in captions(page)
