"""Corrupt a source of pictures into a Parquet file that is a source again: columns image (PNG), label, domain."""

import io

import numpy as np
import torch
from PIL import Image

from core.corruptions import corrupt
from core.disk import whole
from core.errors import InputError

PICTURES, PIXELS = 200, 2**22  # at once, whichever is reached first: a batch of large pictures must fit into memory


def write(source, name, severity, out, *, seed=0, stop=None, progress=None):
    """Corrupt pictures 0 to `stop` of a source, each at its own size.

    Args: source: see `core.images.sources`; name, severity: see `core.corruptions.corrupt`; out: the Parquet file; progress: (done, total).
    Returns: (how many were written, (name, sentence) of each picture that could not be read).
    Raises: InputError if none could be, or for a corruption or severity that there is not; there is no file then.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    generator = torch.Generator().manual_seed(seed)
    corrupt(torch.empty(0, 3, 1, 1), name, severity, generator=generator)  # refuses what it does not know before a picture is read
    stop = len(source) if stop is None else min(stop, len(source))
    columns = pa.schema([("image", pa.binary()), ("label", pa.int64()), ("domain", pa.string())])
    written, errors = 0, []
    with whole(out) as beside:
        with pq.ParquetWriter(beside, columns, compression="zstd") as file:
            for pictures, labels, failed, done in _chunks(source, stop):
                errors += failed
                if pictures:
                    encoded = [_png(picture) for picture in _corrupted(pictures, name, severity, generator)]
                    file.write_table(pa.table([encoded, labels, [name] * len(encoded)], schema=columns))
                    written += len(encoded)
                if progress:
                    progress(done, stop)
        if not written:
            reason = f"; the first: {errors[0][1]}" if errors else ""
            raise InputError(f"No picture of {source.name} can be read{reason}.", key="source.empty", spec=source.name)
    return written, errors


def _chunks(source, stop):
    """Yield (pictures as (H, W, 3) uint8, their labels, errors, how many have been read)."""
    pictures, labels, errors, pixels = [], [], [], 0
    for i in range(stop):
        item = source[i]
        try:
            pictures.append(np.array(item.open()))
            labels.append(item.label)
            pixels += pictures[-1].shape[0] * pictures[-1].shape[1]
        except InputError as error:
            errors.append((item.name, str(error)))
        if len(pictures) == PICTURES or pixels >= PIXELS or i == stop - 1:
            yield pictures, labels, errors, i + 1
            pictures, labels, errors, pixels = [], [], [], 0


def _corrupted(pictures, name, severity, generator):
    """Return the pictures corrupted, in their order; those of one size go together."""
    groups, found = {}, [None] * len(pictures)
    for i, picture in enumerate(pictures):
        groups.setdefault(picture.shape, []).append(i)
    for places in groups.values():
        images = torch.from_numpy(np.stack([pictures[i] for i in places])).permute(0, 3, 1, 2).float() / 255
        changed = (corrupt(images, name, severity, generator=generator) * 255).round().byte().permute(0, 2, 3, 1).numpy()
        for i, picture in zip(places, changed, strict=True):
            found[i] = picture
    return found


def _png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
