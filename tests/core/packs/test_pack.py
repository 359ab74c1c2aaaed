import shutil
import tomllib

import pytest
import torch
from PIL import Image

from core.detectors.consensus import MEMBERS
from core.detectors.odin import perturbation
from core.errors import InputError
from core.images.preprocess import stack
from core.images.sources import open_source
from core.packs import describe, list_packs, load_pack
from core.packs.pack import save
from core.verdict import Judge


def test_a_pack_comes_back_as_it_was_measured(built):
    folder, figures, network = built
    pack = load_pack(folder)
    facts = tomllib.loads((folder / "pack.toml").read_text("utf-8"))
    assert facts["figures"] == figures
    assert pack.selection.selected == facts["selection"]["selected"] == pack.reference.selected
    assert pack.preprocessing.jpeg == 75
    assert list(pack.reference.unknown) == ["jigsaw", "noise"] == facts["sets"]
    assert (len(pack.reference.bank), len(pack.reference.held_out)) == (80, 80)
    assert all(torch.equal(a, b) for a, b in zip(network.state_dict().values(), pack.network.state_dict().values(), strict=True))


def test_the_reference_holds_what_the_network_measures(built):
    pack = load_pack(built[0])
    item = open_source("toybox:train")[80]  # the first held-out picture
    measured = pack.probe(stack([pack.preprocessing.see(item.open())]))
    kept = pack.reference.held_out[:1]
    torch.testing.assert_close(measured.logits, kept.logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(measured.norms, kept.norms, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(measured.features, kept.features, rtol=2e-3, atol=1e-3)  # stored in half precision
    middle = pack.reference.middle
    torch.testing.assert_close(measured.means[middle], kept.means[middle], rtol=2e-3, atol=1e-3)


def test_what_odin_reads_comes_back_too(built):
    pack = load_pack(built[0])
    assert pack.reference.bank.perturbed is None and len(pack.reference.held_out.perturbed) == 80
    item = open_source("toybox:train")[80]
    measured = pack.probe(stack([pack.preprocessing.see(item.open())]), perturb=perturbation(pack.preprocessing)).perturbed
    kept = pack.reference.held_out[:1].perturbed
    torch.testing.assert_close(measured.logits, kept.logits, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(measured.features, kept.features, rtol=5e-3, atol=2e-3)
    assert all(len(a.perturbed) == len(a) for a in pack.reference.unknown.values())


def test_a_pack_without_a_second_pass_has_no_odin(built, tmp_path):
    shutil.copytree(built[0], tmp_path / "copy")
    (tmp_path / "copy" / "perturbed.parquet").unlink()
    judge = Judge(load_pack(tmp_path / "copy").reference, ("energy", "odin"))
    assert list(judge.detectors) == ["energy"] and "second pass" in judge.unavailable["odin"]


def test_a_picture_is_judged_whether_path_bytes_or_picture(built, tmp_path):
    pack = load_pack(built[0])
    toy = Image.fromarray(open_source("toybox:test")[0].data)
    toy.save(tmp_path / "toy.png")
    three = [pack.verdict(toy), pack.verdict(tmp_path / "toy.png"), pack.verdict((tmp_path / "toy.png").read_bytes())]
    assert three[0] == three[1] == three[2]
    verdict = three[0]
    assert verdict.verdict == ("ID" if verdict.score > verdict.threshold else "OOD")
    assert verdict.class_name == pack.classes[verdict.label]
    assert verdict.confidence == max(verdict.probabilities)
    assert set(verdict.members) == set(MEMBERS)


def test_packs_are_found_by_name_in_the_folders_of_the_environment(built, monkeypatch):
    monkeypatch.setenv("BLOCKSCOPE_PACKS", str(built[0].parent))
    assert list_packs()["small"].summary["selected_block"] == load_pack("small").selection.selected


def test_a_description_that_is_written_anew_is_read_anew(built, tmp_path):
    file = tmp_path / "pack.toml"
    shutil.copy(built[0] / "pack.toml", file)
    first = describe(tmp_path)
    assert describe(tmp_path).facts is first.facts  # read once
    file.write_text(file.read_text("utf-8").replace("cifar_resnet20", "cifar_resnet32"), "utf-8")  # as long as it was
    assert first.facts["arch"] == "cifar_resnet20" and describe(tmp_path).facts["arch"] == "cifar_resnet32"
    file.unlink()
    with pytest.raises(InputError, match="no pack named"):
        describe(tmp_path)


def test_an_unknown_pack_is_answered_with_the_known_ones(built, monkeypatch):
    monkeypatch.setenv("BLOCKSCOPE_PACKS", str(built[0].parent))
    with pytest.raises(InputError, match="no pack named 'smal'.*small"):
        describe("smal")


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("pack.toml", b"format = ", "not valid TOML"),
        ("pack.toml", b"format = 1", "lacks arch"),
        ("weights.safetensors", b"no tensors", "cannot be read as safetensors"),
        ("reference.parquet", b"no table", "is damaged"),
        ("reference.parquet", None, "has no reference.parquet"),
    ],
)
def test_a_damaged_pack_is_refused_in_one_sentence(built, tmp_path, file, content, sentence):
    copy = tmp_path / "copy"
    shutil.copytree(built[0], copy)
    if content is None:
        (copy / file).unlink()
    else:
        (copy / file).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        load_pack(copy)


def test_a_pack_that_cannot_be_written_leaves_the_old_one(built, tmp_path):
    pack = load_pack(built[0])
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "pack.toml").write_text("old")
    with pytest.raises(AttributeError):
        save(folder, facts={}, network=None, preprocessing=pack.preprocessing, selection=pack.selection, reference=pack.reference)
    assert (folder / "pack.toml").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
