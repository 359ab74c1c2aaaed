"""Tests that the figures in documents are those of docs/figures.json, and that these are what the packs say."""

import json
import re

import numpy as np
import pytest

from benchmarks import figures
from benchmarks.consensus import CANDIDATES
from benchmarks.measured import read
from benchmarks.thresholds import mean
from core.training.comparison import CONVENTION, DATA, checked, improvement, read_comparison

KEPT = json.loads(figures.FILE.read_text("utf-8"))
BODIES = figures.bodies(KEPT)
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
    assert figures.filled(text, BODIES) == text, "run make figures ARGS=--tables"


def test_every_table_stands_somewhere_and_every_mark_has_a_table():
    names = [name for file in figures.documents() for name in re.findall(r"<!-- figures: (\w+) -->", file.read_text("utf-8"))]
    assert sorted(names) == sorted(BODIES)
    with pytest.raises(KeyError):
        figures.filled("<!-- figures: nothing -->\n<!-- end of figures -->", BODIES)


def test_a_table_that_was_changed_by_hand_is_seen():
    text = "before\n\n<!-- figures: verdicts -->\n\n| 1 |\n\n<!-- end of figures -->\n\nafter"
    new = figures.filled(text, BODIES)
    assert new.startswith("before\n") and new.endswith("\nafter") and "| 1 |" not in new and figures.filled(new, BODIES) == new
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


def test_sentences_about_claims():
    found = checked(read_comparison())
    counts, same = found.verdict.value_counts(), found[found.verdict == "reproduced"].measured
    words = {2: "two", 3: "three", 8: "eight"}
    said = f"Of {words[len(found)]} claims of the paper {words[counts['reproduced']]} show here as they stand"
    assert said in TEXT["README.md"] and f"(by {same.iloc[0]:.1f} and {same.iloc[1]:.1f} %, which we call" in TEXT["README.md"]
    assert f"{words[counts['in part']]} in part and {words[counts['not reproduced']]} not." in TEXT["README.md"]


def test_sentences_about_training_on_the_toybox():
    table = read_comparison()
    table = table[(table.data == "toybox") & (table.set != "jigsaw") & (table.detector == "msp") & (table.convention == CONVENTION)]
    seeds = table.groupby(["method", "seed"]).fpr95.mean()
    ours, mixup = seeds["adversarial-mixup"], seeds["mixup"]
    assert len(ours) == len(mixup) == 3 and ours.min() < mixup.max()
    assert f"its FPR@TPR95 is {ours.mean() - mixup.mean():.1f} points higher than Mixup's, with ranges that overlap" in TEXT["README.md"]


def test_sentences_about_trust():
    temperatures = {pack: of(pack)["trust"]["temperature"] for pack in figures.PACKS}
    assert temperatures["toybox"] < 1 < temperatures["cifar10"]
    parts = of("cifar10")["trust"]["pictures"]
    assert sum(parts.values()) == 2000
    assert all(f"{n:,} pictures" in TEXT["trust.md"] for n in (parts["fit"], parts["choose"] + parts["report"]))


# What sentences say of what was measured on pictures: {field} is looked up in `MEASURED`, so that another figure in the file, or in the sentence, is seen


def by(rows, *keys):
    """Return rows by the texts of some of their fields."""
    return {", ".join(str(row[key]) for key in keys): row for row in rows}


def study(name):
    return json.loads((figures.ROOT / "docs" / f"{name}.json").read_text("utf-8"))


def apart(rows, one, other):
    """Return by how much two rows differ."""
    return {key: abs(rows[one][key] - rows[other][key]) for key in ("error", "auroc") if rows[one][key] is not None}


def measured_figures():
    gate = by(study("adaptation_gate")["runs"], "stream", "share", "method")
    who = {
        network: {"shipped": of["rows"]["consensus, as shipped"], "chosen": of["rows"]["consensus, chosen on all networks"], **of["rows"]}
        for network, of in study("consensus")["real"].items()
    }
    of_best = [row["shipped"]["mean"] / min(row[c]["mean"] for c in CANDIDATES if c in row) for row in who.values()]
    pairs = [("BN", "DPLOT"), ("BN", "gated, push"), ("BN", "truth"), ("gated, push", "truth"), ("gated", "gated, push"), ("DPLOT", "gated, push")]
    rows = {name: {share: f"corrupted, {share}, {name}" for share in (0.5, 0.2, 0.0)} for pair in pairs for name in pair}
    differ = {
        f"{share} {one} - {other}": apart(gate, rows[one][share], rows[other][share])
        for one, other in pairs
        for share in (0.5, 0.2, 0.0)
        if {rows[one][share], rows[other][share]} <= set(gate)
    }
    explained = {run: of["methods"] | {"object": of["object"]} for run, of in read("explanation").items()}
    csi = {run: of | {"mean": {title: np.mean(list(row.values()), 0) for title, row in of["rows"].items()}} for run, of in read("csi").items()}
    passes = read("thresholds")["cifar10"]["passes"]
    unknown = {detector: mean(row) for detector, row in passes.items()}
    return {
        "gate": gate,
        "differ": differ,
        "who": who,
        "kept": (100 * min(of_best), 100 * max(of_best)),
        "explained": explained,
        "masks": dict(zip(("checked", "unchecked"), read("masks")["toybox"]["rows"], strict=True)),
        "compressed": {pack: by(read("compression")[pack]["rows"], "title") for pack in figures.PACKS},
        "csi": csi,
        "adapted": read("adaptation_stream")["toybox"]["methods"],
        "refused": 100 * study("consensus")["real"]["cifar10"]["p_value"]["share at most 0.05"],
        "tokens": read("tokens")["toybox"],
        "passes": passes,
        "unknown": unknown,
        "most": max(share for name, share in passes["consensus"].items() if name != "known"),
    }


