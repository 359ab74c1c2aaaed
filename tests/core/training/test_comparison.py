"""The comparison of training methods: relative improvements as the paper counts them, and the verdict on its claims."""

import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.packs import SHIPPED as PACKS
from core.packs import describe
from core.training import METHODS
from core.training.comparison import CLAIMS, EXISTING, METRICS, STAND_INS, checked, improvement, read_comparison, spread, verdict

NOISE = {"uniform", "gaussian"}  # sets that need no file


def row(method, fpr95, *, auroc=80.0, set="uniform", arch="cifar_resnet18", detector="msp", **others):
    fixed = {"data": "cifar10", "arch": arch, "width": 16, "epochs": 10, "ema": 0.99, "seed": 0, "convention": "odin_grid"}
    measured = {"known": 100, "unknown": 100, "accuracy": 90.0, "aupr_in": 80.0, "aupr_out": 80.0, "confidence_known": 95.0, "confidence": 70.0}
    return {**fixed, **measured, "method": method, "set": set, "detector": detector, "fpr95": fpr95, "auroc": auroc, **others}


def table(*rows):
    return pd.DataFrame(rows)


def claim(found, text):
    (one,) = found[found.text.str.contains(text, regex=False)].to_dict("records")
    return one


def test_improvement_by_hand():
    found = improvement(table(row("mixup", 40.0, auroc=80.0), row("adversarial-mixup", 10.0, auroc=88.0), row("standard", 60.0, auroc=72.0)))
    by = found.set_index("method")
    assert by.fpr95.to_dict() == {"adversarial-mixup": 75.0, "standard": -50.0}
    assert by.auroc.to_dict() == pytest.approx({"adversarial-mixup": 10.0, "standard": -10.0})


def test_improvement_takes_the_mean_over_seeds_first():
    rows = [row("mixup", 20.0, seed=0), row("mixup", 60.0, seed=1), row("adversarial-mixup", 10.0, seed=0), row("adversarial-mixup", 30.0, seed=1)]
    assert improvement(table(*rows)).fpr95.tolist() == [50.0]


def test_improvement_compares_within_a_case_only():
    cases = (({"set": "uniform"}, 25.0), ({"set": "gaussian"}, 50.0), ({"width": 32}, 0.0))
    rows = [row(method, fpr95, **case) for case, ours in cases for method, fpr95 in (("mixup", 50.0), ("standard", ours))]
    found = improvement(table(*rows)).set_index(["width", "set"]).fpr95
    assert found.to_dict() == {(16, "uniform"): 50.0, (16, "gaussian"): 0.0, (32, "uniform"): 100.0}


def test_improvement_against_another_detector():
    rows = [row("standard", 80.0), row("standard", 40.0, detector="odin"), row("adversarial-mixup", 20.0), row("adversarial-mixup", 10.0, detector="odin")]
    found = improvement(table(*rows), "standard", by="odin").set_index(["method", "detector"]).fpr95
    assert found.to_dict() == {("standard", "msp"): -100.0, ("adversarial-mixup", "msp"): 50.0, ("adversarial-mixup", "odin"): 75.0}


def test_nothing_is_a_percentage_of_zero():
    found = improvement(table(row("mixup", 0.0), row("adversarial-mixup", 10.0)))
    assert math.isnan(found.fpr95[0]) and found.auroc[0] == 0


@given(st.floats(1e-4, 100), st.floats(0, 100))
def test_improvement_is_positive_exactly_where_less_passes(other, ours):
    (percent,) = improvement(table(row("mixup", other), row("adversarial-mixup", ours))).fpr95
    assert (percent > 0) == (ours < other) and percent <= 100
    assert (percent == 100) == (ours == 0) or ours < 1e-9


def test_claims_name_sets_that_exist():
    ours = set(describe(PACKS / "cifar10").facts["pictures"]) | NOISE
    for one in CLAIMS:
        assert set(one.sets) <= set(STAND_INS) and one.ours and set(one.ours) <= ours
        assert one.metric in METRICS and one.archs
        assert {method for method, _ in one.against} <= set(METHODS)


def test_the_claims_are_the_papers():
    assert sorted(one.value for one in CLAIMS if one.value is not None) == [54, 61, 78, 82, 98, 100]
    assert [one.sets for one in CLAIMS if one.value is None] == [("SVHN",), ("Gaussian",)]
    (average,) = [one for one in CLAIMS if one.value == 61]
    assert set(average.ours) == {"sun_scenes", "imagenet_resize", "imagenet_crop", "uniform"}


