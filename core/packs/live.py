"""Packs of people's own networks that are built in the background of a server; `resume` goes on after what was measured last."""

import time

from core.packs.making import Makings


class Builds(Makings):
    """All packs that a server builds around networks that people brought. Every method may be called from any thread."""

    COMMAND = ("pack", "new")

    def remnants(self, making):
        from core.packs.new import building_of

        return (building_of(making.folder),)

    def make(self, job, making):
        from core.cli import parse
        from core.packs.command import order_of
        from core.packs.new import new_pack

        job.doing = "measuring"

        def progress(done, total):
            making.began = making.began or (time.monotonic(), done)
            job.report(done, total)

        return new_pack(order_of(parse(making.arguments), log=lambda line: None), making.folder, progress=progress, stop=job.stop)
