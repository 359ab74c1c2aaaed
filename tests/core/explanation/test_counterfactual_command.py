"""The command as a person gives it."""

import json

import pytest
from PIL import Image

from core.cli import main
from core.images import toybox


@pytest.fixture
def files(tmp_path):
    made = {}
    for name, index in (("duck", 2), ("fish", 3)):
        made[name] = str(tmp_path / f"{name}.png")
        Image.fromarray(toybox.draw("test", index, size=32).image).save(made[name])
    return made


def test_the_changed_picture_is_written_and_judged_the_same(files, tmp_path, capsys):
    out = str(tmp_path / "near.png")
    assert main(["counterfactual", files["duck"], "--pack", "toybox", "--device", "cpu", "--kind", "verdict", "--out", out, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["found"] and document["before"]["verdict"] == "ID" and document["after"]["verdict"] == "OOD" and document["cells"] is None
    assert main(["verdict", out, "--pack", "toybox", "--device", "cpu", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)[0]
    assert again["verdict"] == "OOD" and again["p_value"] == document["after"]["p_value"]


def test_patches_in_lines_for_people(files, capsys):
    options = ["--kind", "class", "--basis", "patches", "--other", files["fish"]]
    assert main(["counterfactual", files["duck"], "--pack", "toybox", "--device", "cpu", *options]) == 0
    told = capsys.readouterr().out
    assert told.startswith("turned") and "of 64 cells exchanged" in told and "fish" in told.splitlines()[2]


@pytest.mark.parametrize(
    ("more", "sentence"),
    (
        (("--target", "cow"), "no class named 'cow'"),
        (("--basis", "patches"), "Patches come from another picture"),
        (("--out", "near.jpg"), "end its name in .png"),
    ),
)
def test_bad_input_is_one_line(more, sentence, files, capsys):
    assert main(["counterfactual", files["duck"], "--pack", "toybox", "--device", "cpu", *more]) == 2
    found = capsys.readouterr().err
    assert sentence in found and found.count("\n") == 1
