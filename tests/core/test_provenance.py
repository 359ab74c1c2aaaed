"""What made a result is told whole, without folders and passwords."""

import hashlib
import sys
from pathlib import Path

import numpy as np

from core import VERSION
from core.provenance import provenance

ROOT = Path(__file__).parents[2]


def test_provenance_says_what_made_a_run(monkeypatch):
    words = [
        "/home/jo/blockscope/core/__main__.py",
        "bench",
        "--data=/home/jo/cats.parquet",
        "near=/home/jo/a=b/near.parquet",
        "/home/jo/my cats",
        "toybox:near",
        "textures=torchvision:SVHN/test",
        "--runs=postgresql://us:s3cret@h/d?a=b",
    ]
    monkeypatch.setattr(sys, "argv", words)
    made_by = provenance(pack="toybox", seed=3, device="cpu", limit=500)
    assert made_by["command"] == (
        "python -m core bench --data=cats.parquet near=near.parquet 'my cats' toybox:near textures=torchvision:SVHN/test --runs=postgresql://..."
    )
    assert (made_by["seed"], made_by["device"], made_by["limit"], made_by["pack"]) == (3, "cpu", 500, "toybox")
    assert set(made_by["versions"]) == {"blockscope", "python", "torch", "torchvision", "numpy", "scikit-learn"}
    assert (made_by["versions"]["blockscope"], made_by["versions"]["numpy"]) == (VERSION, np.__version__)
    assert set(made_by) == {"command", "versions", "machine", "pack", "pack_hash", "seed", "device", "limit"}
    assert set(provenance()) == {"command", "versions", "machine"}


def test_the_hash_of_a_pack_is_that_of_its_files(tmp_path):
    shipped = ROOT / "assets" / "packs" / "toybox"
    digests = {
        f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in shipped.iterdir() if f.name not in ("pack.toml", "adaptation.json")
    }  # the latter comes later
    lines = "".join(f"{name} {digests[name]}\n" for name in sorted(digests))
    copy = tmp_path / "copy"
    copy.mkdir()
    text = (shipped / "pack.toml").read_text("utf-8")
    (copy / "pack.toml").write_text(text, "utf-8")
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert provenance(pack="toybox")["pack_hash"] == expected == provenance(pack=copy)["pack_hash"]
    (copy / "pack.toml").write_text(text.replace(digests["weights.safetensors"], "0" * 64), "utf-8")
    assert provenance(pack=copy)["pack_hash"] != expected
