import torch

from core.adaptation import make


def norm_parameters(network):
    return [p for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d) for p in (m.weight, m.bias)]


def test_one_step_is_one_step_of_adam_on_scales_and_shifts(network, preprocessing, batch_norms, images):
    method = make("tent", network, preprocessing)
    first = method.adapt(images)
    twin = batch_norms(network)
    logits = twin(preprocessing.normalise(images))
    p = logits.softmax(1)
    gradients = torch.autograd.grad(-(p * p.log()).sum(1).mean(), norm_parameters(twin))
    assert torch.allclose(first, logits, atol=1e-6)  # the prediction is that before the step
    for start, g, now in zip(norm_parameters(twin), gradients, norm_parameters(method.network), strict=True):
        # Adam's first step: m / (1 - 0.9) = g, v / (1 - 0.999) = g squared
        assert torch.allclose(now, start - 1e-3 * g / (g.abs() + 1e-8), atol=1e-6)
    assert torch.equal(method.network[0].weight, network[0].weight)


def test_steps_lower_the_entropy(network, preprocessing, images):
    method = make("tent", network, preprocessing)
    logits = [method.adapt(images) for _ in range(20)]
    before, after = (torch.distributions.Categorical(logits=x).entropy().mean() for x in (logits[0], logits[-1]))
    assert after < before
