"""Tests of the page of training, run without a browser: what it says is what NumPy and core make of the packs' numbers.

A family is made of the toybox: the same network, its logits multiplied by a number for each method, as a temperature would do.
"""

import contextlib
import copy
import io
import json
import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import streamlit as st
import tomlkit
import torch
from scipy.special import softmax
from torch.nn import functional as F

import core.packs
import core.training.comparison
from core.blocks import find_head
from core.errors import InputError
from core.images.preprocess import stack
from core.images.sources import open_source
from core.metrics import measure
from core.packs import list_packs, load_pack
from core.training.fgsm import fgsm
from core.verdict import Judge
from dashboard.charts.style import percent
from dashboard.language import LANGUAGES, catalogue
from dashboard.parts.families import families
from tests.dashboard.pages import choices_are_kept, healthy, open_page

PICTURE = "toybox:test/3"  # a fish
FACTORS = {"standard": 1.0, "mixup": 0.1, "adversarial-mixup": 0.4}
TITLES = {"standard": "Standard training", "mixup": "Mixup", "adversarial-mixup": "Adversarial-Mixup"}
DEFAULTS = {"ood": "near", "spread": "histogram", "scale": "percent", "scored_by": "msp", "baseline": "mixup", "counted": "odin_grid"}
DEFAULTS |= {"mix": 0.5, "eps": 8, "attacked": "standard"}
CHOICES = {"ood": "noise", "spread": "ecdf", "scale": "nines", "scored_by": "energy", "baseline": "standard", "counted": "id_positive"}
CHOICES |= {"mix": 0.25, "eps": 16, "attacked": "adversarial-mixup"}

pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs; make packs builds it")


@pytest.fixture(scope="module")
def toybox():
    return load_pack("toybox", device="cpu")


@pytest.fixture
def beside(monkeypatch):
    """Return a function that puts packs, {name: Pack}, which `put` has described in a folder, beside the shipped ones."""
    held, folders = {}, []

    def show(folder, packs):
        held.update(packs)
        folders.append(str(folder))
        monkeypatch.setenv("BLOCKSCOPE_PACKS", os.pathsep.join(folders))
        load = core.packs.load_pack
        monkeypatch.setattr(core.packs, "load_pack", lambda name: held[name] if name in held else load(name))

    return show


@pytest.fixture
def made(toybox, tmp_path, beside):
    """Return a function that makes a family, {method: factor}, under names that begin alike. Returns: {method: Pack}."""

    def make(start, factors, **changes):
        packs = put(toybox, tmp_path, start, factors, **changes)
        beside(tmp_path, {pack.name: pack for pack in packs.values()})
        return packs

    return make


@pytest.fixture(scope="module")
def described(toybox, tmp_path_factory):
    """Return (folder, {method: Pack}) of one family for all tests: what a page has fitted of it, the next one finds."""
    folder = tmp_path_factory.mktemp("family")
    return folder, put(toybox, folder, "family", FACTORS)


@pytest.fixture
def family(described, beside):
    folder, packs = described
    beside(folder, {pack.name: pack for pack in packs.values()})
    return packs


def put(toybox, folder, start, factors, **changes):
    """Describe packs in a folder and return {method: Pack}."""
    packs = {}
    for method, factor in factors.items():
        name = f"{start}-{method}"
        facts = {**toybox.facts, "training": {**toybox.facts["training"], "method": method, "pictures": 17}, **changes}
        (folder / name).mkdir()
        (folder / name / "pack.toml").write_text(tomlkit.dumps(facts), "utf-8")
        packs[method] = scaled(toybox, name, facts, factor)
    return packs


def scaled(pack, name, facts, factor):
    """Return a pack whose logits are multiplied by a factor, in its network and in its numbers."""
    network = copy.deepcopy(pack.network)
    head = network.get_submodule(find_head(network))
    with torch.no_grad():
        head.weight *= factor
        head.bias *= factor

    def times(measured):
        return replace(measured, logits=factor * measured.logits)

    old = pack.reference
    unknown = {s: times(measured) for s, measured in old.unknown.items()}
    parts = {part: times(getattr(old, part)) for part in ("bank", "held_out", "puzzles")}
    reference = replace(old, **parts, unknown=unknown, head=tuple(factor * tensor for tensor in old.head))
    return replace(pack, name=name, facts=facts, network=network, reference=reference)