@pytest.mark.parametrize(
    "claimed, measured, says",
    [
        (61, 61.0, "reproduced"),
        (61, 80.0, "reproduced"),
        (61, 60.9, "in part"),
        (61, 1.0, "in part"),
        (61, 0.9, "not reproduced"),
        (61, 0.0, "not reproduced"),
        (61, -5.0, "not reproduced"),
        (None, -5.0, "reproduced"),
        (None, 0.9, "reproduced"),
        (None, 1.0, "not reproduced"),
        (None, 5.0, "not reproduced"),
        (61, math.nan, "not measured"),
        (None, math.nan, "not measured"),
    ],
)
def test_verdict(claimed, measured, says):
    assert verdict(claimed, measured) == says


def test_checked_by_hand():
    sets = {"uniform": 0.0, "sun_scenes": 23.0, "imagenet_resize": 50.0, "imagenet_crop": 60.0, "gaussian": 25.0}  # of 50 that pass with Mixup
    rows = [one for name, fpr95 in sets.items() for one in (row("mixup", 50.0, set=name), row("adversarial-mixup", fpr95, set=name))]
    found = checked(table(*rows))
    assert len(found) == len(CLAIMS)
    uniform, scenes, average = claim(found, "100 % lower"), claim(found, "54 %"), claim(found, "61 %")
    assert (uniform["measured"], uniform["verdict"]) == (100, "reproduced")
    assert (scenes["measured"], scenes["verdict"]) == (pytest.approx(54), "reproduced")
    assert average["measured"] == pytest.approx((100 + 54 + 0 - 20) / 4) and average["verdict"] == "in part"
    assert (average["counted"], average["wanted"]) == (4, 4)
    gaussian, svhn, vgg = claim(found, "Gaussian does not"), claim(found, "SVHN does not"), claim(found, "82 %")
    assert (gaussian["measured"], gaussian["counted"], gaussian["wanted"], gaussian["verdict"]) == (50, 1, 2, "not reproduced")
    assert svhn["verdict"] == vgg["verdict"] == "not measured" and vgg["counted"] == 0


def test_checked_asks_all_existing_methods_for_the_average():
    others = [row(method, 100.0 / (i + 1), set="uniform", detector=detector) for i, (method, detector) in enumerate(EXISTING)]
    found = checked(table(*others, row("adversarial-mixup", 10.0)))
    average = claim(found, "78 %")
    assert average["measured"] == pytest.approx((90 + 80 + 70 + 60) / 4) and average["counted"] == 4


def test_checked_takes_the_family_nearest_to_the_paper():
    families = ({"width": 16, "epochs": 100}, {"width": 32, "epochs": 10}, {"width": 32, "epochs": 20})
    rows = [row(m, f, **case) for case, ours in zip(families, (40.0, 30.0, 20.0), strict=True) for m, f in (("mixup", 50.0), ("adversarial-mixup", ours))]
    rows += [row("mixup", 50.0, width=64), row("adversarial-mixup", 0.0, data="toybox", width=64)]  # nothing to compare, and other pictures
    assert claim(checked(table(*rows)), "100 % lower")["measured"] == pytest.approx(60)


def test_checked_leaves_out_what_has_no_percentage():
    found = claim(checked(table(row("mixup", 0.0), row("adversarial-mixup", 10.0))), "100 % lower")
    assert (found["counted"], found["wanted"], found["verdict"]) == (0, 1, "not measured")


def test_spread_is_over_seeds_of_the_mean_over_sets():
    rows = [row("mixup", fpr95, set=name, seed=seed) for seed, pair in enumerate(((10.0, 30.0), (20.0, 60.0))) for name, fpr95 in zip("ab", pair, strict=True)]
    found = spread(table(*rows)).set_index("value").loc["fpr95"]
    assert (found["seeds"], found["mean"], found.low, found.high) == (2, 30.0, 20.0, 40.0)


def test_it_needs_no_torch():
    code = "import core.training.comparison, sys; print({'torch', 'streamlit'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_reading(tmp_path):
    file = tmp_path / "training_methods.parquet"
    assert read_comparison(file) is None
    table(row("mixup", 40.0)).to_parquet(file)
    assert read_comparison(file).fpr95.tolist() == [40.0]


def test_the_shipped_table_has_its_columns():
    shipped = read_comparison()
    if shipped is None:
        pytest.skip("no comparison is shipped")
    assert set(row("mixup", 0.0)) <= set(shipped.columns)
    assert shipped[[*METRICS, "accuracy", "confidence", "confidence_known"]].stack().between(0, 100).all()
    assert set(shipped.method) <= set(METHODS) and len(checked(shipped)) == len(CLAIMS)
