"""NormRatio against a loop, and against numbers that other code measured on the same weights and pictures."""

import json

import pytest
import torch

from core.detectors import make
from core.errors import InputError
from core.images.preprocess import Preprocessing
from core.images.sources import open_source, read
from core.jigsaw import jigsaw
from core.metrics import measure
from core.networks.build import load
from core.probe import linear_head, probe, probe_all
from core.reference import Reference
from core.selection import norm_ratio, select_block

PREPROCESSING = Preprocessing(32)


@pytest.fixture
def images(generator):
    return torch.randint(0, 256, (5, 3, 32, 32), generator=generator, dtype=torch.uint8)


def test_norm_ratio_is_a_mean_of_ratios_not_a_ratio_of_means():
    norms, puzzled = torch.tensor([[1.0, 6.0], [3.0, 2.0]]), torch.tensor([[2.0, 3.0], [1.0, 4.0]])
    assert norm_ratio(norms, puzzled).tolist() == [(1 / 2 + 3 / 1) / 2, (6 / 3 + 2 / 4) / 2]
    assert norm_ratio(norms, puzzled).dtype == torch.float64


def test_a_block_silent_on_a_puzzle_gives_a_large_finite_ratio():
    found = norm_ratio(torch.tensor([[2.0]]), torch.tensor([[0.0]]))
    assert torch.isfinite(found).all() and found > 1e6


@pytest.mark.parametrize("mode", ["normalised", "as_released"])
def test_selection_equals_a_loop_over_pictures(tiny, images, mode):
    network, seen = tiny(), []
    found = select_block(network, images, PREPROCESSING, mode=mode, permutations=2, seed=3, batch_size=2, progress=lambda *step: seen.append(step))
    generator = torch.Generator().manual_seed(3)
    inputs = PREPROCESSING.normalise if mode == "normalised" else lambda x: x.float() / 255
    norms, by_permutation, puzzle_norms = probe(network, inputs(images)).norms, [], []
    for _ in range(2):
        puzzles = jigsaw(images, generator=generator)
        each = torch.cat([probe(network, inputs(puzzle[None])).norms for puzzle in puzzles])
        puzzle_norms.append(each)
        by_permutation.append([sum(n / p for n, p in zip(a, b, strict=True)) / 5 for a, b in zip(norms.T.tolist(), each.T.tolist(), strict=True)])
    ratio = [sum(r) / 2 for r in zip(*by_permutation, strict=True)]
    assert found.norm_ratio == pytest.approx(ratio, rel=1e-5)
    assert [list(r) for r in found.by_permutation] == [pytest.approx(r, rel=1e-5) for r in by_permutation]
    assert found.norm_id == pytest.approx(norms.mean(0).tolist(), rel=1e-5)
    assert found.norm_jigsaw == pytest.approx(torch.cat(puzzle_norms).mean(0).tolist(), rel=1e-5)
    assert found.selected == found.blocks[ratio.index(max(ratio))]
    assert (found.mode, found.images) == (mode, 5)
    assert seen == [(n, 15) for n in (2, 4, 5, 7, 9, 10, 12, 14, 15)]


def test_what_was_probed_before_is_used(tiny, images):
    network = tiny()
    known = probe_all(network, images, PREPROCESSING)
    seen = []
    found = select_block(network, images, PREPROCESSING, known=known, progress=lambda *step: seen.append(step))
    assert found == select_block(network, images, PREPROCESSING) and seen == [(5, 5)]
    released = select_block(network, images, PREPROCESSING, mode="as_released", known=known)  # probed normalised: of no use here
    assert released == select_block(network, images, PREPROCESSING, mode="as_released")


def test_the_seed_makes_the_selection(tiny, images):
    network = tiny()
    assert select_block(network, images, PREPROCESSING, seed=1) == select_block(network, images, PREPROCESSING, seed=1)
    assert select_block(network, images, PREPROCESSING, seed=1).norm_jigsaw != select_block(network, images, PREPROCESSING, seed=2).norm_jigsaw