def visit(language="en", **query):
    return open_page("training", language, **{"pack": "family-standard", "picture": PICTURE, **query})


def widget(page, key):
    kind = {"spread": "segmented_control", "scale": "segmented_control", "counted": "segmented_control", "mix": "select_slider", "eps": "slider"}
    return getattr(page, kind.get(key, "selectbox"))(key=key)


def controls(page):
    return {key: widget(page, key).value for key in DEFAULTS}


def headings(page):
    return [heading.value for heading in page.header]


def tables(page):
    """Return the data of the distributions, the figures of the shift, the rates, all sets, the verdicts and the curves along the blend, but no claims."""
    claimed = {catalogue(language)["word.claimed"] for language in LANGUAGES}
    return [element.value for element in page.dataframe if not claimed & set(element.value.columns)]


def content(page):
    charts = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    return headings(page), [caption.value for caption in page.caption], [data.to_csv() for data in tables(page)], charts


def confidences(pack):
    sets = {"known": pack.reference.held_out, **pack.reference.unknown}
    return {name: softmax(a.logits.double().numpy(), axis=1).max(1) for name, a in sets.items()}


def overlap(known, unknown):
    """Try every threshold, slowly: the lowest sum of unknown pictures above and known ones not above it."""
    thresholds = np.concatenate([[-1], known, unknown])
    return min((unknown > at).mean() + (known <= at).mean() for at in thresholds)


def area(one, other):
    """Return the area between two cumulative curves."""
    x = np.sort(np.concatenate([one, other]))
    shares = [np.searchsorted(np.sort(values), x[:-1], side="right") / len(values) for values in (one, other)]
    return float((np.abs(np.subtract(*shares)) * np.diff(x)).sum())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_shift_is_that_of_the_packs_numbers(language, family):
    page, words = visit(language, ood="letters"), catalogue(language)
    found = {m: confidences(pack) for m, pack in family.items()}
    first, last = (found[m] for m in ("standard", "adversarial-mixup"))
    told = {k: {"before": f"{100 * first[k].mean():.1f}", "after": f"{100 * last[k].mean():.1f}"} for k in ("known", "letters")}
    parts = {"unknown": words["training.unknown_lower"].format(name=words["blocks.set_letters"], **told["letters"])}
    parts["known"] = words["training.known_too_lower"].format(**told["known"])
    standard = words["method.standard"]
    assert headings(page)[0] == words["training.shift"].format(method="Adversarial-Mixup", first=standard, **parts)
    shown = tables(page)[1]
    assert shown.iloc[:, 0].tolist() == [standard, "Mixup", "Adversarial-Mixup"]
    for row, sets in zip(shown.values, found.values(), strict=True):
        known, unknown = sets["known"], sets["letters"]
        means = [known.mean(), unknown.mean(), known.mean() - unknown.mean()]
        numbers = [*means, overlap(known, unknown), area(known, unknown), area(unknown, first["letters"])]
        assert row[1:7].tolist() == pytest.approx([100 * n for n in numbers], abs=0.051)
    assert shown.iloc[:, 7].tolist() == [pack.facts["figures"]["accuracy"] for pack in family.values()]


@pytest.mark.parametrize(("factor", "way"), [(0.5, "lower"), (1.0, "same"), (3.0, "raise")])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_finding_says_which_way_confidence_went(language, factor, way, made):
    made(f"way{factor:g}", {"standard": 0.3, "mixup": 0.3 * factor})
    page, words = visit(language, pack=f"way{factor:g}-standard"), catalogue(language)
    start = words[f"training.unknown_{way}"].partition("{before}")[0].format(name=words["blocks.set_near"])
    end = words[f"training.known_too_{way}"].rpartition("{after}")[2].replace("{after}", "")
    assert start in headings(page)[0] and end in headings(page)[0]


def test_the_code_on_the_page_prints_the_numbers_of_the_finding(family):
    page, said = visit(ood="textures"), io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(page.code[0].value, {})
    before, known_before, after, known_after = (f"{float(line):.1f}" for line in said.getvalue().split())
    assert f"from {before} to {after}" in headings(page)[0] and f"from {known_before} to {known_after}" in headings(page)[0]


