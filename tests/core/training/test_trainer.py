"""Training learns, can be stopped and resumed without a trace, and leaves what it is given alone."""

import copy
import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from core.errors import InputError
from core.images.preprocess import Preprocessing
from core.training.standard import loss
from core.training.trainer import Curve, Recipe, accuracy, augment, read_curve, train

PREPROCESSING = Preprocessing(8)
RECIPE = Recipe(epochs=4, batch_size=16, peak=0.1, crop=1)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))


@pytest.fixture
def task(generator):
    """Return 64 noisy pictures and their classes: 0 is redder, 1 is bluer."""
    labels = torch.arange(64) % 2
    images = torch.randint(0, 180, (64, 3, 8, 8), generator=generator)
    images[labels == 0, 0] += 70
    images[labels == 1, 2] += 70
    return images.to(torch.uint8), labels


def run(network, task, recipe=RECIPE, **options):
    return train(network, *task, PREPROCESSING, recipe, **{"loss": loss, "validation": task, **options})


def assert_same(one, other):
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in one.state_dict().items())


def test_loss_is_cross_entropy_by_hand():
    logits = torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    found = loss(nn.Identity(), logits, torch.tensor([0, 1]), generator=None)
    assert found.item() == pytest.approx((torch.log(torch.tensor(2.0)) + 3 + torch.log1p(torch.exp(torch.tensor(-3.0)))).item() / 2)


