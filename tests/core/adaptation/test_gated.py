import pytest
import torch

from core.adaptation import make
from core.adaptation.losses import entropy
from core.errors import InputError
from tests.core.adaptation.conftest import seeded, toys

QUICK = {"warmup": 2, "source_batch": 16}


class Told:
    """A gate that is told the p-values."""

    def __init__(self, p_values):
        self.told = torch.as_tensor(p_values, dtype=torch.float64)

    def p_values(self, views, n):
        return self.told


@pytest.fixture
def resnet(tiny):
    return tiny(width=4, classes=3)


@pytest.fixture
def made(resnet, preprocessing, source):
    def of(name="dplot_gated", network=resnet, **options):
        return make(name, network, preprocessing, source=source, **{"blocks": ("layer1.0", "layer2.1"), **QUICK, **options})

    return of


def state(method):
    return [p.clone() for net in (method.network, method.teacher) for p in net.parameters()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_gate_that_accepts_all_is_dplot_bit_by_bit(made, images):
    gated, dplot = made(accept=0.0, push=1.0), made("dplot")
    for _ in range(3):
        assert torch.equal(gated.adapt(images), dplot.adapt(images))
    assert gated.accepted.all() and not gated.rejected.any() and same(state(gated), state(dplot))


@pytest.mark.parametrize("told", [0.01, 0.1])
def test_where_nothing_is_accepted_nothing_changes_and_all_is_predicted(made, images, told):
    method = made(push=1.0)
    method.gate, before = Told([told] * 24), state(method)
    first = method.adapt(images)
    assert first.shape == (24, 3) and torch.equal(first, method.adapt(images))
    assert not method.accepted.any() and same(before, state(method)) and not method.optimiser.state


@pytest.fixture
def apart(preprocessing, source):
    """Return a DPLOT on a network without batch statistics, where a picture can act on others through the losses alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.GroupNorm(2, 4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 3)).eval()
    return lambda **options: make("dplot_gated", network, preprocessing, source=source, **QUICK, **options)


def test_rejected_pictures_have_no_influence(apart, images):
    told = torch.tensor([0.5, 0.1, 0.01]).repeat(8)
    other = torch.where((told > 0.2).view(-1, 1, 1, 1), images, torch.rand(images.shape, generator=seeded(7)))
    ends = []
    for batch in (images, other, images.flip(0)):
        method = apart(push=0.0)
        method.gate = Told(told)
        method.adapt(batch)
        ends.append(state(method))
    assert same(ends[0], ends[1]) and not same(ends[0], ends[2])


def test_a_push_makes_what_is_rejected_less_sure_and_what_is_between_stays_without_influence(apart, images):
    told = torch.tensor([0.5, 0.1, 0.01]).repeat(8)
    ends = {}
    for push in (0.0, 1.0):
        method = apart(push=push)
        method.gate = Told(told)
        for _ in range(5):
            method.adapt(images)
        ends[push] = entropy(method.classify(images)[told < 0.05]).mean()
    assert ends[1.0] > ends[0.0] + 1e-4
    other = torch.where((told == 0.1).view(-1, 1, 1, 1), torch.rand(images.shape, generator=seeded(7)), images)
    methods = [apart(push=1.0) for _ in range(2)]
    for method, batch in zip(methods, (images, other), strict=True):
        method.gate = Told(told)
        method.adapt(batch)
    assert same(state(methods[0]), state(methods[1]))


def test_of_more_source_pictures_the_share_that_is_left_out_is_the_one_asked_for(network, preprocessing, source):
    more = type(source)(*(t.repeat(1, *[1] * (t.ndim - 1)) for t in toys(400, seed=1)), (), (), ())
    method = make("dplot_gated", network, preprocessing, source=more, accept=0.25, warmup=0, source_batch=100)
    clean, _ = toys(200, seed=9)
    method.adapt(clean)
    assert 0.6 <= method.accepted.double().mean() <= 0.9


def test_the_gate_stays_as_it_is_while_the_student_learns(made, images):
    method = made(lr=0.1)
    method.adapt(images)
    first = method.p_values
    for _ in range(5):
        method.adapt(images)
    assert torch.equal(first, method.p_values) and ((first > 0) & (first <= 1)).all()


def test_what_was_accepted_is_forgotten_by_reset_and_the_gate_is_not_copied(made, images):
    method = made()
    assert method.accepted is None
    method.adapt(images)
    assert method.accepted.shape == (24,) and method.accepted.dtype == torch.bool
    assert "gate" not in method.snapshot()[0]
    method.reset()
    assert method.accepted is None


def test_given_blocks_still_need_source_pictures_for_the_gate(resnet, preprocessing):
    with pytest.raises(InputError, match="GatedDPLOT needs pictures of the source"):
        make("dplot_gated", resnet, preprocessing, blocks=("layer1.0",), warmup=0)


def test_the_score_is_the_mean_energy_over_both_views(made, images):
    method = made()
    gate, views = method.gate, torch.cat([images, images.flip(3)])
    features, logits = method.features(views, gate.network)
    norms = {}
    handle = gate.network.get_submodule(gate.block).register_forward_hook(lambda _, __, x: norms.update(x=x.relu().flatten(2).norm(dim=2).mean(1)))
    method.classify(views, gate.network)
    handle.remove()
    weight, bias = gate.head
    scaled = torch.nn.functional.normalize(features.double()) * norms["x"].double()[:, None] @ weight.T + bias
    expected = torch.stack(scaled.logsumexp(1).split(24)).mean(0)
    assert torch.allclose(gate.scores(views, 24), expected, atol=1e-4)


def test_no_share_of_unknown_pictures_is_assumed(apart, images):
    """Without batch statistics a picture's verdict is its own, however many others look unknown."""
    method = apart()
    few, many = (torch.cat([images[:8], torch.rand(n, 3, 8, 8, generator=seeded(7))]) for n in (2, 60))
    verdicts = []
    for batch in (images[:8], few, many):
        method.reset()
        method.adapt(batch)
        verdicts.append(method.p_values[:8])
    assert all(torch.equal(verdicts[0], v) for v in verdicts[1:])