@pytest.mark.parametrize("detector", ["msp", "odin", "energy", "consensus"])
def test_the_rates_are_those_where_95_percent_of_known_pictures_pass(detector, family):
    page, rates = visit(scored_by=detector, ood="textures"), []
    for pack in family.values():
        judge = Judge(pack.reference, (detector,))
        known, unknown = judge.known_scores[detector].numpy(), judge.scores(pack.reference.unknown["textures"])[detector].numpy()
        line = np.sort(known)[int(0.05 * len(known))]
        rates.append([100 * (known >= line).mean(), 100 * (unknown >= line).mean(), len(known), len(unknown)])
    assert tables(page)[2].iloc[:, 1:].values.tolist() == pytest.approx(np.round(rates, 2))
    numbers = sorted(rate[1] for rate in rates)
    sentence = "training.roc_same" if numbers[-1] - numbers[0] < 1 else "training.roc"
    assert headings(page)[1].startswith(catalogue("en")[sentence].partition("{")[0]) and f"{numbers[0]:.1f}" in headings(page)[1]


@pytest.mark.parametrize("convention", ["odin_grid", "id_positive", "ood_positive"])
@pytest.mark.parametrize("baseline", ["mixup", "standard"])
def test_the_table_of_all_sets_agrees_with_core(convention, baseline, family):
    page = visit(counted=convention, baseline=baseline)
    shown, names = tables(page)[3], list(family["standard"].reference.unknown)
    found = {m: [measure(c["known"], c[s], convention=convention) for s in names] for m, c in ((m, confidences(p)) for m, p in family.items())}
    fpr = {m: 100 * np.array([f.fpr95 for f in each]) for m, each in found.items()}
    assert shown.iloc[:-1, 1].tolist() == [len(a) for a in family["standard"].reference.unknown.values()]
    for m, each in found.items():
        assert shown[f"FPR, %: {TITLES[m]}"].tolist() == pytest.approx([*fpr[m], fpr[m].mean()], abs=0.051)
        assert shown[f"AUROC, %: {TITLES[m]}"].tolist()[:-1] == pytest.approx([100 * f.auroc for f in each], abs=0.051)
        if m != baseline:
            better = [100 * (b - f) / b if b else None for b, f in zip(fpr[baseline], fpr[m], strict=True)]
            column = shown[catalogue("en")["training.column_better"].format(method=TITLES[m])].tolist()
            assert [None if np.isnan(c) else c for c in column] == [None if b is None else pytest.approx(b, abs=0.06) for b in [*better, None]]
    gained = (fpr[baseline] - fpr["adversarial-mixup"]).round(6)
    counts = {"better": (gained >= 1).sum(), "worse": (gained <= -1).sum(), "same": (abs(gained) < 1).sum(), "n": len(names)}
    assert headings(page)[2] == catalogue("en")["training.sets"].format(method="Adversarial-Mixup", baseline=TITLES[baseline], **counts)


def test_each_choice_changes_the_page_and_their_link_brings_them_back(family):
    choices_are_kept(visit, content, widget, DEFAULTS, CHOICES)


def test_a_link_means_the_same_in_every_language(family):
    assert controls(visit("ko", **CHOICES)) == controls(visit("en", **CHOICES)) == CHOICES


def test_a_link_with_nonsense_opens_the_defaults(family):
    nonsense = {"ood": "sea", "spread": "ridge", "scale": "log", "scored_by": "luck", "baseline": "none", "counted": "x", "mix": "0.33", "eps": "33"}
    assert controls(visit(**nonsense, attacked="nobody", family="other", methods="a,b")) == DEFAULTS


def test_methods_are_chosen_and_a_link_carries_them(family):
    page = visit(methods="mixup,adversarial-mixup")
    assert tables(page)[1].iloc[:, 0].tolist() == ["Mixup", "Adversarial-Mixup"]
    assert headings(page)[0].endswith("compared with Mixup") and widget(page, "attacked").value == "mixup"
    healthy(page.button_group(key="methods").set_value(["standard", "mixup"]).run())
    assert page.query_params["methods"] == "standard,mixup"
    assert headings(page)[0].startswith("Mixup")


