"""The command as a person gives it."""

import json

import numpy as np
import pytest
from PIL import Image

from core.cli import main
from core.explanation.drawing import overlay, sheet
from core.images import toybox


@pytest.fixture
def duck(tmp_path):
    file = tmp_path / "duck.png"
    Image.fromarray(toybox.draw("test", 2).image).save(file)
    return str(file)


def words(duck, *more):
    return ["explain", duck, "--pack", "toybox-m-tlat", "--device", "cpu", *more]


def test_every_method_has_its_line_and_its_map(duck, tmp_path, capsys):
    out, methods = tmp_path / "maps.png", ["gradcam", "rsp", "norm_gradients"]
    assert main(words(duck, "--method", ",".join(methods), "--out", str(out), "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["class"] == "duck" and [row["method"] for row in document["methods"]] == methods
    for row in document["methods"]:
        assert row["error"] is None and 0 <= row["positive"] <= 1 and all(0 <= p < 32 for p in row["peak"])
    assert {row["method"]: row["block"] for row in document["methods"]}["norm_gradients"] == "layer3.1"
    assert Image.open(out).size == (4 * 256, 256)
    assert document["methods"][0]["deletion"] < document["methods"][0]["random"]["deletion"]


def test_the_class_and_the_selected_block_can_be_chosen(duck, capsys):
    assert main(words(duck, "--target", "fish", "--block", "selected", "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["class"] == "fish" and document["methods"][0]["block"] == "layer3.1"


@pytest.mark.parametrize(
    ("more", "sentence"),
    (
        (("--method", "lime"), "no explanation named 'lime'"),
        (("--target", "cow"), "no class named 'cow'"),
        (("--block", "layer9"), "no block 'layer9'"),
        (("--out", "maps.jpg"), "end its name in .png"),
    ),
)
def test_bad_input_is_one_line(more, sentence, duck, capsys):
    assert main(words(duck, *more)) == 2
    found = capsys.readouterr().err
    assert sentence in found and found.count("\n") == 1


def test_red_is_for_and_blue_against():
    pixels, values = np.full((2, 2, 3), 100, np.uint8), np.array([[1.0, -1.0], [0.0, 0.5]])
    red, blue, none, half = overlay(pixels, values).reshape(4, 3).astype(int)
    assert red[0] > red[2] + 100 and blue[2] > blue[0] + 100 and np.ptp(none) == 0 and 0 < half[0] - half[2] < red[0] - red[2]
    assert sheet(pixels, [values]).size == (2 * 256, 256)
