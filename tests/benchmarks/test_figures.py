"""Tests that the figures in documents are those of docs/figures.json, and that these are what the packs say."""

import json
import re

import numpy as np
import pytest

from benchmarks import figures
from core.training.comparison import CONVENTION, DATA, improvement, read_comparison

KEPT = json.loads(figures.FILE.read_text("utf-8"))
TEXT = {file.name: " ".join(file.read_text("utf-8").split()) for file in figures.documents()}


@pytest.fixture(scope="module")
def anew():
    return json.loads(json.dumps(figures.measured(resamples=0)))


def alike(kept, new, path=()):
    """Hold plain data against other plain data but for intervals: numbers may differ by what rounding does to the last picture's score."""
    if isinstance(new, dict):
        assert set(kept) - {"ci"} == set(new), path
        for key in new:
            alike(kept[key], new[key], (*path, key))
    elif isinstance(new, list):
        assert len(kept) == len(new), path
        for k, (one, other) in enumerate(zip(kept, new, strict=True)):
            alike(one, other, (*path, k))
    elif isinstance(new, float) and kept is not None:
        assert kept == pytest.approx(new, abs=0.011, rel=1e-3), path
    elif path != ("resamples",):
        assert kept == new, path


def test_the_file_is_what_the_packs_say(anew):
    alike(KEPT, anew)


def test_the_file_says_how_it_was_counted():
    assert (KEPT["convention"], KEPT["resamples"], KEPT["seed"]) == (figures.CONVENTION, figures.RESAMPLES, figures.SEED)
    for name in figures.PACKS:
        told = KEPT["packs"][name]["held out"]
        assert told["pictures"]["known"] == 2000 and all(300 <= n <= 500 for n in told["pictures"].values() if n != 2000)


def test_every_figure_has_its_interval():
    for of in KEPT["packs"].values():
        for rows in of["held out"]["detectors"].values():
            for row in rows.values():
                for key in ("auroc", "fpr95"):
                    low, high = row["ci"][key]
                    assert 0 <= low <= high <= 100 and low - 1 <= row[key] <= high + 1  # an interval of percentiles need not hold the figure


@pytest.mark.parametrize("file", figures.documents(), ids=lambda file: file.name)
def test_the_tables_are_those_of_the_file(file):
    text = file.read_text("utf-8")
    assert figures.filled(text, KEPT) == text, "run make figures ARGS=--tables"


def test_every_table_stands_somewhere_and_every_mark_has_a_table():
    names = [name for file in figures.documents() for name in re.findall(r"<!-- figures: (\w+) -->", file.read_text("utf-8"))]
    assert sorted(names) == sorted(figures.TABLES)
    with pytest.raises(KeyError):
        figures.filled("<!-- figures: nothing -->\n<!-- end of figures -->", KEPT)


def test_a_table_that_was_changed_by_hand_is_seen():
    text = "before\n\n<!-- figures: verdicts -->\n\n| 1 |\n\n<!-- end of figures -->\n\nafter"
    new = figures.filled(text, KEPT)
    assert new.startswith("before\n") and new.endswith("\nafter") and "| 1 |" not in new and figures.filled(new, KEPT) == new
    assert "| toybox | new toys | 99.0 | 5.7 |" in new


# What sentences say


def of(pack):
    return KEPT["packs"][pack]


def in_mean(pack, detector, metric):
    rows = [row[metric] for name, row in of(pack)["held out"]["detectors"][detector].items() if name != "jigsaw"]
    return float(np.mean(rows))


def test_sentences_about_accuracy():
    toys, photos = (of(pack)["validation"] for pack in figures.PACKS)
    said = "Accuracy: toybox {accuracy:.1f} % of {pictures:,} pictures; ".format(**toys) + "cifar10 {accuracy:.1f} % of the {pictures:,} test".format(**photos)
    assert said in TEXT["README.md"]


def test_sentences_about_blocks():
    toys, photos = (of(pack)["held out"]["blocks"] for pack in figures.PACKS)
    assert all(told["selected"] == told["oracle"] and told["votes"] == {told["selected"]: 5} and len(told["names"]) == 8 for told in (toys, photos))
    assert "NormRatio chose the block that turned out best of all eight on both packs (mean AUROC over all sets, five of five shuffles)" in TEXT["README.md"]
    cost = photos["mean"][photos["names"].index(photos["selected"])] - photos["mean"][-1]
    assert f"The last block of cifar10 would have cost {cost:.1f} points." in TEXT["README.md"]


def test_sentences_about_the_selected_norm():
    table = of("cifar10")["held out"]["detectors"]
    sets = [name for name in table["energy"] if name != "jigsaw"]
    worse = {name for name in sets if table["energy_selected_norm"][name]["auroc"] < table["energy"][name]["auroc"]}
    assert len(sets) == 10 and worse == {"tiny_imagenet", "imagenet_crop", "imagenet_resize"}
    assert "it ranks better than Energy on seven of the ten cifar10 sets and worse on those three photo-like ones" in TEXT["README.md"]
    assert in_mean("cifar10", "consensus", "auroc") == max(in_mean("cifar10", d, "auroc") for d in table)


def test_sentences_about_training():
    table = read_comparison()
    table = table[(table.data == DATA) & (table.set != "jigsaw")]
    gained = improvement(table)
    gained = gained[(gained.method == "adversarial-mixup") & (gained.detector == "msp") & (gained.convention == CONVENTION)]
    small, large = (f"{rows.fpr95.mean():.1f}" for _, rows in sorted(gained.groupby("arch")))
    assert f"a little better than Mixup ({small} and {large} % lower FPR@TPR95 in the mean over the sets" in TEXT["README.md"]
    by_name = {(row["arch"], row["method"]): row for row in KEPT["training"]}
    for arch in {arch for arch, _ in by_name}:
        rows = {method: row for (of, method), row in by_name.items() if of == arch}
        assert max(rows, key=lambda method: rows[method]["auroc"]) == min(rows, key=lambda method: rows[method]["fpr95"]) == "standard"
        assert all(row["sets"] == 12 for row in rows.values())
        assert all(row["confidence"] < rows["standard"]["confidence"] for method, row in rows.items() if method != "standard")


def test_sentences_about_trust():
    temperatures = {pack: of(pack)["trust"]["temperature"] for pack in figures.PACKS}
    assert temperatures["toybox"] < 1 < temperatures["cifar10"]
    parts = of("cifar10")["trust"]["pictures"]
    assert sum(parts.values()) == 2000
    assert all(f"{n:,} pictures" in TEXT["trust.md"] for n in (parts["fit"], parts["choose"] + parts["report"]))
