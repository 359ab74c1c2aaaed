"""python -m core serve: the service, on this machine's loopback unless --host says otherwise."""

import socket

import uvicorn

from core.errors import InputError
from core.packs import load_pack
from core.service.app import Limits, create_app

DRAIN = 30  # seconds that requests have to end in once the service is told to


def serve_packs(options, *, announce=lambda address, names: None):
    """Serve packs until the process is told to end, then finish what is on the way.

    Args: announce: called with the address and the packs' names once connections are taken.
    Raises: InputError if a pack cannot be loaded, a limit is none, or the port cannot be had.
    """
    limits = Limits(bytes=options.max_bytes, batch=options.max_batch, wait=options.max_wait_ms / 1000, waiting=options.max_waiting)
    packs = [load_pack(name, device=options.device) for name in dict.fromkeys(options.pack or ["cifar10"])]
    for pack in packs:
        pack.judge  # noqa: B018  fitted before the port opens, so that a pack without a detector is said at once
    app = create_app(packs, limits=limits, precision=options.precision)
    with _listening(options.host, options.port) as listener:
        announce(f"http://{options.host}:{listener.getsockname()[1]}", [pack.name for pack in packs])
        config = uvicorn.Config(app, log_level="warning", log_config=None, access_log=False, timeout_graceful_shutdown=DRAIN)
        uvicorn.Server(config).run(sockets=[listener])


def _listening(host, port):
    """Return a socket that takes connections at the address. Raises: InputError if it cannot be had."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        raise InputError(f"{host}:{port} cannot be listened at ({error}); choose another --port or --host.", key="service.port") from error
    return listener
