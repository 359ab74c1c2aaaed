"""RoTTA: statistics that move slowly, and a memory with room for every class that is learnt from now and then.

Made for streams that are sorted by class and for small batches: what a picture is predicted does not depend on its neighbours.

Source: Yuan et al., CVPR 2023, and its code.
"""

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from core.adaptation.augment import augment
from core.adaptation.losses import entropy
from core.adaptation.method import Method, descend
from core.adaptation.norms import MovingNorm, norm_parameters, replace_batch_norms
from core.adaptation.teacher import follow


@dataclass
class Kept:
    """A picture in the memory: the class it was taken for, its entropy (nats), and how many pictures have come since."""

    picture: torch.Tensor
    label: int
    entropy: float
    age: int = 0


class Memory:
    """A store of pictures that are recent, sure, and of all classes alike.

    Source: Yuan et al., CVPR 2023, section 3.3, CSTU. With more classes than room, a class's share is below one picture; each may then
    hold one until the memory is full, as in the code.
    """

    def __init__(self, capacity, classes):
        self.capacity, self.classes, self.kept = capacity, classes, []

    def add(self, picture, label, unsure):
        """Keep a picture, if need be in place of a worse one, or not at all. All others grow older either way."""
        new = Kept(picture, label, unsure)
        counts = [0] * self.classes
        for one in self.kept:
            counts[one.label] += 1
        if counts[label] >= self.capacity / self.classes:
            room = self._evict([label], self.badness(new))
        elif len(self.kept) >= self.capacity:
            room = self._evict([c for c, count in enumerate(counts) if count == max(counts)], self.badness(new))
        else:
            room = True
        if room:
            self.kept.append(new)
        for one in self.kept:
            one.age += 1

    def badness(self, one):
        """Return how little a picture is worth keeping: its age and its entropy, each from about 0.5 or 0 to 1."""
        return 1 / (1 + math.exp(-one.age / self.capacity)) + one.entropy / math.log(self.classes)

    def _evict(self, labels, than):
        found = [one for one in self.kept if one.label in labels]
        if not found:
            return True
        worst = max(reversed(found), key=self.badness)
        if self.badness(worst) <= than:
            return False
        self.kept = [one for one in self.kept if one is not worst]
        return True


class RoTTA(Method):
    """Let statistics move slowly, and learn now and then from a memory that has room for every class."""

    needs = ("batch norm",)

    def __init__(self, network, preprocessing, *, lr=1e-3, alpha=0.05, nu=1e-3, capacity=64, every=64, **shared):
        """Args: alpha: share of the batch by which statistics move; nu: by which the teacher does; capacity: of the memory;
        every: how many pictures come between two steps."""
        super().__init__(network, preprocessing, **shared)
        self.nu, self.capacity, self.every = nu, capacity, every
        self.teacher = copy.deepcopy(replace_batch_norms(self.network, MovingNorm, alpha=alpha))
        self.optimiser = torch.optim.Adam(norm_parameters(self.network), lr)
        self.memory: Any = None  # a `Memory` once the number of classes is known
        self.seen = 0

    def step(self, images):
        with torch.no_grad():
            logits = self.classify(images, self.teacher)
            labels, unsure = logits.argmax(1).tolist(), entropy(logits).tolist()
        self.memory = self.memory or Memory(self.capacity, logits.shape[1])
        for image, label, one in zip(images, labels, unsure, strict=True):
            self.memory.add(image.clone(), label, one)
            self.seen += 1
            if self.seen % self.every == 0:
                self._learn()
        return logits

    def _learn(self):
        pictures = torch.stack([one.picture for one in self.memory.kept])
        age = pictures.new_tensor([one.age for one in self.memory.kept]) / self.capacity
        self._measure(True)
        with torch.no_grad():
            taught = self.classify(pictures, self.teacher).softmax(1)
        found = self.classify(augment(pictures, self.generator))
        fresh = (-age).sigmoid()  # exp(-age) / (1 + exp(-age))
        descend(self.optimiser, (F.cross_entropy(found, taught, reduction="none") * fresh).mean())
        follow(self.teacher, self.network, 1 - self.nu)
        self._measure(False)

    def _measure(self, moving):
        """Let statistics move, or not; nothing else of train mode, as dropout, which would draw from a generator that is not ours."""
        for network in (self.network, self.teacher):
            for layer in network.modules():
                if isinstance(layer, MovingNorm):
                    layer.train(moving)
