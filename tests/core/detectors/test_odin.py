"""ODIN's step by hand and against pytorch-ood, and what its detectors read."""

from dataclasses import replace

import pytest
import torch

from core.detectors import make
from core.detectors.logits import msp
from core.detectors.odin import perturbation, step
from core.detectors.selected_norm import logits_with_norm
from core.errors import InputError
from core.images.preprocess import Preprocessing
from core.probe import concatenate, probe, probe_all

STD = (0.2, 0.3, 0.4)


def slowly(network, image, *, temperature, epsilon, std):
    """Move one picture, the plain way."""
    moved = image.clone().requires_grad_()
    logits = network(moved) / temperature
    torch.nn.functional.cross_entropy(logits, logits.argmax(1)).backward()
    return image - epsilon * moved.grad.sign() / torch.tensor(std).view(1, 3, 1, 1)


def test_a_step_by_hand():
    # two classes, logit of the first is the sum of the picture, of the second its negative: brighter is more the first class
    class Sum(torch.nn.Module):
        def forward(self, x):
            total = x.sum((1, 2, 3))
            return torch.stack([total, -total], 1)

    images = torch.stack([torch.full((3, 2, 2), 0.01), torch.full((3, 2, 2), -0.01)])
    moved = step(Sum(), images, std=STD, temperature=10.0, epsilon=0.06)
    towards = torch.tensor([0.3, 0.2, 0.15])  # 0.06 / std
    torch.testing.assert_close(moved[0], images[0] + towards[:, None, None])
    torch.testing.assert_close(moved[1], images[1] - towards[:, None, None])


def test_a_step_picture_by_picture(tiny, pictures):
    network = tiny().eval()
    options = {"temperature": 1000.0, "epsilon": 0.0014, "std": STD}
    expected = torch.cat([slowly(network, image[None], **options) for image in pictures])
    torch.testing.assert_close(step(network, pictures, **options), expected)


def test_as_pytorch_ood(tiny, pictures):
    odin = pytest.importorskip("pytorch_ood.detector").ODIN
    network = tiny().eval()
    oracle = -odin(network, temperature=1000.0, eps=0.0014, norm_std=list(STD)).predict(pictures)
    measured = probe(network, pictures, perturb=lambda n, x: step(n, x, std=STD))
    torch.testing.assert_close(make("odin").score(measured).float(), oracle, rtol=1e-6, atol=1e-7)


def test_neither_network_nor_pictures_are_changed(tiny, pictures):
    network = tiny().train()
    state, before = {k: v.clone() for k, v in network.state_dict().items()}, pictures.clone()
    with torch.no_grad():  # as the probe's callers may have it
        step(network, pictures, std=STD)
    assert torch.equal(pictures, before) and not pictures.requires_grad and network.training
    assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    assert not any(m._forward_hooks for m in network.modules())


def test_the_probe_measures_the_changed_pictures(tiny, pictures):
    network = tiny().eval()
    measured = probe(network, pictures, means=("layer1.0",), perturb=lambda n, x: step(n, x, std=STD))
    again = probe(network, step(network, pictures, std=STD))
    torch.testing.assert_close(measured.perturbed.logits, again.logits)
    torch.testing.assert_close(measured.logits, probe(network, pictures).logits)
    assert measured.perturbed.means == {} and measured.perturbed.perturbed is None
    part = measured[1:3]
    assert torch.equal(part.perturbed.norms, measured.perturbed.norms[1:3])
    joined = concatenate([measured[:2], measured[2:]])
    assert torch.equal(joined.perturbed.features, measured.perturbed.features)


def test_both_detectors_by_definition(tiny, pictures, clusters):
    network = tiny().eval()
    preprocessing = Preprocessing(std=STD)
    images = (pictures.clamp(-1, 1) * 127 + 128).to(torch.uint8)
    measured = probe_all(network, images, preprocessing, perturb=perturbation(preprocessing))
    assert torch.equal(make("odin", temperature=7.0).score(measured), msp(measured.perturbed.logits.double() / 7))
    weight, bias = network.linear.weight.detach(), network.linear.bias.detach()
    selected = measured.blocks[2]
    fitted = make("odin_selected_norm", temperature=7.0).fit(replace(clusters.reference, selected=selected, head=(weight, bias)))
    changed = measured.perturbed
    expected = msp(logits_with_norm(changed.features, changed.norm(selected), weight, bias) / 7)
    torch.testing.assert_close(fitted.score(measured), expected)


@pytest.mark.parametrize("name", ["odin", "odin_selected_norm"])
def test_one_pass_is_not_enough(name, clusters):
    with pytest.raises(InputError, match="ODIN needs a second pass over the changed pictures"):
        make(name).fit(clusters.reference).score(replace(clusters.fresh, perturbed=None))
