"""Pictures made ready for the eye. They are never recoloured by the theme."""

import base64
import io

import numpy as np
from PIL import Image


def enlarged(seen, side=256):
    """Enlarge what a network sees so that its pixels stay visible. Args: (S, S, 3) uint8. Returns: `PIL.Image`."""
    factor = max(1, round(side / seen.shape[0]))
    return Image.fromarray(seen).resize((seen.shape[1] * factor, seen.shape[0] * factor), Image.Resampling.NEAREST)


def spotlight(seen, activity, side=256):
    """Light the picture where a block responds and dim it elsewhere.

    Args: seen: (S, S, 3) uint8; activity: (h, w) in [0, 1]. Returns: `PIL.Image`.
    """
    image = enlarged(seen, side)
    light = Image.fromarray(np.uint8(255 * activity)).resize(image.size, Image.Resampling.BICUBIC)
    light = 0.12 + 0.88 * np.asarray(light, np.float32)[:, :, None] / 255
    return Image.fromarray(np.uint8(np.asarray(image) * light))


def data_url(seen):
    """Return a picture as text that a table cell can show. Args: (S, S, 3) uint8. Returns: "data:image/png;base64,..."."""
    buffer = io.BytesIO()
    Image.fromarray(seen).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
