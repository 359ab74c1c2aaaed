"""The command as a person gives it."""

import json

import pytest
from safetensors.torch import load_file

from core.cli import main
from core.packs import load_pack

WORDS = ["compress", "--pack", "toybox-standard", "--device", "cpu", "--images", "toybox:test", "--limit", "20"]
TRAINING = ["--data", "toybox:train", "--data-limit", "40", "--holdout", "40"]


def test_figures_are_those_of_the_pack_and_the_masks(capsys):
    assert main([*WORDS, "--prune", "magnitude", "--amount", "0.5", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["zero_weights"] == pytest.approx(50, abs=0.2) and document["bytes"]["after"] < 0.6 * document["bytes"]["before"]
    assert document["accuracy"]["before"] >= 80 and document["same_class"] >= 80 and document["pictures"] == 20
    (row,) = document["maps"]
    assert row["method"] == "gradcam" and 0.9 < row["spearman"] < 1 and row["energy_before"] > 36  # more than the object covers


def test_a_small_network_is_fine_tuned_and_becomes_a_pack(tmp_path, capsys):
    out = tmp_path / "small"
    more = ["--prune", "structured", "--amount", "0.25", "--finetune", "matching", "--steps", "2", "--out", str(out)]
    assert main([*WORDS, *TRAINING, *more, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    pack = load_pack(str(out), device="cpu")
    assert pack.facts["compressed"]["pack"] == "toybox-standard" and pack.facts["figures"]["accuracy"] == pytest.approx(document["accuracy"]["after"], abs=5)
    assert (~pack.network.conv1.weight.flatten(1).any(1)).sum() == 4  # a quarter of 16, in the file too


def test_int8_weights_are_saved_alone(tmp_path, capsys):
    out = tmp_path / "small.safetensors"
    assert main([*WORDS, *TRAINING, "--int8", "--out", str(out)]) == 0
    assert "accuracy" in capsys.readouterr().out
    assert str(load_file(out)["conv1.weight"].dtype) == "torch.int8" and out.stat().st_size < 800_000


@pytest.mark.parametrize(
    ("more", "sentence"),
    (
        ((), "Say how to compress"),
        (("--int8",), "add --data SRC"),
        (("--prune", "structured", "--out", "pack"), "add --data SRC"),
        (("--int8", "--out", "pack", *TRAINING), "ends in .safetensors"),
        (("--prune", "magnitude", "--amount", "2"), "share to prune is 2"),
        (("--prune", "magnitude", "--method", "lime"), "no explanation named 'lime'"),
    ),
)
def test_bad_input_is_one_line(more, sentence, capsys):
    assert main([*WORDS, *more]) == 2
    found = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(found) == 1 and sentence in found[0]
