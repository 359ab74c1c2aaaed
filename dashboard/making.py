"""What the workshop computes, cached by paths and what they held. Torch is imported inside, so that a page paints first."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from core import jobs
from core.errors import InputError
from core.images.sources import open_source
from core.networks import NETWORKS
from core.uploads import folder_of, forget, sweep
from dashboard import compute
from dashboard.session.presence import hold

PREVIEW = 12  # pictures


@dataclass(frozen=True)
class Facts:
    """What a source of pictures says of itself: how many, and the names of its classes, or ()."""

    pictures: int
    classes: tuple


@dataclass(frozen=True)
class Sketch:
    """A network without values: the names of its blocks, how many parameters it has."""

    blocks: tuple
    parameters: int


@dataclass(frozen=True)
class Preview:
    """Pictures as a network would see them: `pictures` [((S, S, 3) uint8, name)]; `errors` [(name, InputError)] of those that cannot be read."""

    pictures: tuple
    errors: tuple


@st.cache_resource(show_spinner=False)
def builds():
    """Return the `core.packs.live.Builds` of this server; they stand in one line with its trainings."""
    from core.packs.live import Builds

    found = Builds(line=compute.trainings().line)
    sweep(lambda folder: found.needs(folder.name))
    return found


def brought(path):
    """Hold a file or folder that a person brought until that person has gone, and longer where a build is made of it. Returns: the path."""
    folder = folder_of(path)
    hold("brought", folder.name, lambda: builds().needs(folder.name) or forget(folder))
    return path


@st.cache_data(show_spinner=False, max_entries=32)
def fits(path, stamp):
    """Return the networks that a weights file fits, best first. Raises: InputError as `core.networks.build.read_state`."""
    from core.networks.build import read_state
    from core.networks.guess import guess

    return guess(read_state(path))


@st.cache_data(show_spinner=False, max_entries=64)
def fit(path, stamp, arch, width):
    """Return how a weights file fits one architecture. Raises: InputError as `core.networks.guess.fit`."""
    from core.networks import guess
    from core.networks.build import read_state

    return guess.fit(read_state(path), arch, width=width)


@st.cache_data(show_spinner=False)
def archs():
    """Return every architecture's name: our own first, then torchvision's."""
    from core.networks.build import known_names

    return tuple(known_names())


def published_archs():
    """Return the names of torchvision's classifiers."""
    return tuple(name for name in archs() if name not in NETWORKS)


def published_fit(arch):
    """Return the `Fit` of a network with torchvision's own weights."""
    from core.networks.guess import Fit

    return Fit(arch, None, 1000)


@st.cache_data(show_spinner=False, max_entries=64)
def sketched(arch, width, classes, options):
    """Return the `Sketch` of a network. Args: options: pairs."""
    from core.blocks import find_blocks
    from core.networks.build import sketch

    network = sketch(arch, width=width, classes=classes, **dict(options))
    return Sketch(find_blocks(network), sum(p.numel() for p in network.parameters()))


@st.cache_data(show_spinner=False, max_entries=64)
def usual_preprocessing(arch, options):
    """Return the `Preprocessing` that is usual for an architecture. Args: options: pairs."""
    from core.networks.inputs import usual_preprocessing

    return usual_preprocessing(arch, **dict(options))


@st.cache_data(show_spinner=False, max_entries=64)
def source_facts(spec, stamp):
    """Return the `Facts` of a source. Raises: InputError as `open_source`."""
    source = open_source(spec)
    return Facts(len(source), tuple(source.classes or ()))


@st.cache_resource(show_spinner=False, max_entries=64)  # an error would lose its words in the copy that cache_data makes
def preview(spec, stamp, size, resize, jpeg):
    """Return the `Preview` of pictures from all over a source."""
    from core.images.preprocess import Preprocessing

    source, see = open_source(spec), Preprocessing(size, resize=resize, jpeg=jpeg)
    pictures, errors = [], []
    for i in np.linspace(0, len(source) - 1, min(PREVIEW, len(source))).round().astype(int):
        item = source[int(i)]
        try:
            pictures.append((see.see(item.open(near=resize or size)), item.name))
        except InputError as error:
            errors.append((item.name, error))
    return Preview(tuple(pictures), tuple(errors))


def check(plan):
    """Start to check how many known pictures a network recognises. Returns: the `core.jobs.Job`, whose result is a `core.packs.new.Check`."""

    def work(job):
        from core.cli import parse
        from core.packs.command import order_of
        from core.packs.new import check

        return check(order_of(parse(plan.arguments("check")), log=lambda line: None), progress=job.report)

    return jobs.start(work)


def zipped(folder):
    """Return a pack as a zip file: bytes."""
    buffer, folder = io.BytesIO(), Path(folder)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for part in sorted(folder.iterdir()):
            file.write(part, f"{folder.name}/{part.name}")
    return buffer.getvalue()
