"""Charts of a stream that is watched. Pure functions from what was seen to Plotly figures."""

import numpy as np
import plotly.graph_objects as go

from dashboard.charts.detector import LINES
from dashboard.charts.style import GUIDE, KNOWN, UNKNOWN, tidy

ABOVE = 3  # powers of ten above the alarm's line that are drawn; what is beyond stands at the edge


def evidence(seen, every, words, *, start=None):
    """Draw the evidence of a drift on a logarithmic axis, the line of the alarm, and the alarms.

    Args: seen: `core.watch.watch.Seen`s; every: evidence that raises an alarm; start: the batch that the drift truly begins with;
        words: keys "batch", "evidence", "line", "alarm", "start".
    """
    line = np.log10(every)
    top, bottom = line + ABOVE, min([-1.0, *(s.evidence for s in seen)])
    batches, heights = [s.batch for s in seen], [min(s.evidence, top) for s in seen]
    alarms = [(s.batch, min(s.evidence, top), s.evidence) for s in seen if s.alarm]
    figure = go.Figure()
    colour, dash, symbol = LINES[0]
    look = {"line": {"color": colour, "dash": dash, "width": 2.5}, "marker": {"symbol": symbol, "size": 7, "color": colour}}
    data = [[f"{s.evidence:.1f}"] for s in seen]
    hover = "10<sup>%{customdata[0]}</sup>"
    figure.add_scatter(x=batches, y=heights, customdata=data, mode="lines+markers", name=words["evidence"], hovertemplate=hover, **look)
    if alarms:
        x, y, value = zip(*alarms, strict=True)
        cross = {"symbol": "x", "size": 13, "color": UNKNOWN}
        data = [[f"{v:.1f}"] for v in value]
        figure.add_scatter(x=x, y=y, customdata=data, mode="markers", marker=cross, name=words["alarm"], hovertemplate=hover)
    _line(figure, batches, line, words["line"])
    tidy(figure, height=340, x=words["batch"], y=words["evidence"])
    low, high = int(np.floor(bottom)), int(np.ceil(top))
    ticks = list(range(low, high + 1, max(1, (high - low) // 6)))
    figure.update_yaxes(range=[bottom - 0.4, top + 0.5], tickvals=ticks, ticktext=[f"10<sup>{k}</sup>" for k in ticks])
    return _batches(figure, batches, start, words)


def shares(seen, words, *, truth=None, start=None):
    """Draw the share of unknown pictures in each batch with its bounds, and the truth where it is known.

    Args: seen, start: as `evidence`; truth: fractions, one a batch; words: keys "batch", "share", "estimate", "truth", "start".
    """
    figure = go.Figure()
    batches, middle = [s.batch for s in seen], [100 * s.share for s in seen]
    bars = {"array": [100 * (s.share_high - s.share) for s in seen], "arrayminus": [100 * (s.share - s.share_low) for s in seen]}
    bounds = [[f"{100 * s.share_low:.1f}", f"{100 * s.share_high:.1f}"] for s in seen]
    figure.add_scatter(
        x=batches,
        y=middle,
        customdata=bounds,
        mode="markers",
        marker={"symbol": "diamond", "size": 9, "color": UNKNOWN},
        error_y={"type": "data", "symmetric": False, "color": UNKNOWN, "thickness": 1.5, "width": 4, **bars},
        name=words["estimate"],
        hovertemplate="%{y:.1f} % (%{customdata[0]} – %{customdata[1]})",
    )
    if truth is not None:
        line = {"color": KNOWN, "width": 2.5, "dash": "dash", "shape": "hvh"}
        figure.add_scatter(x=batches, y=[100 * share for share in truth], mode="lines", line=line, name=words["truth"], hovertemplate="%{y:.1f} %")
    tidy(figure, height=340, x=words["batch"], y=words["share"])
    figure.update_yaxes(range=[-4, 104])
    return _batches(figure, batches, start, words)


def _line(figure, batches, height, name):
    ends = [batches[0] - 0.5, batches[-1] + 0.5]
    figure.add_scatter(x=ends, y=[height] * 2, mode="lines", line={"color": GUIDE, "dash": "longdash", "width": 2}, name=name, hoverinfo="skip")


def _batches(figure, batches, start, words):
    """Set the axis of batches, and shade those from `start` on. Returns: the figure."""
    first, last = batches[0] - 0.5, batches[-1] + 0.5
    figure.update_xaxes(range=[first, last], tickformat="d")
    if start is not None:
        figure.add_vrect(x0=start - 0.5, x1=last, fillcolor=UNKNOWN, opacity=0.1, line_width=0, layer="below")
        figure.add_annotation(x=start - 0.5, y=1, yref="paper", xanchor="left", yanchor="top", text=words["start"], showarrow=False, font={"size": 12})
    return figure
