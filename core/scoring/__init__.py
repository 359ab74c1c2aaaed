"""Score pictures by the million: shard by shard, on this machine or on a Ray cluster. These tables need no torch."""

from core.table import Entry

ENGINES = {
    "local": Entry("This machine", "core.scoring.shards:score_shards", {"workers": 0}),
    "ray": Entry("A Ray cluster", "core.scoring.ray_engine:score_shards", {"workers": None, "ray_address": None, "gpus": None}, needs=("ray",)),
}
MEASURERS = {
    "local": Entry("This machine", "core.scoring.statistics:measure_shards", ENGINES["local"].parameters),
    "ray": Entry("A Ray cluster", "core.scoring.ray_engine:measure_shards", ENGINES["ray"].parameters, needs=("ray",)),
}
