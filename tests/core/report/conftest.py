"""Facts made by hand, so that every sentence can be had without a network."""

import numpy as np
import pytest

MAP = {"seconds": 0.5, "deletion": 0.1, "insertion": 0.8, "random_deletion": 0.2, "random_insertion": 0.7}
HAND_OFF = {
    "temperature": 1.25,
    "calibrated": 0.8125,
    "ece": 0.0375,
    "ece_calibrated": 0.0125,
    "fitted": 500,
    "told": 1500,
    "risk": 0.01,
    "share": 0.05,
    "p_both": 0.25,
    "p_least": 0.0625,
    "coverage": 0.9375,
}
FACTS = {
    "file": "cat.png",
    "spec": None,
    "made": "2031-02-03 04:05",
    "pack": "toybox",
    "arch": "cifar_resnet18",
    "training": "standard",
    "classes": 10,
    "weights": "ab" * 32,
    "pack_hash": "cd" * 32,
    "versions": {"torch": "2.14"},
    "class_name": "duck",
    "confidence": 0.96875,
    "runner_up": "teddy",
    "runner_up_confidence": 0.0234375,
    "detector": "consensus",
    "verdict": "ID",
    "score": -3.25,
    "threshold": -9.5,
    "p_value": 0.40625,
    "keep": 0.95,
    "held_out": 2000,
    "members": {"knn": 0.5, "jigsaw": 0.125},
    "block": "layer4.1",
    "norm_ratio": 1.4375,
    "norm": 5.0625,
    "norm_mean": 5.1875,
    "norm_higher": 0.53125,
    "missing": (),
    "orders": 9,
    "steps": 32,
}
OPINIONS = {"consensus": "ID", "featurenorm": "ID", "msp": "ID", "energy": "ID"}


@pytest.fixture
def make_map():
    from core.explanation.explained import Explained

    def make(method="gradcam", low=-1.0, high=1.0, **changes):
        values = np.zeros((6, 6), np.float32)
        values[1, 4], values[5, 0] = high, low
        return Explained(method=method, values=values, **{**MAP, "block": "layer4.1" if method.startswith("norm") else None, **changes})

    return make


@pytest.fixture
def make_facts(make_map):
    from core.report.facts import Facts, HandOff
    from core.verdict import Opinion

    def make(*, hand_off=(), opinions=OPINIONS, maps=None, **changes):
        promise = None if hand_off is None else HandOff(**{**HAND_OFF, **dict(hand_off)})
        said = {name: Opinion(1.5, 0.5, 0.25, verdict) for name, verdict in opinions.items()}
        drawn = (make_map(), make_map("norm_occlusion")) if maps is None else maps
        seen = np.arange(6 * 6 * 3, dtype=np.uint8).reshape(6, 6, 3)
        return Facts(**{**FACTS, **changes}, hand_off=promise, opinions=said, maps=drawn, seen=seen)

    return make