@pytest.mark.parametrize("methods", ["mixup", ""])
def test_fewer_than_two_methods_are_none_to_compare(methods, family):
    page = visit(methods=methods)
    assert catalogue("en")["training.too_few"] in [caption.value for caption in page.caption]
    assert len(tables(page)[1]) == 3


def test_the_models_family_is_shown_and_another_model_brings_its_own(family, made):
    made("other", {"standard": 1.0, "m-tlat": 0.2}, width=8)
    page = visit()
    assert tables(page)[1].iloc[:, 0].tolist() == list(TITLES.values())
    healthy(page.selectbox(key="pack").set_value("other-m-tlat").run())
    assert tables(page)[1].iloc[:, 0].tolist() == ["Standard training", "M-TLAT"]


@pytest.mark.parametrize(("picture", "label"), [(PICTURE, "fish"), ("toybox:noise/0", None)])
@pytest.mark.parametrize("attacked", ["standard", "mixup"])
def test_the_networks_judge_the_very_blend_that_is_shown(picture, label, attacked, family):
    page, words, attacker = visit(picture=picture, attacked=attacked, eps=12, mix=0.25), catalogue("en"), family[attacked]
    spec, _, index = picture.rpartition("/")
    x = stack([attacker.preprocessing.see(open_source(spec)[int(index)].open())]).float() / 255
    of = torch.tensor([attacker.classes.index(label) if label else int(attacker.probe((255 * x).byte()).logits.argmax())])

    def classify(images):
        return attacker.network(attacker.preprocessing.normalise(images))

    adversarial = fgsm(classify, x, lambda logits: F.cross_entropy(logits, of, reduction="sum"), 12 / 255)
    seen = [(255 * images).round().byte() for images in (x, adversarial, 0.25 * x + 0.75 * adversarial)]
    for row, (m, pack) in zip(tables(page)[4].values, family.items(), strict=True):
        judge = Judge(pack.reference, ("consensus",))
        assert row[0] == TITLES[m]
        for told, images in zip(row[1:], seen, strict=True):
            v = judge.judge(pack.probe(images), pack.classes)[0]
            name = words[f"class.{v.class_name}"]
            assert told == f"{'●' if v.verdict == 'ID' else '◆'} {name} {percent(v.confidence)}\u00a0% (p {100 * v.p_value:.1f}\u00a0%)"
    curve = tables(page)[5]
    assert curve.iloc[:, 0].tolist() == pytest.approx(np.linspace(0, 1, 21))
    for m, pack in family.items():
        ends = [100 * pack.probe(images).logits.double().softmax(1)[0, of].item() for images in (seen[1], seen[0])]
        assert curve[TITLES[m]].iloc[[0, -1]].tolist() == pytest.approx(ends, abs=0.006)
    sentence = words["training.label_true" if label else "training.label_own"]
    values = {"name": words[f"class.{label}"] if label else words["picker.noise"], "attacked": TITLES[attacked]}
    assert sentence.format(label=words[f"class.{attacker.classes[of]}"], **values) in [markdown.value for markdown in page.markdown]
    assert all(p.grad is None for pack in family.values() for p in pack.network.parameters())
    assert not any(pack.network.training for pack in family.values())


def test_without_eps_the_copy_is_the_picture(family):
    verdicts = tables(visit(eps=0))[4]
    assert (verdicts.iloc[:, 1] == verdicts.iloc[:, 2]).all() and (verdicts.iloc[:, 1] == verdicts.iloc[:, 3]).all()


def test_a_picture_that_is_not_there_gets_a_sentence(family):
    page = visit(picture="toybox:nowhere/1")
    assert len(page.error) == 1
    assert catalogue("en")["training.mix_empty"] in headings(page)


def test_another_picture_can_be_chosen_here(family):
    page = visit()
    healthy(page.button(key="mix_toybox:noise/0").click().run())
    assert page.query_params["picture"] == "toybox:noise/0"


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_family_the_page_says_how_to_make_one(language, toybox, monkeypatch, tmp_path):
    (tmp_path / "toybox").mkdir()
    (tmp_path / "toybox" / "pack.toml").write_text(tomlkit.dumps(toybox.facts), "utf-8")
    monkeypatch.setattr(core.packs, "SHIPPED", tmp_path)
    monkeypatch.delenv("BLOCKSCOPE_PACKS", raising=False)
    page, words = open_page("training", language, pack="toybox"), catalogue(language)
    assert [info.value for info in page.info] == [words["training.empty"]]
    assert "--method standard" in page.code[0].value and "--method adversarial-mixup" in page.code[0].value
    assert words["live.header"] in headings(page), "training here still works"


