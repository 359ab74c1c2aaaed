"""Tests of families of packs, and of what packs are called."""

from pathlib import Path

import pytest

from core.packs import SHIPPED, Description
from dashboard.parts.families import families, family_titles, member_title, members, pack_titles


def described(name, *, method="standard", source="toybox:train", folder=SHIPPED, **changes):
    training = {"method": method, "epochs": 16, "pictures": 18000, "seed": 0, **changes.pop("training", {})}
    facts = {"arch": "cifar_resnet18", "width": 16, "classes": ["boat", "car"], "preprocessing": {"size": 32}, "sets": ["near"], **changes}
    return Description(name, folder / name, {**facts, "training": training, "pictures": {"held_out": {"source": source}}})


def packs(*described_packs):
    return {pack.name: pack for pack in described_packs}


def test_packs_that_differ_in_their_method_only_are_a_family():
    found = families(packs(described("b", method="mixup"), described("a"), described("c", method="adversarial-mixup")))
    ((key, family),) = found.items()
    assert list(family) == ["a", "b", "c"], "in the order of the methods"
    assert key.startswith("toybox_train-cifar_resnet18-16-16-")
    assert members(family) == {"standard": "a", "mixup": "b", "adversarial-mixup": "c"}


@pytest.mark.parametrize(
    "change",
    [
        {"arch": "cifar_vgg16_bn"},
        {"width": 32},
        {"classes": ["boat", "bus"]},
        {"source": "data:cifar10_train"},
        {"preprocessing": {"size": 32, "jpeg": 75}},
        {"training": {"epochs": 8}},
        {"training": {"pictures": 200}},
        {"training": {"ema": 0.99}},
        {"method": "magic"},
    ],
    ids=str,
)
def test_packs_that_differ_in_anything_else_are_none(change):
    assert families(packs(described("a"), described("b", **{"method": "mixup", **change}))) == {}


def test_two_packs_of_one_method_are_no_family():
    assert families(packs(described("a"), described("b", training={"seed": 1}))) == {}


def test_a_pack_that_does_not_say_what_it_learned_from_is_left_out():
    mute = described("b", method="mixup")
    del mute.facts["pictures"]
    assert families(packs(described("a"), mute)) == {}


def test_a_further_pack_of_a_method_is_a_member_by_its_own_name():
    ((_, family),) = families(packs(described("a"), described("a2", training={"seed": 1}), described("b", method="mixup"))).items()
    assert members(family) == {"standard": "a", "a2": "a2", "mixup": "b"}
    assert [member_title(family, m) for m in members(family)] == ["Standard training", "Standard training (a2)", "Mixup"]


def test_families_of_one_title_are_told_apart():
    small, large = ([described(f"{w}{m}", method=m, width=w) for m in ("standard", "mixup")] for w in (8, 16))
    assert list(family_titles(families(packs(*small))).values()) == ["Toybox, ResNet-18"]
    assert list(family_titles(families(packs(*small, *large))).values()) == [f"Toybox, ResNet-18 (width {w}, 16 epochs)" for w in (8, 16)]


def test_packs_are_called_by_what_they_are_where_their_name_says_so_too():
    photos = {"source": "data:cifar10_train", "arch": "cifar_vgg16_bn"}
    found = packs(
        described("zebra"),
        described("toybox-mixup", method="mixup"),
        described("cifar10-mixup-vgg16", method="mixup", **photos),
        described("cifar10-standard-vgg16", **photos),
        described("cifar10", **photos),
        described("toybox"),
    )
    assert pack_titles(found) == {
        "toybox": "Toybox: ten kinds of toys",
        "cifar10": "CIFAR-10: photos of ten kinds",
        "cifar10-standard-vgg16": "Standard training · VGG-16 with batch norm · CIFAR-10",
        "cifar10-mixup-vgg16": "Mixup · VGG-16 with batch norm · CIFAR-10",
        "toybox-mixup": "Mixup · ResNet-18 · Toybox",
        "zebra": "zebra",
    }
    assert list(pack_titles(found)) == ["toybox", "cifar10", "cifar10-standard-vgg16", "cifar10-mixup-vgg16", "toybox-mixup", "zebra"]


def test_packs_of_one_title_are_told_apart_by_their_names():
    found = pack_titles(packs(described("toybox-standard"), described("toybox-standard-seed1")))
    assert list(found.values()) == [f"Standard training · ResNet-18 · Toybox ({name})" for name in found]


def test_a_pack_that_a_person_trained_is_called_theirs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    from core.packs import own_folder

    own = described("Xk3_9", method="mixup", folder=Path(own_folder()))
    assert pack_titles(packs(own)) == {"Xk3_9": "Yours: Mixup, 16 epochs, seed 0"}
