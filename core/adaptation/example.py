"""A recorded run that ships, to be looked at before there is one of one's own. No torch here."""

import json
import zipfile
from pathlib import Path

import numpy as np

EXAMPLE = Path(__file__).parents[2] / "assets" / "adaptation_example.zip"


def read_example():
    """Return (document of the run as `core.adaptation.live.Adaptation.document`, {batch: (K, S, S, 3) uint8}), or None where the file is not there."""
    if not EXAMPLE.is_file():
        return None
    with zipfile.ZipFile(EXAMPLE) as archive:
        document, pictures = json.loads(archive.read("run.json")), {}
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as file:
                    pictures[int(name.removeprefix("batch_").removesuffix(".npy"))] = np.lib.format.read_array(file, allow_pickle=False)
    return document, pictures
