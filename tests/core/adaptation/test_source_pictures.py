import torch

from core.adaptation.method import Method
from core.adaptation.source_pictures import Shuffled, pixels_of, prototypes


def test_batches_go_round_without_losing_a_picture(network, preprocessing, source):
    method, batches = Method(network, preprocessing, source=source), Shuffled(16)
    rounds = [[batches.next(method) for _ in range(3)] for _ in range(2)]
    for taken in rounds:
        assert [len(labels) for _, labels in taken] == [16, 16, 8]
        assert torch.equal(torch.cat([labels for _, labels in taken]).bincount(), source.labels.bincount())
        pixels = torch.cat([p for p, _ in taken])
        assert torch.equal(pixels.sum((1, 2, 3)).sort().values, pixels_of(source.images, "cpu").sum((1, 2, 3)).sort().values)
    assert not torch.equal(rounds[0][0][0], rounds[1][0][0])


def test_class_means_by_loops(source):
    labels = torch.where(torch.arange(40) < 3, -1, source.labels)
    partly = type(source)(source.images, labels, (), (), ())
    found = prototypes(lambda pixels: pixels.mean((2, 3)), partly, 4, batch_size=7, device="cpu")
    for c in range(3):
        expected = (source.images[labels == c].double() / 255).mean((0, 2, 3))
        assert torch.allclose(found[c], expected, atol=1e-6)
    assert found[3].isnan().all()
