"""Each method against a slow computation, another implementation, or what its paper says must hold."""

import pytest
import torch
from captum.attr import LayerGradCam
from torchvision.models import VisionTransformer

from core.errors import InputError
from core.explanation.common import as_channels, classes_of, forward_of, norm_of
from core.explanation.gradcam import channel_map, gradcam
from core.explanation.integrated import integrated_gradients, norm_gradients
from core.explanation.occlusion import norm_occlusion, occlusion
from core.probe import probe, twin


@pytest.mark.parametrize("block", ("layer1.0", "layer3.2"))
def test_gradcam_is_captums_at_any_block(block, tiny, pictures):
    network = tiny()
    classes = classes_of(network, pictures)
    run, twins = twin(network)
    theirs = LayerGradCam(run, twins[block]).attribute(pictures, target=classes)
    torch.testing.assert_close(channel_map(network, pictures, block, classes).sum(1, keepdim=True), theirs.detach())


def test_gradcam_is_scaled_to_the_picture(tiny, pictures):
    network = tiny()
    small = channel_map(network, pictures, "layer3.2", classes_of(network, pictures)).sum(1)
    torch.testing.assert_close(gradcam(network, pictures)[:, 2::4, 2::4], small, rtol=0.5, atol=small.abs().max().item())
    assert small.shape[1:] == (8, 8) and (small < 0).any()


def test_gradcam_of_tokens(generator):
    """A transformer's class reads its last block at the class token alone: the default goes one block back."""
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 16, "num_classes": 3}
    network = VisionTransformer(image_size=96, patch_size=32, **sizes).eval()
    torch.nn.init.normal_(network.heads.head.weight, generator=generator)
    images = torch.randn(2, 3, 96, 96, generator=generator)
    assert torch.equal(gradcam(network, images), gradcam(network, images, block="encoder.layers.encoder_layer_0"))
    with pytest.raises(InputError, match="reads encoder.layers.encoder_layer_1 at its class token alone"):
        gradcam(network, images, block="encoder.layers.encoder_layer_1")


def test_tokens_are_laid_out_row_by_row_without_the_class_token():
    tokens = torch.arange(10.0).view(1, 10, 1)
    assert as_channels(torch.nn.Linear(1, 1), tokens).tolist() == [[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]]


def test_channels_last_maps_are_turned():
    assert as_channels(torch.nn.Linear(1, 1), torch.zeros(2, 4, 5, 7)).shape == (2, 7, 4, 5)


def test_integrated_gradients_are_complete(tiny, pictures):
    network = tiny("cifar_vgg11", width=4)
    logits = forward_of(network)
    classes = classes_of(network, pictures)
    with torch.no_grad():
        fall = (logits(pictures) - logits(torch.zeros_like(pictures))).gather(1, classes[:, None])[:, 0]
    torch.testing.assert_close(integrated_gradients(network, pictures, steps=128).sum((1, 2)), fall, rtol=0.02, atol=0.02 * fall.abs().max().item())


def test_integrated_gradients_of_the_norm_are_complete(tiny, pictures):
    network, block = tiny(), "layer2.1"
    norm = norm_of(network, block)
    torch.testing.assert_close(norm(pictures), probe(network, pictures).norm(block))
    with torch.no_grad():
        fall = norm(pictures) - norm(torch.zeros_like(pictures))
    torch.testing.assert_close(norm_gradients(network, pictures, block=block, steps=64).sum((1, 2)), fall, rtol=0.02, atol=0.02 * fall.abs().max().item())


def test_a_silent_channel_leaves_the_gradient_finite(tiny, pictures):
    network = tiny("cifar_vgg11", width=4)
    with torch.no_grad():
        network.features[0].bias[0] = -1e3
    assert torch.isfinite(norm_gradients(network, pictures, block="features.1", steps=4)).all()


def slow_occlusion(measure, images, window, stride):
    """Hide one window after the other; windows that reach beyond the picture hide what there is of them."""
    side = images.shape[-1]
    steps = -(-(side - window) // stride) + 1
    fall, times = torch.zeros(len(images), side, side), torch.zeros(side, side)
    with torch.no_grad():
        whole = measure(images)
        for row in range(0, steps * stride, stride):
            for column in range(0, steps * stride, stride):
                hidden = images.clone()
                hidden[:, :, row : row + window, column : column + window] = 0
                fall[:, row : row + window, column : column + window] += (whole - measure(hidden))[:, None, None]
                times[row : row + window, column : column + window] += 1
    return fall / times


@pytest.mark.parametrize(("window", "stride"), ((8, 4), (7, 5)))
def test_occlusion_is_the_mean_fall_over_windows(window, stride, tiny, pictures):
    network, pictures = tiny(), pictures[:2]
    classes, logits = classes_of(network, pictures), forward_of(network)
    slow = slow_occlusion(lambda x: logits(x).gather(1, classes[:, None])[:, 0], pictures, window, stride)
    torch.testing.assert_close(occlusion(network, pictures, window=window, stride=stride), slow, rtol=1e-3, atol=1e-4)
    slow = slow_occlusion(norm_of(network, "layer2.0"), pictures, window, stride)
    torch.testing.assert_close(norm_occlusion(network, pictures, block="layer2.0", window=window, stride=stride), slow, rtol=1e-3, atol=1e-4)


def test_what_lowers_the_norm_is_negative():
    """A block that responds to green alone: a green patch raises its norm, and nothing else has a place in the map."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(1, 2))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([-1.0, 1.0, 0.0]).view(1, 3, 1, 1))
        network[0].bias.fill_(0.5)
    image = torch.zeros(1, 3, 8, 8)
    image[:, 1, :4] = 1  # green raises, red lowers
    image[:, 0, 4:] = 0.4
    for name, parameters in (("gradients", {}), ("occlusion", {"window": 2, "stride": 2})):
        found = (norm_gradients if name == "gradients" else norm_occlusion)(network, image, block="1", **parameters)[0]
        assert (found[:4] > 0).all() and (found[4:] < 0).all()
