"""The packs that ship claim what `bench` measures."""

from functools import cache

import pytest

from core.evaluation import evaluate, figures
from core.images.sources import open_source, read
from core.packs import SHIPPED, describe, load_pack
from core.probe import probe_all
from core.verdict import Judge

NAMES = sorted(folder.name for folder in SHIPPED.iterdir())
# Points. The reference is stored in half precision and another processor rounds otherwise; one picture of a hundred is a point.
TOLERANCE = {"accuracy": 0.1, "auroc": 0.2, "fpr95": 3.01}


@cache
def pictures(spec, preprocessing, stop=None):
    return read(open_source(spec), preprocessing, stop=stop)


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_what_bench_measures(name, request):
    facts = describe(name).facts
    source = facts["pictures"]["held_out"]["source"]
    data = request.getfixturevalue("data") if source.startswith("data:") else None  # skips where there is none

    def found(spec):
        return data / f"{spec.removeprefix('data:')}.parquet" if spec.startswith("data:") else spec

    pack, claimed = load_pack(name, device="cpu"), facts["figures"]
    known = pictures(found(source.replace("train", "test")), pack.preprocessing)
    sizes = {s: len(measured) for s, measured in pack.reference.unknown.items()}
    sets = {s: pictures(found(of["source"]), pack.preprocessing, sizes[s]) for s, of in facts["pictures"].items() if s in sizes and s != "jigsaw"}
    options = {"means": (pack.reference.middle,)}
    measured = {s: probe_all(pack.network, images.images, pack.preprocessing, **options) for s, images in (("known", known), *sets.items())}
    evaluation = evaluate(Judge(pack.reference, ("consensus",)), {s: measured[s] for s in sets}, known=measured["known"], labels=known.labels)
    assert claimed["pictures"] == len(known.images)
    assert 100 * evaluation.accuracy == pytest.approx(claimed["accuracy"], abs=TOLERANCE["accuracy"])
    for s, figure in figures(evaluation, convention=claimed["convention"], resamples=0)["consensus"].items():
        for key, of in claimed["consensus"][s].items():
            assert figure[key] == pytest.approx(of, abs=TOLERANCE[key]), (s, key)


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_small_and_the_command_is_told(name):
    pack = describe(name)
    training = pack.facts["training"]
    assert training["command"].startswith("python -m core train ") and f"--out {name}" in training["command"]
    assert training["hours"] > 0 and training["device"] and training["versions"]["torch"] and training["seed"] == 0
    assert len(training["loss"]) == len(training["accuracy"]) == training["epochs"]
    compared = training.get("ema")  # the packs of the comparison of training methods
    assert not compared or sum(f.stat().st_size for f in pack.folder.iterdir()) < 4.5e6
