"""Streams: ordered batches of pictures whose look changes, the same for the same seed however often they are walked through."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from core.adaptation import SETTINGS
from core.errors import InputError
from core.images.sources import batches as source_batches
from core.table import look_up

CLEAN = "clean"  # a domain without a corruption
RAMP = (1, 2, 3, 4, 5, 4, 3, 2, 1)
MIXED = "mixed"


@dataclass(frozen=True)
class StreamBatch:
    """One batch.

    Attributes: images: (N, 3, S, S) float in [0, 1]; labels: (N,) int64, -1 unknown; domains: N names; known: (N,) bool, False for a picture
        of no class that the network knows (OOD); severity: 1 to 5, or None where there is none or it is not known.
    """

    images: torch.Tensor
    labels: torch.Tensor
    domains: tuple
    known: torch.Tensor
    severity: int | None = None

    def __len__(self):
        return len(self.labels)

    @property
    def domain(self):
        """Return the name of the domain, "mixed" where there are several."""
        return self.domains[0] if len(set(self.domains)) == 1 else MIXED

    def keep(self, rows):
        """Return some of the pictures. Args: rows: (N,) bool."""
        domains = tuple(d for d, kept in zip(self.domains, rows.tolist(), strict=True) if kept)
        return replace(self, images=self.images[rows], labels=self.labels[rows], domains=domains, known=self.known[rows])


class Stream:
    """Corrupted pictures of one source in one of the `SETTINGS`. Iterating draws them; each time the same."""

    def __init__(
        self,
        images,
        labels,
        corruptions,
        *,
        setting="continual",
        severity=5,
        batch_size=200,
        seed=0,
        unknown=None,
        share=0.0,
        concentration=0.1,
        corrupt=None,
    ):
        """Args:
        images: (N, 3, S, S) uint8, or float in [0, 1]; labels: (N,) int64, -1 unknown; every domain shows all of them.
        corruptions: names of `core.corruptions`, in order; "clean" is none. setting: a name of `SETTINGS`.
        severity: 1 to 5; the setting "gradual" has its own. seed: of order and corruptions.
        unknown: (M, 3, S, S) as images, OOD pictures that are mixed in; share: of each batch, 0 to below 1.
        concentration: of the Dirichlet distribution in the setting "correlated"; lower = more alike neighbours.
        corrupt: by default `core.corruptions.corrupt`.
        Raises: InputError for settings that do not work.
        """
        look_up(SETTINGS, setting, kind="setting")
        if not len(images) or not corruptions or batch_size < 1:
            raise InputError("A stream needs at least one picture, one corruption and one picture a batch.", key="stream.empty")
        if not 0 <= share < 1 or (share and (unknown is None or not len(unknown))):
            raise InputError(f"The share of unknown pictures is {share:g}; give 0, or less than 1 with pictures to draw from.", key="stream.share")
        if setting == "correlated" and (concentration <= 0 or not (labels >= 0).all()):
            raise InputError("The setting correlated needs a label for every picture and a concentration above 0.", key="stream.labels")
        self.setting, self.domains = setting, tuple(corruptions)
        self._images, self._labels, self._unknown, self._severity = images, labels, unknown, severity
        self._seed, self._concentration = seed, concentration
        self._corrupt = corrupt
        self._strange = min(round(share * batch_size), batch_size - 1)  # unknown pictures in a full batch
        self._known, self._share = batch_size - self._strange, self._strange / batch_size

    def __len__(self):
        """Return the number of batches."""
        n = len(self._images)
        if self.setting == "mixed":
            return -(-n * len(self.domains) // self._known)
        return sum(-(-n // self._known) * (len(RAMP) if self.setting == "gradual" and name != CLEAN else 1) for name in self.domains)

    def __iter__(self):
        generator = torch.Generator().manual_seed(self._seed)
        strangers = self._strangers(generator)
        if self.setting == "mixed":
            pairs = torch.randperm(len(self._images) * len(self.domains), generator=generator)
            for chosen in pairs.split(self._known):
                names = tuple(self.domains[i] for i in (chosen // len(self._images)).tolist())
                yield self._batch(chosen % len(self._images), names, self._severity, strangers, generator)
            return
        for name in self.domains:
            for severity in RAMP if self.setting == "gradual" and name != CLEAN else (self._severity,):
                for chosen in self._order(generator).split(self._known):
                    yield self._batch(chosen, (name,) * len(chosen), severity, strangers, generator)

    def _order(self, generator):
        if self.setting == "correlated":
            return by_dirichlet(self._labels, self._concentration, generator)
        return torch.randperm(len(self._images), generator=generator)

    def _strangers(self, generator):
        """Yield rows of unknown pictures without end, each round in a new order."""
        while self._strange:
            yield from torch.randperm(len(self._unknown), generator=generator).tolist()

    def _batch(self, chosen, names, severity, strangers, generator):
        count = round(self._share / (1 - self._share) * len(chosen))  # fewer in a last, smaller batch
        images, labels = _float(self._images[chosen]), self._labels[chosen]
        if count:
            images = torch.cat([images, _float(self._unknown[torch.tensor([next(strangers) for _ in range(count)])])])
            labels = torch.cat([labels, labels.new_full((count,), -1)])
            names = (*names, *(names[i] for i in torch.randint(len(names), (count,), generator=generator).tolist()))
        known = torch.arange(len(images)) < len(chosen)
        for name in dict.fromkeys(names):
            if name != CLEAN:
                rows = torch.tensor([n == name for n in names])
                images[rows] = self._corrupted(images[rows], name, severity, generator)
        order = torch.randperm(len(images), generator=generator) if count else torch.arange(len(images))
        return StreamBatch(images[order], labels[order], tuple(names[i] for i in order.tolist()), known[order], None if set(names) == {CLEAN} else severity)

    def _corrupted(self, images, name, severity, generator):
        if self._corrupt is None:
            from core.corruptions import corrupt

            self._corrupt = corrupt
        return self._corrupt(images, name, severity, generator=generator).to(images.dtype)


class ReadyStream:
    """Pictures of a source in the order they come in, such as a Parquet file with the columns image, label and domain.

    A batch ends where the domain changes, unless the setting is "mixed". Pictures that cannot be read are left out; `errors` names them.
    """

    def __init__(self, source, preprocessing, *, setting="continual", batch_size=200, stop=None):
        """Args: source: as `core.images.sources.open_source`; preprocessing: what the network sees of a picture; stop: read so many at most."""
        if setting not in ("reset", "continual", "mixed"):
            raise InputError(f"A ready-made stream has its own order; its setting is reset, continual or mixed, not {setting}.", key="stream.ready")
        self.setting, self.errors = setting, ()
        self._source, self._preprocessing, self._size, self._stop = source, preprocessing, batch_size, stop

    def __iter__(self):
        self.errors, held = (), None
        for part in source_batches(self._source, self._preprocessing, size=self._size, stop=self._stop):
            self.errors += part.errors
            names = tuple(d or self._source.name for d in part.domains)
            new = StreamBatch(_float(part.images), part.labels, names, torch.ones(len(names), dtype=torch.bool))
            held = new if held is None else _joined(held, new)
            while len(held) and (cut := self._cut(held.domains)):
                yield held.keep(torch.arange(len(held)) < cut)
                held = held.keep(torch.arange(len(held)) >= cut)
        if held is not None and len(held):
            yield held

    def _cut(self, names):
        """Return how many of the pictures that are held make a batch, 0 if more may belong to it."""
        end = len(names) if self.setting == "mixed" else next((i for i, name in enumerate(names) if name != names[0]), len(names))
        return min(end, self._size) if end < len(names) or end >= self._size else 0


def by_dirichlet(labels, concentration, generator):
    """Order pictures so that neighbours are of few classes.

    Args: labels: (N,) int64 from 0; concentration: lower = clumpier. Returns: (N,) rows, each once.
    Source: as LAME's and RoTTA's streams: as many slots as classes, each class spread over them by a draw from a Dirichlet distribution;
        in a slot class follows class.
    """
    seed = int(torch.randint(2**62, (), generator=generator))  # torch's own Dirichlet takes no generator
    draw, values = np.random.default_rng(seed), labels.numpy()
    classes = np.unique(values)
    slots = [[] for _ in classes]
    for c in classes:
        rows = draw.permutation(np.flatnonzero(values == c))
        ends = (np.cumsum(draw.dirichlet([concentration] * len(slots)))[:-1] * len(rows)).round().astype(int)
        for slot, part in zip(slots, np.split(rows, ends), strict=True):
            slot.append(part)
    return torch.from_numpy(np.concatenate([part for slot in slots for part in slot]))


def _float(images):
    return images.float() / 255 if images.dtype == torch.uint8 else images.float().clone()


def _joined(one, other):
    tensors: dict[str, Any] = {name: torch.cat([getattr(one, name), getattr(other, name)]) for name in ("images", "labels", "known")}
    return StreamBatch(**tensors, domains=one.domains + other.domains)
