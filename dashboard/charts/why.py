"""Maps over pictures: pure functions from arrays to Plotly figures."""

import numpy as np
import plotly.graph_objects as go

from core.explanation.drawing import NEGATIVE, POSITIVE

CLEAR = [[0, "rgba(0,0,0,0)"], [1, "rgba(0,0,0,0)"]]


def map_over(seen, values, shares, opacity, words):
    """Lay a signed map over the picture: red where it is positive, blue where it is negative. Hovering reads what a region contributes.

    Args: seen: (S, S, 3) uint8; values: (S, S) signed; shares: (R, R) signed, each region's share of the whole map, in [-1, 1];
        opacity: of the strongest hundredth, in [0, 1]; the picture loses its colour by as much; words: {"share": what a share is}.
    """
    side, count = len(seen), len(shares)
    grey = seen.mean(2, keepdims=True)  # colours of the picture must not be taken for those of the map
    base = ((1 - opacity) * seen + opacity * grey).round().astype(np.uint8)
    full = np.quantile(np.abs(values), 0.99) or np.abs(values).max() or 1.0
    alpha = opacity * np.minimum(np.abs(values) / full, 1)
    colour = np.where(values[..., None] >= 0, POSITIVE, NEGATIVE)
    layer = np.concatenate([colour, np.round(255 * alpha)[..., None]], 2).astype(np.uint8)
    figure = go.Figure(go.Image(z=base, hoverinfo="skip"))
    figure.add_image(z=layer, colormodel="rgba256", hoverinfo="skip")
    centres = (np.arange(count) + 0.5) * side / count - 0.5
    hover = f"%{{z:+.1f}}\N{NO-BREAK SPACE}%<br>{words['share']}<extra></extra>"
    figure.add_heatmap(z=100 * shares, x=centres, y=centres, colorscale=CLEAR, showscale=False, hovertemplate=hover)
    figure.update_xaxes(visible=False, constrain="domain", range=[-0.5, side - 0.5])
    figure.update_yaxes(visible=False, scaleanchor="x", range=[side - 0.5, -0.5])
    figure.update_layout(height=380, margin={"l": 0, "r": 0, "t": 0, "b": 0}, showlegend=False)
    return figure
