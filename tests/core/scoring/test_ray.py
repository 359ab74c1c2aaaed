"""Ray gives the rows of the local engine to the last bit, and loses and doubles nothing when a process is killed."""

import os
import signal
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from core.errors import InputError
from core.images.parquet import Parquet
from core.images.sources import open_source
from core.scoring import ray_engine
from core.scoring.order import claim, fingerprint, order_of
from core.scoring.shards import Plan, read_part, score_shards
from core.scoring.statistics import measure_shards, merged


@pytest.fixture(scope="module")
def cluster():
    """Start Ray on two cores; nothing of it listens to the outside or reports anywhere."""
    ray = pytest.importorskip("ray", reason="ray is not installed; requirements-ray.txt")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False, object_store_memory=2**27)
    yield ray
    ray.shutdown()


def table(folder):
    return pa.concat_tables(pq.read_table(file).replace_schema_metadata() for file in sorted(Path(folder).glob("part-*.parquet")))


def test_a_killed_process_loses_and_doubles_nothing(cluster, scorer, pictures, tmp_path):
    class Deadly(Parquet):
        """Kill the process that reads the sixth shard, in the middle of it, and once only."""

        def items(self, start, stop):
            for i, item in enumerate(super().items(start, stop), start):
                if i == 55 and not killed.exists():
                    killed.write_text(str(os.getpid()))
                    os.kill(os.getpid(), signal.SIGKILL)
                yield item

    killed, source = tmp_path / "killed", open_source(pictures)
    plan = Plan.of(len(source), shard=10, batch=5)
    order = order_of(scorer, source, plan)
    folders = tmp_path / "local", tmp_path / "ray"
    for folder in folders:
        claim(folder, order, plan)
    list(score_shards(scorer, source, plan, plan.shards, folders[0], order=fingerprint(order)))
    scored = []
    options = {"order": fingerprint(order), "workers": 2, "progress": scored.append}
    parts = list(ray_engine.score_shards(scorer, Deadly([pictures]), plan, plan.shards, folders[1], **options))
    pids = {part.process for part in parts}
    assert int(killed.read_text()) != os.getpid() and os.getpid() not in pids
    assert sorted(part.shard for part in parts) == list(plan.shards) and sum(scored) == len(source)
    assert table(folders[1]).equals(table(folders[0])) and len(list(folders[1].iterdir())) == len(plan.shards) + 1
    assert [read_part(folders[1], shard).errors for shard in plan.shards] == [read_part(folders[0], shard).errors for shard in plan.shards]


def test_statistics_are_aggregated_on_the_cluster(cluster, scorer, pictures):
    source = open_source(pictures)
    plan = Plan.of(len(source), shard=10, batch=5)
    there = list(ray_engine.measure_shards(scorer, source, plan, list(plan.shards), size=30, seed=1, workers=1))
    assert len(there) == 1  # the 15 shards were merged by tasks of the cluster
    found, here = there[0], merged(measure_shards(scorer, source, plan, plan.shards, size=30, seed=1))
    for name, moments in here.moments.items():
        torch.testing.assert_close(found.moments[name].scatter, moments.scatter, rtol=1e-10, atol=1e-10)
        assert torch.equal(found.moments[name].counts, moments.counts)
    assert torch.equal(found.sample.keys, here.sample.keys) and torch.equal(found.sample.rows, here.sample.rows)


def test_where_ray_is_absent_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="needs the package ray; run pip install -r requirements-ray.txt"):
        ray_engine.connect()
