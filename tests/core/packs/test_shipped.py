"""The packs that ship claim what `bench` measures."""

from functools import cache

import pytest
import torch

from core.evaluation import evaluate, figures
from core.images.sources import open_source, read
from core.packs import SHIPPED, describe, load_pack
from core.probe import probe_all
from core.verdict import Judge

NAMES = sorted(folder.name for folder in SHIPPED.iterdir())
# Points. The reference is stored in half precision and another processor rounds otherwise; one picture of a hundred is a point.
TOLERANCE = {"accuracy": 0.1, "auroc": 0.2, "fpr95": 3.01}
AGAIN = 8  # pictures of each unknown set that are measured anew: what a pack keeps of all of them decides its figures


@cache
def pictures(spec, preprocessing, start=0, stop=None):
    return read(open_source(spec), preprocessing, start=start, stop=stop)


def agrees(measured, kept):
    """Raises: AssertionError unless both are the same but for the half precision in which features are kept."""
    for field in ("logits", "features", "norms"):
        want = getattr(kept, field)
        torch.testing.assert_close(getattr(measured, field), want, rtol=0, atol=1e-3 * want.abs().max().item())


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_what_bench_measures(name, request):
    facts = describe(name).facts
    source = facts["pictures"]["held_out"]["source"]
    data = request.getfixturevalue("data") if source.startswith("data:") else None  # skips where there is none

    def found(spec):
        return data / f"{spec.removeprefix('data:')}.parquet" if spec.startswith("data:") else spec

    pack, claimed = load_pack(name, device="cpu"), facts["figures"]
    known = pictures(found(source.replace("train", "test")), pack.preprocessing)
    options = {"means": (pack.reference.middle,)}
    sets = {s: kept for s, kept in pack.reference.unknown.items() if s != "jigsaw"}
    for s, kept in sets.items():
        some = pictures(found(facts["pictures"][s]["source"]), pack.preprocessing, len(kept) - AGAIN, len(kept))
        agrees(probe_all(pack.network, some.images, pack.preprocessing, **options), kept[-AGAIN:])
    measured = probe_all(pack.network, known.images, pack.preprocessing, **options)
    evaluation = evaluate(Judge(pack.reference, ("consensus",)), sets, known=measured, labels=known.labels)
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
