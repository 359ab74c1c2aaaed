"""The HTTP service: packs in, an ASGI application out.

A request takes a place before its body is read, so what waits is bounded. Its picture is decoded on a thread (Pillow gives the
interpreter away meanwhile), waits a few milliseconds for others, and goes with them through one forward pass. There is no
authentication and no encryption here: a product puts its own gateway before it.
"""

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
import torch
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from core.detectors import DEFAULT, ONE_PASS
from core.errors import InputError, unknown
from core.images.decode import Limits as PictureLimits
from core.images.decode import decode
from core.images.preprocess import stack
from core.service.answers import FailedPicture, Failure, Served, State, Verdict
from core.service.batcher import Batcher
from core.service.form import FIELD, read_pictures
from core.service.metrics import Measured, Metrics
from core.verdict import as_row

log = logging.getLogger(__name__)

STATUS = {  # of an InputError by its key; 422 for all others
    "unknown": 404,
    "detector.unavailable": 404,
    "service.slow": 408,
    "service.too_large": 413,
    "picture.too_many_bytes": 413,
    "picture.too_many_pixels": 413,
    "picture.too_long": 413,
    "service.form": 415,
    "picture.other_format": 415,
    "picture.other_kind": 415,
    "picture.not_a_picture": 415,
    "service.full": 503,
}
GONE = 499  # nobody reads it; the count of requests shows it, by the number that nginx gave it
BUG = {"error": "The server failed on this request; its log says how.", "key": "service.bug"}


@dataclass(frozen=True)
class Limits:
    """What the service takes.

    Attributes:
        bytes: of the pictures in one request together. pictures: in one request.
        batch: the most pictures in a forward pass. wait: the most seconds that a picture waits for others to go with.
        waiting: the most pictures on the way, for each pack; beyond it a request is refused at once.
        patience: seconds in which the body of a request has to arrive.
    """

    bytes: int = 16 * 2**20
    pictures: int = 16
    batch: int = 32
    wait: float = 0.005
    waiting: int = 256
    patience: float = 30.0


@dataclass(frozen=True)
class Asked:
    """A decoded picture, (S, S, 3) uint8, and who decides on it, keeping which share of known pictures."""

    pixels: np.ndarray
    detector: str
    keep: float


