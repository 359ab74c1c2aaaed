import torch
from hypothesis import given
from hypothesis import strategies as st

from core.adaptation import make
from core.adaptation.come import opinion
from core.adaptation.losses import entropy


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(2, 12), st.floats(0.1, 20))
def test_an_opinion_is_belief_and_doubt_of_a_dirichlet(seed, n, classes, size):
    x = size * torch.randn(n, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    evidence = x.exp()
    strength = (evidence + 1).sum(1, keepdim=True)  # of the Dirichlet with the parameters evidence + 1
    expected = torch.cat([evidence / strength, classes / strength], 1)
    torch.testing.assert_close(opinion(x).softmax(1), expected, rtol=1e-9, atol=1e-12)


def test_the_gradient_turns_logits_and_makes_them_no_longer():
    x = torch.tensor([[3.0, 1.0, -2.0], [0.5, 0.4, 0.3]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(entropy(opinion(x)).sum(), x)
    torch.testing.assert_close((gradient * x).sum(1), torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-12)
    assert (gradient.norm(dim=1) > 1e-3).all()


def test_one_step_is_one_step_of_adam_down_the_entropy_of_opinions(network, preprocessing, batch_norms, images):
    method, twin = make("come", network, preprocessing), batch_norms(network)
    parameters = [p for m in twin.modules() if isinstance(m, torch.nn.BatchNorm2d) for p in (m.weight, m.bias)]
    first, logits = method.adapt(images), twin(preprocessing.normalise(images))
    # as the paper writes it: evidence, strength, belief, doubt, with the length of the logits held fixed
    x = logits / logits.norm(dim=1, keepdim=True) * logits.norm(dim=1, keepdim=True).detach()
    strength = x.exp().sum(1, keepdim=True) + x.shape[1]
    believed = torch.cat([x.exp() / strength, x.shape[1] / strength], 1)
    gradients = torch.autograd.grad(-(believed * believed.log()).sum(1).mean(), parameters)
    assert torch.allclose(first, logits, atol=1e-6)  # the prediction is that before the step
    now = [p for m in method.network.modules() if isinstance(m, torch.nn.BatchNorm2d) for p in (m.weight, m.bias)]
    for start, g, after in zip(parameters, gradients, now, strict=True):
        clear = g.abs() > 1e-6  # Adam's first step is lr towards the sign, which rounding turns where the gradient is nothing
        assert clear.any() and torch.allclose(after[clear], (start - 1e-3 * g / (g.abs() + 1e-8))[clear], atol=1e-5)


def test_equal_logits_and_none_at_all_give_numbers():
    for x in (torch.zeros(2, 4), torch.full((1, 3), 80.0)):
        x.requires_grad_()
        (gradient,) = torch.autograd.grad(entropy(opinion(x)).sum(), x)
        assert gradient.isfinite().all()
