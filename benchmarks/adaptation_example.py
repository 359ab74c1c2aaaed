"""Record the run that the page of adaptation shows before there is one of one's own: python -m benchmarks.adaptation_example

It takes a minute on two cores and needs no data. What it writes is drawn by this program: toys and numbers.
"""

import json
import zipfile

import numpy as np

from core.adaptation.example import EXAMPLE
from core.adaptation.live import Adaptations
from core.adaptation.plan import Plan
from core.provenance import provenance

PLAN = Plan(
    "toybox",
    ("source", "bn", "tent", "dplot"),
    ("gaussian_noise", "fog", "contrast"),
    "toybox:test",
    "toybox:train",
    limit=200,
    unknown="toybox:near",
)


def main():
    runs = Adaptations()
    for _ in range(2):  # the first draws the toys, so that in the second the detector is watched from the first batch on
        one = runs.start(PLAN)
        one.job.wait()
    made_by = provenance(pack=PLAN.pack, seed=PLAN.seed, device="cpu")
    with zipfile.ZipFile(EXAMPLE, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("run.json", json.dumps({**one.document(), "state": "done", "made_by": made_by}))
        for batch, pictures in sorted(one.pictures.items()):
            with archive.open(f"batch_{batch}.npy", "w") as file:
                np.lib.format.write_array(file, pictures[:8], allow_pickle=False)
    print({name: lane.document()["summary"] for name, lane in one.lanes.items()})


if __name__ == "__main__":
    main()
