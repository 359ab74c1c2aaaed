"""What every line of the table keeps to."""

import copy
import inspect
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from core.adaptation import ADAPTATIONS, make
from core.adaptation.method import Method
from core.adaptation.method import finite as finite_pictures
from core.errors import InputError
from tests.core.adaptation.conftest import seeded, toys

QUICK = {"cotta": {"views": 2}, "rmt": {"warmup": 2, "source_batch": 16}, "dplot": {"warmup": 2, "source_batch": 16}, "rotta": {"every": 8, "capacity": 12}}


def made(name, network, preprocessing, source, seed=0, **options):
    return make(name, network, preprocessing, source=source, generator=seeded(seed), **{**QUICK.get(name, {}), **options})


def state_of(network):
    return {k: v.clone() for k, v in network.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.fixture(params=ADAPTATIONS)
def name(request):
    return request.param


def test_the_table_and_the_code_agree(name):
    entry = ADAPTATIONS[name]
    method = entry.load()
    assert issubclass(method, Method) and method.needs == entry.needs
    signature = inspect.signature(method.__init__).parameters
    declared = {k: p.default for k, p in signature.items() if p.kind is p.KEYWORD_ONLY and k not in ("source", "generator", "progress", "stop")}
    assert declared == dict(entry.parameters)


def test_the_source_network_is_never_changed(name, network, preprocessing, source, images):
    before, given = state_of(network), images.clone()
    mode = [m.training for m in network.modules()]
    method = made(name, network, preprocessing, source)
    for _ in range(3):
        method.adapt(images)
    assert same(before, state_of(network)) and torch.equal(images, given)
    assert [m.training for m in network.modules()] == mode and all(p.grad is None and p.requires_grad for p in network.parameters())


def test_logits_are_float32_of_the_right_shape(name, network, preprocessing, source, images):
    logits = made(name, network, preprocessing, source).adapt(images.double())
    assert logits.shape == (24, 3) and logits.dtype == torch.float32 and logits.isfinite().all() and not logits.requires_grad


def test_reset_gives_the_first_outputs_again_bit_by_bit(name, network, preprocessing, source, images):
    method = made(name, network, preprocessing, source)
    first = [method.adapt(images) for _ in range(3)]
    method.reset()
    assert all(torch.equal(one, method.adapt(images)) for one in first)


def test_a_snapshot_can_be_gone_back_to_twice(name, network, preprocessing, source, images):
    method = made(name, network, preprocessing, source)
    method.adapt(images)
    kept = method.snapshot()
    first = [method.adapt(images) for _ in range(2)]
    for _ in range(2):
        method.restore(kept)
        assert all(torch.equal(one, method.adapt(images)) for one in first)


def test_same_seed_same_result_and_the_callers_generator_stays(name, network, preprocessing, source, images):
    generator = seeded(5)
    state = generator.get_state()
    runs = []
    for _ in range(2):
        method = make(name, network, preprocessing, source=source, generator=generator, **QUICK.get(name, {}))
        runs.append([method.adapt(images) for _ in range(2)])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
    assert torch.equal(generator.get_state(), state)


def test_two_runs_do_not_see_each_other(name, network, preprocessing, source, images):
    alone = made(name, network, preprocessing, source)
    expected = [alone.adapt(images) for _ in range(3)]
    one, other = (made(name, network, preprocessing, source) for _ in range(2))
    other.adapt(images.flip(0))
    for want in expected:
        found = one.adapt(images)
        other.adapt(1 - images)
        assert torch.equal(found, want)


def test_runs_in_two_threads_give_what_each_gives_alone(name, network, preprocessing, source, images):
    def work(seed):
        method = made(name, network, preprocessing, source, seed)
        return torch.stack([method.adapt(images) for _ in range(2)])

    alone = [work(seed) for seed in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(work, (0, 1)))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_nothing_is_drawn_from_the_global_generator(name, network, preprocessing, source, images):
    state = torch.get_rng_state()
    made(name, network, preprocessing, source).adapt(images)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_pictures_without_numbers_are_refused_in_one_sentence(name, network, preprocessing, source, images, value):
    method, twin = (made(name, network, preprocessing, source) for _ in range(2))
    method.adapt(images), twin.adapt(images)
    broken = images.clone()
    broken[3, 1, 2, 2] = value
    with pytest.raises(InputError, match="1 of 24 pictures hold NaN"):
        method.adapt(broken)
    assert torch.equal(method.adapt(images), twin.adapt(images))


@pytest.mark.parametrize("wrong", [torch.zeros(0, 3, 8, 8), torch.zeros(3, 8, 8), torch.zeros(2, 1, 8, 8), torch.zeros(2, 3, 8, 8, dtype=torch.uint8)])
def test_what_is_no_batch_of_pixels_is_refused(name, network, preprocessing, source, wrong):
    with pytest.raises(InputError, match="float pixels"):
        made(name, network, preprocessing, source).adapt(wrong)


@pytest.mark.parametrize("batch", ["one picture", "one class", "one picture many times", "black"])
def test_odd_batches_leave_numbers_behind(name, network, preprocessing, source, images, batch):
    clean, labels = toys(24, seed=4)
    odd = {"one picture": images[:1], "one class": clean[labels == 1], "one picture many times": images[:1].repeat(8, 1, 1, 1), "black": 0 * images}[batch]
    method = made(name, network, preprocessing, source)
    for _ in range(3):
        assert method.adapt(odd).isfinite().all()
    assert method.adapt(images).isfinite().all()
    assert all(v.isfinite().all() for v in method.network.state_dict().values())


def test_a_network_without_batch_norm(name, without_norm, preprocessing, source, images):
    if {"batch norm", "norm"} & set(ADAPTATIONS[name].needs):
        with pytest.raises(InputError, match=r"^This network has no .*normalisation.*\.$"):
            made(name, without_norm, preprocessing, source)
    else:
        assert made(name, without_norm, preprocessing, source).adapt(images).isfinite().all()


def test_layer_norm_will_do_where_any_norm_is_needed(name, preprocessing, source, images):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.GroupNorm(2, 4), torch.nn.Flatten(), torch.nn.Linear(144, 3)).eval()
    if "batch norm" in ADAPTATIONS[name].needs:
        with pytest.raises(InputError, match="no batch normalisation"):
            made(name, network, preprocessing, source)
    else:
        assert made(name, network, preprocessing, source).adapt(images).isfinite().all()