FOUND = measured_figures()
SENTENCES = {
    "README.md": (
        "error / AUROC {gate[corrupted, 0.5, BN][error]:.1f} / {gate[corrupted, 0.5, BN][auroc]:.1f} with BN-1, {gate[corrupted, 0.5, DPLOT][error]:.1f} / "
        "{gate[corrupted, 0.5, DPLOT][auroc]:.1f} with DPLOT, {gate[corrupted, 0.5, gated, push][error]:.1f} / {gate[corrupted, 0.5, gated, push][auroc]:.1f} "
        "gated, {gate[corrupted, 0.5, truth][error]:.1f} / {gate[corrupted, 0.5, truth][auroc]:.1f} when told the truth",
        "the gate costs {differ[0.0 DPLOT - gated, push][error]:.1f} points of error",
        "mean FPR@95TPR {who[cifar10][chosen][mean]:.0f}, {who[vgg11][chosen][mean]:.0f}, {who[cifar_resnet44][chosen][mean]:.0f}, "
        "{who[cifar_resnet56][chosen][mean]:.0f} % against {who[cifar10][shipped][mean]:.0f}, {who[vgg11][shipped][mean]:.0f}, "
        "{who[cifar_resnet44][shipped][mean]:.0f}, {who[cifar_resnet56][shipped][mean]:.0f} %. What ships keeps {kept[0]:.0f} to {kept[1]:.0f} %",
        "fails altogether: {who[vgg11][energy_selected_norm][mean]:.0f} % FPR@95TPR",
        "({who[vgg11][as shipped, without energy_selected_norm][mean]:.0f} against {who[vgg11][shipped][mean]:.0f})",
        "the consensus lets {csi[csi][mean][Consensus][1]:.1f} % of unknown toys pass after it and {csi[standard-32][mean][Consensus][1]:.1f} %",
        "calls {passes[consensus][known]:.1f} % of the 6,667 test pictures known",
        "and {unknown[consensus]:.1f} % of the unknown ones in the mean over the ten sets, each of them whole, at most {most:.0f} % of one",
        "jigsaw regression {unknown[jigsaw]:.0f} %, Mahalanobis {unknown[mahalanobis_middle]:.0f} %, KNN {unknown[knn]:.0f} %, Energy with the selected norm "
        "{unknown[energy_selected_norm]:.0f} %, MSP with the selected norm {unknown[msp_selected_norm]:.0f} %, Energy {unknown[energy]:.0f} %, MaxLogit "
        "{unknown[maxlogit]:.0f} %, FeatureNorm {unknown[featurenorm]:.0f} %, MSP {unknown[msp]:.0f} %. FeatureNorm alone is best at textures "
        "({passes[featurenorm][textures]:.0f} %) and worst at digits ({passes[featurenorm][mnist]:.0f} %)",
    ),
    "adaptation.md": (
        "DPLOT lowers BN's error by {differ[0.5 BN - DPLOT][error]:.1f} points and its AUROC by {differ[0.5 BN - DPLOT][auroc]:.1f}. The gate lowers the error "
        "by {differ[0.5 BN - gated, push][error]:.1f} and *raises* the AUROC by {differ[0.5 BN - gated, push][auroc]:.1f}; the truth's AUROC is another "
        "{differ[0.5 gated, push - truth][auroc]:.1f} higher",
        "DPLOT {differ[0.2 BN - DPLOT][error]:.1f} lower error and {differ[0.2 BN - DPLOT][auroc]:.1f} lower AUROC than BN; gated "
        "{differ[0.2 BN - gated, push][error]:.1f} lower error and {differ[0.2 BN - gated, push][auroc]:.1f} higher AUROC; the truth "
        "{differ[0.2 BN - truth][error]:.1f} lower and {differ[0.2 BN - truth][auroc]:.1f} higher",
        "error {gate[corrupted, 0.5, gated][error]:.1f} %, AUROC {gate[corrupted, 0.5, gated][auroc]:.1f}: the gate alone keeps BN's, the push adds "
        "{differ[0.5 gated - gated, push][auroc]:.1f} points",
        "None unknown, corrupted: gated {gate[corrupted, 0.0, gated, push][error]:.1f} %, DPLOT {gate[corrupted, 0.0, DPLOT][error]:.1f} %, "
        "BN {gate[corrupted, 0.0, BN][error]:.1f} %",
        "None unknown, clean: gated {gate[clean, 0.0, gated, push][error]:.1f} %, DPLOT {gate[clean, 0.0, DPLOT][error]:.1f} %, "
        "BN {gate[clean, 0.0, BN][error]:.1f} %",
    ),
    "explanation.md": (
        "({explained[toybox][rsp][positive]:.0f} % of its positive map, on {explained[toybox][object]:.0f} % of the picture)",
        "only the upper half of the weights is shuffled ({explained[toybox][rsp][correlations][1]:.2f})",
        "is mostly the object ({explained[near][norm_occlusion][positive]:.0f} % of it, on {explained[near][object]:.0f} % of the picture), what lowers it "
        "mostly the surroundings ({explained[near][norm_occlusion][negative]:.0f} % on the object)",
        "{explained[near][occlusion][positive]:.0f} % of occlusion's lies on the object instead of {explained[toybox][occlusion][positive]:.0f} %",
        "best insertion here too ({explained[near][mask][insertion]:.2f}) and the largest share of the positive map on the object "
        "({explained[near][mask][positive]:.0f} %)",
        "destroys the class of a 32-pixel photograph ({explained[cifar10][random order][deletion]:.3f}), and Integrated Gradients "
        "({explained[cifar10][integrated_gradients][deletion]:.3f})",
        "({masks[checked][cds][mean]:.2f} against {masks[unchecked][cds][mean]:.2f}, within what 60 pictures spread)",
    ),
    "compression.md": (
        "finds a network that was trained apart nearer ({compressed[toybox][another training][maps][gradcam][spearman]:.2f}) than one that lost 90 % of its "
        "weights and two thirds of its answers ({compressed[toybox][magnitude 90 %][maps][gradcam][spearman]:.2f}); Integrated Gradients finds the opposite, "
        "and clearly ({compressed[toybox][another training][maps][integrated_gradients][spearman]:.2f} and "
        "{compressed[toybox][magnitude 90 %][maps][integrated_gradients][spearman]:.2f})",
        "lies there more ({compressed[toybox][magnitude 90 %][maps][gradcam][energy_after]:.0f} against "
        "{compressed[toybox][not at all][maps][gradcam][energy_after]:.0f} %) after that pruning",
        "have moved too (Integrated Gradients {compressed[cifar10][magnitude 70 %][maps][integrated_gradients][spearman_same_class]:.2f})",
    ),
    "csi.md": (
        "the consensus lets {csi[csi][mean][Consensus][1]:.1f} % of the unknown pictures pass instead of {csi[standard-8][mean][Consensus][1]:.1f} %",
        "{csi[csi][mean][Consensus][1]:.1f} against {csi[standard-32][mean][Consensus][1]:.1f} %, and {csi[csi][accuracy]:.2f} against "
        "{csi[standard-32][accuracy]:.2f} % accuracy",
        "({csi[csi][mean][consensus with s_CSI][0]:.1f} / {csi[csi][mean][consensus with s_CSI][1]:.1f} with it, {csi[csi][mean][Consensus][0]:.1f} / "
        "{csi[csi][mean][Consensus][1]:.1f} without)",
        "({csi[csi][rows][Maximum softmax (MSP)][textures][0]:.1f} against {csi[standard-32][rows][Maximum softmax (MSP)][textures][0]:.1f}), in spite of",
        "({csi[csi][mean][s_CSI][1]:.1f} against {csi[csi][mean][Maximum softmax (MSP)][1]:.1f} %)",
    ),
    "own_model.md": ("ID accuracy {tokens[accuracy]:.0f} %",),
    "trust.md": ("under contrast the network as it is errs on {adapted[source][errors][contrast]:.0f} % and mostly says so",),
    "watch.md": ("{refused:.1f} % instead of 5 % are called OOD",),
}


@pytest.mark.parametrize(("document", "sentence"), [(document, one) for document, of in SENTENCES.items() for one in of])
def test_sentences_about_what_was_measured(document, sentence):
    assert sentence.format(**FOUND) in TEXT[document]
