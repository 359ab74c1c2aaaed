import pytest
import torch
from torch.nn import functional as F

from core.adaptation import make


def test_a_familiar_batch_by_hand(network, preprocessing, batch_norms, images):
    method = make("cotta", network, preprocessing, threshold=0.0, restore=0.0, momentum=0.8)
    found = method.adapt(images)
    student, inputs = batch_norms(network), preprocessing.normalise(images)
    taught = batch_norms(network)(inputs).detach()
    optimiser = torch.optim.Adam(student.parameters(), 1e-3)
    F.cross_entropy(student(inputs), taught.softmax(1)).backward()
    optimiser.step()
    assert torch.allclose(found, taught, atol=1e-6)
    for now, mine, start, teacher in zip(student.parameters(), method.network.parameters(), network.parameters(), method.teacher.parameters(), strict=True):
        assert torch.allclose(mine, now, atol=1e-6)
        assert torch.allclose(teacher, 0.8 * start + 0.2 * now, atol=1e-6)


def test_an_unfamiliar_batch_is_seen_in_many_views(network, preprocessing, images):
    seen = []
    method = make("cotta", network, preprocessing, threshold=1.1, views=3)
    method.teacher.register_forward_hook(lambda _, inputs, output: seen.append(output))
    method._first = method.snapshot()
    found = method.adapt(images)
    assert len(seen) == 3 and torch.allclose(found, torch.stack(seen).mean(0), atol=1e-6)
    assert not torch.allclose(seen[0], seen[1], atol=1e-3)


def test_the_share_that_goes_back(tiny, images):
    from core.images.preprocess import Preprocessing

    network = tiny(width=16, classes=3)
    method = make("cotta", network, Preprocessing(8), threshold=0.0, restore=0.1, lr=0.1)
    method.adapt(images)
    moved, back = 0, 0
    for p, q in zip(method.network.parameters(), network.parameters(), strict=True):
        if p.ndim > 1:
            back += int((p == q).sum())
            moved += p.numel()
    assert back / moved == pytest.approx(0.1, abs=0.01)