def test_what_needs_source_pictures_says_so(name, network, preprocessing, source):
    if "pictures" not in ADAPTATIONS[name].needs:
        made(name, network, preprocessing, None)
        return
    with pytest.raises(InputError, match="pictures of the source"):
        made(name, network, preprocessing, None)
    if "labels" in ADAPTATIONS[name].needs:
        blank = copy.copy(source)
        object.__setattr__(blank, "labels", torch.full_like(source.labels, -1))
        with pytest.raises(InputError, match="labelled pictures"):
            made(name, network, preprocessing, blank)


def test_an_unknown_method_is_answered_by_the_known_ones(network, preprocessing):
    with pytest.raises(InputError, match="known ones are bn, bn_alpha, come, cotta"):
        make("magic", network, preprocessing)


def test_finite_tells_pictures_apart():
    images = torch.zeros(3, 3, 2, 2)
    images[1, 0, 0, 0], images[2, 2, 1, 1] = float("nan"), float("-inf")
    assert finite_pictures(images).tolist() == [True, False, False]


def test_a_single_picture_on_maps_of_one_pixel_is_refused_in_one_sentence(preprocessing, images):
    shrunk = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 8), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4, 3)).eval()
    method = make("tent", shrunk, preprocessing)
    with pytest.raises(InputError, match="single picture has no batch statistics"):
        method.adapt(images[:1])
    assert make("bn_alpha", shrunk, preprocessing).adapt(images[:1]).isfinite().all()
