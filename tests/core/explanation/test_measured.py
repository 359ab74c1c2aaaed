"""What ships of the measured faithfulness, and what is kept of a measurement."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from benchmarks.explanation import Measured, failings, store
from core.explanation import EXPLANATIONS, OF_NORM
from core.explanation.measured import FILE, WHY_NOT, Faithfulness, measured
from core.packs import load_pack

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("pack", sorted(tomllib.loads(FILE.read_text("utf-8"))))
def test_what_ships_belongs_to_the_packs_that_ship(pack):
    found = measured(pack)
    assert set(found) <= set(EXPLANATIONS) and {"gradcam", "occlusion", *OF_NORM} <= set(found)
    for row in found.values():
        assert isinstance(row, Faithfulness) and row.pictures >= 40 and 0 < row.deletion < 1.5 and 0 < row.random["insertion"] < 1.5
        assert row.believed == (not row.why_not) and set(row.why_not) <= set(WHY_NOT) and "/" not in row.source
        assert (row.hit is None) == (row.object is None) == (not pack.startswith("toybox"))
        assert ("deletion_random" in row.why_not) or row.deletion < row.random["deletion"]


def test_a_pack_that_was_not_measured_has_nothing():
    assert measured("no such pack") == measured("toybox-mixup") == {}


def test_a_pack_with_other_weights_has_nothing(tmp_path):
    own = tmp_path / "toybox"
    own.mkdir()
    text = (ROOT / "assets" / "packs" / "toybox" / "pack.toml").read_text("utf-8")
    (own / "pack.toml").write_text(text, "utf-8")
    assert measured(own) == measured("toybox") != {}
    (own / "pack.toml").write_text(text.replace('"weights.safetensors" = "4', '"weights.safetensors" = "5'), "utf-8")
    assert measured(own) == {}


def test_reading_needs_no_torch():
    code = "import sys; from core.explanation.measured import measured; print(len(measured('toybox')) > 0, 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split() == ["True", "False"]


def rows(deletion, correlation=0.1, **more):
    """Return what the benchmark measures on four pictures: one method, and floors at 0.5."""
    spread = torch.tensor([-0.02, -0.01, 0.01, 0.02])
    made = {"gradcam": Measured("Grad-CAM", {"deletion": deletion + spread, "insertion": 0.9 + spread, **more}, torch.full((3, 2), correlation))}
    for floor in ("random order", "edges"):
        made[floor] = Measured(floor, {"deletion": torch.full((4,), 0.5), "insertion": torch.full((4,), 0.5)}, torch.ones(3, 2))
    return made


def test_what_a_method_fails_is_named():
    assert failings(rows(0.2), "gradcam") == []
    assert failings(rows(0.5), "gradcam") == ["deletion_random", "deletion_edges"]
    assert failings(rows(0.2, correlation=-0.4), "gradcam") == ["weights"]
    beside = {"positive": torch.tensor([0.2, 0.3, 0.2, 0.3]), "share": torch.full((4,), 0.25), "hit": torch.ones(4)}
    assert failings(rows(0.2, **beside), "gradcam") == ["object"]


def test_methods_of_the_same_measurement_stay_beside_each_other(tmp_path):
    pack, file = load_pack("toybox-m-tlat", device="cpu"), tmp_path / "kept.toml"
    store(pack, rows(0.2), "toybox:test", None, sanity_on=2, file=file)
    other = rows(0.5)
    other["rsp"] = other.pop("gradcam")
    store(pack, other, "toybox:test", None, sanity_on=2, file=file)
    kept = tomllib.loads(file.read_text("utf-8"))[pack.name]
    assert list(kept["methods"]) == ["gradcam", "rsp"] and kept["pictures"] == 4 and kept["methods"]["gradcam"]["deletion"] == 0.2
    assert kept["methods"]["rsp"]["why_not"] == ["deletion_random", "deletion_edges"] and not kept["methods"]["rsp"]["believed"]
    store(pack, other, "toybox:near", None, sanity_on=2, file=file)
    assert list(tomllib.loads(file.read_text("utf-8"))[pack.name]["methods"]) == ["rsp"]