def test_mode_and_emptiness_are_explained(tiny, images):
    with pytest.raises(InputError, match="no mode named 'raw'; the known ones are as_released, normalised"):
        select_block(tiny(), images, PREPROCESSING, mode="raw")
    for arguments in ({"images": images[:0]}, {"images": images, "permutations": 0}):
        with pytest.raises(InputError, match="at least one picture and one permutation"):
            select_block(tiny(), preprocessing=PREPROCESSING, **arguments)


@pytest.fixture(scope="module")
def measured(data, reference):
    """Return what our code measures of ResNet-56 on the 423 lossless test pictures, and what other code measured."""
    expected = json.loads((reference / "resnet56_ood_original.json").read_text("utf-8"))
    network = load("cifar_resnet56", data / "checkpoints" / "akamaster_resnet56.safetensors")
    batch = read(open_source(data / "cifar10_original.parquet"), PREPROCESSING, stop=423)
    return network, batch, probe_all(network, batch.images, PREPROCESSING), expected


def test_norms_and_logits_are_those_of_other_code(measured):
    _, _, found, expected = measured
    assert list(found.blocks) == expected["blocks"]
    assert found.norms[0].tolist() == pytest.approx(expected["first_picture"]["norms"], rel=1e-4)
    assert found.logits[0].tolist() == pytest.approx(expected["first_picture"]["logits"], abs=2e-3)
    assert found.norms.double().mean(0).tolist() == pytest.approx(expected["norm_id"], rel=1e-4)


def test_accuracy_is_that_of_other_code(measured, data):
    _, batch, found, _ = measured
    assert (found.logits.argmax(1) == batch.labels).sum() == 396  # of 423: 93.62 %
    network = load("cifar_resnet44", data / "checkpoints" / "akamaster_resnet44.safetensors")
    right = probe_all(network, batch.images, PREPROCESSING).logits.argmax(1) == batch.labels
    assert 100 * right.double().mean() == pytest.approx(93.14, abs=2.5)  # its file records 93.14 % on all 10,000


@pytest.mark.parametrize("mode", ["normalised", "as_released"])
def test_norm_ratio_is_that_of_other_code(measured, mode):
    network, batch, found, expected = measured
    selection = select_block(network, batch.images, PREPROCESSING, mode=mode, known=found)
    assert selection.norm_ratio == pytest.approx(expected["norm_ratio"][mode]["mean_of_5_seeds"], abs=0.02)
    assert selection.selected == expected["norm_ratio"][mode]["selected"]


@pytest.mark.parametrize("name", ["textures", "tiny_imagenet"])
def test_figures_of_detectors_are_those_of_other_code(measured, data, name):
    network, batch, found, expected = measured
    unknown = probe_all(network, read(open_source(data / "ood" / f"{name}.parquet"), PREPROCESSING, stop=423).images, PREPROCESSING)
    selected = expected["norm_ratio"]["normalised"]["selected"]
    fitted_on = Reference(found, batch.labels, found, batch.labels, {}, selected, "", linear_head(network))
    for detector in ("featurenorm", "msp", "maxlogit", "energy", "msp_selected_norm", "energy_selected_norm"):
        fitted = make(detector).fit(fitted_on)
        figures, theirs = measure(fitted.score(found), fitted.score(unknown)), expected["ood"][name][detector]
        assert 100 * figures.auroc == pytest.approx(theirs["auroc"], abs=0.02), detector
        assert 100 * figures.aupr_in == pytest.approx(theirs["aupr_in"], abs=0.02), detector
        assert 100 * figures.aupr_out == pytest.approx(theirs["aupr_out"], abs=0.02), detector
        assert 100 * figures.fpr95 == pytest.approx(theirs["fpr95_id_positive"], abs=0.25), detector  # one picture is 0.24