def test_it_learns_and_tells_how(network, task):
    seen = []
    trained, curve = run(network, task, progress=lambda done, total, curve: seen.append((done, total, len(curve.loss))))
    assert curve.loss[-1] < 0.6 * curve.loss[0] and curve.accuracy[-1] > 0.9
    assert len(curve.loss) == len(curve.accuracy) == len(curve.seconds) == 4 and min(curve.seconds) > 0
    assert curve.accuracy[-1] == accuracy(trained, *task, PREPROCESSING) and not trained.training
    assert seen == [(i + 1, 16, i // 4) for i in range(16)]


def test_what_is_watched_is_kept_epoch_by_epoch(network, task, tmp_path):
    file = tmp_path / "checkpoint.pt"
    trained, curve = run(network, task, watch=lambda net: {"bias": net[-1].bias[0].item()}, checkpoint=file)
    assert len(curve.watched) == 4 and curve.watched[-1] == {"bias": trained[-1].bias[0].item()} != curve.watched[0]
    assert read_curve(file) == curve and read_curve(tmp_path / "none.pt") == Curve()


def test_the_network_given_is_not_changed(network, task):
    before = copy.deepcopy(network)
    trained, _ = run(network.train(), task)
    assert_same(network, before)
    assert network.training and not torch.equal(trained[0].weight, network[0].weight)


def test_the_seed_makes_the_run(network, task):
    first, curve = run(network, task)
    torch.manual_seed(99)  # global randomness plays no part
    again, _ = run(network, task)
    assert_same(first, again)
    other, _ = run(network, task, Recipe(**{**vars(RECIPE), "seed": 1}))
    assert not torch.equal(other[0].weight, first[0].weight)


def test_every_epoch_draws_its_own_order(network, task):
    first_batches = []

    def spy(network, images, labels, generator):
        first_batches.append(images.clone())
        return loss(network, images, labels, generator=generator)

    run(network, task, Recipe(epochs=3, batch_size=64, crop=0, flip=False), loss=spy)  # a batch an epoch, all 64 pictures in it
    assert not torch.equal(first_batches[0], first_batches[1]) and not torch.equal(first_batches[1], first_batches[2])
    totals = [batch.double().sum().item() for batch in first_batches]
    assert totals == pytest.approx([totals[0]] * 3)  # the same pictures, in another order


def test_a_resumed_run_ends_as_one_that_was_never_stopped(network, task, tmp_path):
    whole, curve = run(network, task)
    stop = threading.Event()

    def halfway(done, total, _):
        if done == 10:  # in the middle of the third epoch
            stop.set()

    file = tmp_path / "deep" / "run.pt"
    _, early = run(network, task, checkpoint=file, progress=halfway, stop=stop)
    assert len(early.loss) == 2 and file.is_file()
    resumed, late = run(network, task, checkpoint=file)
    assert_same(resumed, whole)
    assert late.loss == curve.loss and late.accuracy == curve.accuracy
    steps = []
    done, _ = run(network, task, checkpoint=file, progress=lambda *step: steps.append(step))  # nothing is left to do
    assert_same(done, whole)
    assert steps == [] and [f.name for f in file.parent.iterdir()] == ["run.pt"]


def test_a_resumed_moving_average_ends_as_one_that_was_never_stopped(network, task, tmp_path):
    recipe = Recipe(**{**vars(RECIPE), "ema": 0.9})
    whole, _ = run(network, task, recipe)
    stop = threading.Event()
    run(network, task, recipe, checkpoint=tmp_path / "run.pt", progress=lambda done, *_: stop.set() if done == 9 else None, stop=stop)
    resumed, _ = run(network, task, recipe, checkpoint=tmp_path / "run.pt")
    assert_same(resumed, whole)


def test_the_moving_average_by_hand(network, task):
    recipe = {**vars(RECIPE), "epochs": 1}

    def after(steps):
        stop = threading.Event()
        raw, _ = run(network, task, Recipe(**recipe), progress=lambda done, *_: stop.set() if done == steps else None, stop=stop)
        return raw[0].weight

    expected = after(1)
    for steps in (2, 3, 4):
        expected = 0.75 * expected + 0.25 * after(steps)
    averaged, _ = run(network, task, Recipe(**{**recipe, "ema": 0.75}))
    assert torch.allclose(averaged[0].weight, expected, atol=1e-6)


def test_a_checkpoint_of_another_recipe_is_refused(network, task, tmp_path):
    run(network, task, Recipe(epochs=1, batch_size=16), checkpoint=tmp_path / "run.pt")
    with pytest.raises(InputError, match="run.pt is the checkpoint of another recipe; remove it or train as it says"):
        run(network, task, checkpoint=tmp_path / "run.pt")


def test_a_stop_before_the_start_gives_the_network_back(network, task):
    stop = threading.Event()
    stop.set()
    found, curve = run(network, task, stop=stop)
    assert_same(found, network)
    assert curve.loss == [] and not found.training


@pytest.mark.parametrize(("labels", "counts"), [([0] * 64, "64"), ([1] * 64, "0, 64"), ([0, 2] * 32, "32, 0, 32"), ([-1] * 64, "0"), ([], "0")])
def test_missing_classes_are_explained(network, task, labels, counts):
    with pytest.raises(InputError, match=rf"at least two classes and of each class; found \[{counts}\]"):
        run(network, (task[0][: len(labels)], torch.tensor(labels, dtype=torch.int64)), validation=task)


def test_a_loss_that_is_no_number_ends_the_run(network, task):
    with pytest.raises(InputError, match="The loss became nan in epoch 1; lower the learning rate"):
        run(network, task, loss=lambda network, images, labels, generator: network(images).sum() * float("nan"))


def test_five_steps_are_enough(network, task):
    _, curve = run(network, task, Recipe(epochs=5, batch_size=256, crop=1))
    assert len(curve.loss) == 5


@pytest.mark.parametrize("case", ["no epochs", "more labels than logits", "no validation pictures"])
def test_what_cannot_work_is_explained(network, task, case):
    images, labels = task
    recipe = Recipe(epochs=0) if case == "no epochs" else Recipe(epochs=1, batch_size=16)
    try:
        if case == "more labels than logits":
            run(network, (images, torch.arange(64) % 3), recipe)
        else:
            run(network, task, recipe, validation=(images[:0], labels[:0]) if case == "no validation pictures" else task)
    except InputError:
        return
    raise ValueError("it ran")


def test_accuracy_by_hand_and_the_mode_is_put_back(task):
    images, labels = task
    redder = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    redder[0].weight.data = torch.tensor([[1.0, 0, 0], [0, 0, 1.0]])[..., None, None]
    red = images[:, 0].float().mean((1, 2)) / 255 - 0.485, images[:, 2].float().mean((1, 2)) / 255 - 0.406
    expected = ((red[1] / 0.225 > red[0] / 0.229).long() == labels).float().mean().item()
    assert accuracy(redder.train(), images, labels, PREPROCESSING, batch_size=10) == pytest.approx(expected) and redder.training
    assert accuracy(redder.eval(), images, 1 - labels, PREPROCESSING) == pytest.approx(1 - expected) and not redder.training


@given(st.integers(0, 1000), st.integers(0, 3), st.booleans(), st.sampled_from([torch.uint8, torch.float32]))
def test_augmented_pictures_are_shifted_by_at_most_the_crop(seed, crop, flip, dtype):
    images = (torch.arange(2 * 3 * 6 * 7).reshape(2, 3, 6, 7) % 251).to(dtype)
    before = images.clone()
    found = augment(images, crop, flip=flip, generator=seeded(seed))
    assert found.shape == images.shape and found.dtype == dtype and torch.equal(images, before)
    padded = nn.functional.pad(images.float(), (crop,) * 4, mode="reflect")
    for picture, result in zip(padded, found.float(), strict=True):
        windows = [picture[:, top : top + 6, left : left + 7] for top in range(2 * crop + 1) for left in range(2 * crop + 1)]
        windows += [w.flip(2) for w in windows] if flip else []
        assert any(torch.equal(w, result) for w in windows)


def test_without_crop_and_flip_a_picture_stays(task):
    assert torch.equal(augment(task[0], 0, flip=False, generator=seeded()), task[0])


def test_half_of_the_pictures_are_mirrored_and_every_shift_occurs(generator):
    image = torch.arange(9.0).reshape(1, 1, 3, 3).repeat(2000, 1, 1, 1)
    flipped = (augment(image, 0, flip=True, generator=generator) != image).flatten(1).any(1).double().mean()
    assert flipped.item() == pytest.approx(0.5, abs=0.05)
    assert len(augment(image, 1, flip=False, generator=generator).flatten(1).unique(dim=0)) == 9
