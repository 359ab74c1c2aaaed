"""Read pictures from a multipart request, counting its bytes as they come. Nothing of a request is ever written to disk."""

import asyncio

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from core.errors import InputError

ENVELOPE = 64 * 1024  # bytes of boundaries and headers around the pictures
FIELD = "picture"


class _InMemory(MultiPartParser):
    spool_max_size = 0  # of a SpooledTemporaryFile: 0 never rolls over to a file


async def read_pictures(request, *, most_bytes, most, patience):
    """Read the pictures of a request.

    Args: most_bytes: of the pictures together; most: how many pictures; patience: seconds in which the whole request has to arrive.
    Returns: [(file name, bytes)], at least one.
    Raises: InputError if the request is too large, too slow or no form, or has no field `picture`; ClientDisconnect.
    """
    kind, _ = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise InputError(f"Send a multipart form (multipart/form-data) with the picture in its field {FIELD!r}.", key="service.form")
    try:
        async with asyncio.timeout(patience):
            form = await _InMemory(request.headers, _counted(request, most_bytes), max_files=most, max_fields=8).parse()
    except TimeoutError as error:
        raise InputError(f"The request did not arrive whole within {patience:g} seconds; send it again.", key="service.slow") from error
    except MultiPartException as error:
        raise InputError(f"The form cannot be read: {error.message.rstrip('.')}.", key="service.form") from error
    found = [value for value in form.getlist(FIELD) if isinstance(value, UploadFile)]
    if not found:
        raise InputError(f"The form has no file in a field {FIELD!r}; put the picture there.", key="service.form")
    return [(file.filename or FIELD, await file.read()) for file in found]


async def _counted(request, most):
    """Yield the chunks of a body. Raises: InputError as soon as it is known to be too large, by its header or by what has come."""
    error = InputError(f"The request is larger than {most / 2**20:.3g} MB, the most that is taken; send the picture smaller.", key="service.too_large")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most + ENVELOPE:
        raise error
    come = 0
    async for chunk in request.stream():
        come += len(chunk)
        if come > most + ENVELOPE:
            raise error
        yield chunk