def test_a_damaged_pack_gets_a_sentence_and_the_others_are_compared(family, monkeypatch):
    load = core.packs.load_pack

    def break_one(name):
        if name == "family-mixup":
            raise InputError("The pack is damaged; build it again.", key="pack.damaged", name=name)
        return load(name)

    monkeypatch.setattr(core.packs, "load_pack", break_one)
    st.cache_resource.clear()
    st.cache_data.clear()
    page = visit()
    assert len(page.error) == 1 and "damaged" in page.error[0].value
    assert tables(page)[1].iloc[:, 0].tolist() == ["Standard training", "Adversarial-Mixup"]
    page = visit(methods="standard,mixup")
    assert [info.value for info in page.info] == [catalogue("en")["training.too_few_load"]]


def test_packs_without_unknown_pictures_have_nothing_to_compare(made):
    made("nothing", {"standard": 1.0, "mixup": 0.5}, sets=[])
    page = visit(pack="nothing-standard")
    assert [info.value for info in page.info] == [catalogue("en")["training.no_sets"]]


@pytest.mark.parametrize("spread", ["histogram", "ecdf"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_picture_and_chart_has_a_text(language, spread, family):
    page = visit(language, spread=spread)
    elements = [*page.get("plotly_chart"), *page.dataframe]
    alts = [element.proto.alt for element in elements] + [image.alt for element in page.image for image in element.proto.imgs]
    assert len(alts) >= 9 + 4
    assert all(alts)
    assert not [alt for alt in alts if "*" in alt]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_papers_claims_are_held_against_the_comparison(language, family, monkeypatch):
    case = {"data": "cifar10", "width": 32, "epochs": 25, "ema": 0.99, "seed": 0, "convention": "odin_grid"}
    rows = []
    for arch in ("cifar_resnet18", "cifar_vgg16_bn"):
        for method, detector, rate in (
            ("standard", "msp", 60),
            ("standard", "odin", 50),
            ("mixup", "msp", 80),
            ("m-tlat", "msp", 70),
            ("adversarial-mixup", "msp", 20),
        ):
            for s in ("chars74k", "sun_scenes", "imagenet_crop", "imagenet_resize", "uniform", "gaussian"):
                figures = {"fpr95": float(rate), "auroc": 90.0, "aupr_in": 90.0, "aupr_out": 90.0}
                rows.append({**case, "arch": arch, "method": method, "detector": detector, "set": s, **figures})
    monkeypatch.setattr(core.training.comparison, "read_comparison", lambda: pd.DataFrame(rows))
    page, words = visit(language), catalogue(language)
    verdicts = core.training.comparison.checked(pd.DataFrame(rows)).verdict.tolist()
    numbers = {"same": verdicts.count("reproduced"), "part": verdicts.count("in part"), "not_so": verdicts.count("not reproduced")}
    assert headings(page)[3] == words["training.claims"].format(n=len(verdicts), **numbers)
    (shown,) = (element.value for element in page.dataframe if words["word.claimed"] in element.value.columns)
    assert shown[words["word.verdict"]].tolist() == [words[f"training.claims_{verdict.replace(' ', '_')}"] for verdict in verdicts]
    assert shown.iloc[1, 2:4].tolist() == ["61 %", "+75.0 %"]


def shipped_families():
    return [key for key in families(list_packs()) if key.startswith("toybox")]


@pytest.mark.skipif(not shipped_families(), reason="no toybox packs trained by several methods in assets/packs")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_packs_that_ship_are_compared(language):
    page = open_page("training", language, family=shipped_families()[0])
    packs = families(list_packs())[shipped_families()[0]]
    means = [100 * confidences(load_pack(name))["known"].mean() for name in packs]
    assert tables(page)[1].iloc[:, 1].tolist() == pytest.approx(means[: len(tables(page)[1])], abs=0.051)
    assert not page.error