def create_app(packs, *, limits=Limits(), precision="fp32"):
    """Make the service.

    Args: packs: loaded ones, the first is the default; precision: of the forward pass, fp32 or bf16.
    Returns: an ASGI application. While it starts it judges one grey picture with each pack, so that the first client waits for nothing.
    """
    packs, metrics = {pack.name: pack for pack in packs}, Metrics()
    batchers: dict[str, Batcher] = {}
    threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="decode")
    picture_limits = PictureLimits(bytes=min(limits.bytes, PictureLimits.bytes))

    @asynccontextmanager
    async def lifespan(app):
        for name, pack in packs.items():
            run = partial(judge_batch, pack, precision=precision)
            grey = np.full((pack.preprocessing.size, pack.preprocessing.size, 3), 128, np.uint8)
            await asyncio.to_thread(run, [Asked(grey, DEFAULT, 0.95)])
            observe = metrics.batches.labels(name).observe
            batchers[name] = Batcher(run, size=limits.batch, wait=limits.wait, places=limits.waiting, observe=observe)
            metrics.waiting.labels(name).set_function(partial(getattr, batchers[name], "held"))
        yield
        for batcher in batchers.values():
            await asyncio.to_thread(batcher.close)
        threads.shutdown()

    title = "Blockscope: does this network know what it is looking at?"
    app = FastAPI(title=title, description=__doc__, lifespan=lifespan, responses={422: {"model": Failure}})
    app.add_middleware(Measured, metrics=metrics, paths=frozenset(("/verdict", "/verdicts", "/packs", "/health", "/ready", "/metrics")))

    @app.exception_handler(InputError)
    async def refused(request, error):
        return _failure(STATUS.get(error.key, 422), str(error), error.key)

    @app.exception_handler(RequestValidationError)
    async def not_valid(request, error):
        first = error.errors()[0]
        return _failure(422, f"{first['loc'][-1]}: {first['msg']}.", "service.request")

    @app.exception_handler(HTTPException)
    async def no_such(request, error):
        return _failure(error.status_code, f"{error.detail}: {request.method} {request.url.path}; /docs lists what there is.", "service.request")

    @app.exception_handler(ClientDisconnect)
    async def gone(request, error):
        return Response(status_code=GONE)

    @app.exception_handler(Exception)
    async def bug(request, error):  # its trace goes to the server's log, not to the client
        return JSONResponse(BUG, 500)

    def chosen(pack, detector, keep):
        """Return (name of the pack, share of known pictures kept). Raises: InputError before anything is read."""
        name = next(iter(packs)) if pack is None else pack
        if name not in packs:
            raise unknown("pack", name, packs)
        if detector not in ONE_PASS:
            raise unknown("detector", detector, ONE_PASS)
        if not 0 < keep < 100:
            raise InputError(f"keep is {keep:g}; give a percentage between 0 and 100, such as 95.", key="threshold.keep", keep=keep)
        return name, keep / 100

    async def judged(name, file, data, detector, keep):
        """Return the row of one picture, whose place is held."""
        pack, loop = packs[name], asyncio.get_running_loop()
        pixels = await loop.run_in_executor(threads, _see, pack.preprocessing, data, picture_limits)
        verdict = await asyncio.wrap_future(batchers[name].put(Asked(pixels, detector, keep)))
        metrics.verdicts.labels(name, verdict.verdict).inc()
        return as_row(verdict, file)

    async def judged_or_not(name, file, *rest):
        """Return the row of one picture of several, or its error."""
        try:
            return await judged(name, file, *rest)
        except InputError as error:
            return {"error": str(error), "key": error.key, "file": file}
        except Exception:
            log.exception("a picture failed")
            return {**BUG, "file": file}

    Pack = Annotated[str | None, Query(description=f"one of {', '.join(packs)}; the first by default")]
    Who = Annotated[str, Query(description=f"who decides: {', '.join(ONE_PASS)}")]
    Keep = Annotated[float, Query(description="% of known pictures that the threshold keeps, between 0 and 100")]
    failures: dict[int | str, dict[str, Any]] = {code: {"model": Failure} for code in (404, 408, 413, 415, 503)}

    @app.post("/verdict", response_model=Verdict, responses=failures, openapi_extra=_form({"type": "string", "format": "binary"}))
    async def verdict(request: Request, pack: Pack = None, detector: Who = DEFAULT, keep: Keep = 95):
        """Say of one picture whether the network knows it."""
        name, share = chosen(pack, detector, keep)
        with batchers[name].place():
            [(file, data)] = await read_pictures(request, most_bytes=limits.bytes, most=1, patience=limits.patience)
            return JSONResponse(await _unless_gone(request, judged(name, file, data, detector, share)))

    several = {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": limits.pictures}

    @app.post("/verdicts", response_model=list[Verdict | FailedPicture], responses=failures, openapi_extra=_form(several))
    async def verdicts(request: Request, pack: Pack = None, detector: Who = DEFAULT, keep: Keep = 95):
        """Say of each picture whether the network knows it, or why that cannot be said; a row a picture, in their order."""
        name, share = chosen(pack, detector, keep)
        with batchers[name].place():
            sent = await read_pictures(request, most_bytes=limits.bytes, most=limits.pictures, patience=limits.patience)
            with batchers[name].place(len(sent) - 1):
                work = (judged_or_not(name, file, data, detector, share) for file, data in sent)
                return JSONResponse(await _unless_gone(request, asyncio.gather(*work)))

    @app.get("/packs", response_model=list[Served])
    async def served():
        """List the packs that are served, the default first."""
        return [_served(pack) for pack in packs.values()]

    @app.get("/health", response_model=State)
    async def health():
        """Tell that the service runs."""
        return {"status": "ok"}

    @app.get("/ready", response_model=State, responses={503: {"model": State}})
    async def ready():
        """Tell whether the service takes work now; 503 while every place is taken or it is about to end."""
        takes = batchers and all(batcher.open for batcher in batchers.values())
        return JSONResponse({"status": "ok" if takes else "busy"}, 200 if takes else 503)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def counted():
        """Return the counts and times, for Prometheus."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app


def judge_batch(pack, asked, *, precision="fp32"):
    """Judge pictures in one forward pass.

    Args: asked: N `Asked`.
    Returns: N `core.verdict.Verdict`s in their order, or the `InputError` of those whose detector this network cannot have.
    """
    measured = pack.probe(stack([each.pixels for each in asked]), precision=precision)
    answers, groups = [None] * len(asked), {}
    for i, each in enumerate(asked):
        groups.setdefault((each.detector, each.keep), []).append(i)
    for (detector, keep), rows in groups.items():
        try:
            found = pack.judge.judge(measured[torch.tensor(rows)], pack.classes, detector=detector, keep=keep)
        except InputError as error:
            found = [error] * len(rows)
        for i, verdict in zip(rows, found, strict=True):
            answers[i] = verdict
    return answers


async def _unless_gone(request, work):
    """Await work on a request that was read whole, or cancel it when the client goes away. Raises: ClientDisconnect then."""
    task, left = asyncio.ensure_future(work), asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        left.cancel()


def _see(preprocessing, data, limits):
    return preprocessing.see(decode(data, limits=limits, near=preprocessing.size))


def _served(pack):
    return {
        "name": pack.name,
        "arch": pack.facts["arch"],
        "classes": list(pack.classes),
        "size": pack.preprocessing.size,
        "detectors": list(pack.judge.detectors),
        "selected_block": pack.selection.selected,
        "accuracy": pack.facts["figures"].get("accuracy"),
    }


def _failure(status, sentence, key):
    return JSONResponse({"error": sentence, "key": key}, status, {"Retry-After": "1"} if status == 503 else None)


def _form(field):
    """Return what OpenAPI is told of a multipart form with this field: it is read here, not by FastAPI, which would spool it to disk."""
    schema = {"type": "object", "required": [FIELD], "properties": {FIELD: field}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
