"""Charts of how good detectors are. Pure functions from numbers to Plotly figures."""

import numpy as np
import plotly.graph_objects as go

from dashboard.charts.style import GUIDE, KNOWN, UNKNOWN, tidy

# One line a detector: colours of at least 3:1 on white and on the dark background, none of them that of ID or OOD.
LINES = (
    ("#00866B", "solid", "circle"),
    ("#8E6BBF", "dash", "square"),
    ("#A87900", "dot", "triangle-up"),
    ("#C2527F", "dashdot", "x"),
    ("#3A8FB7", "longdash", "star"),
    ("#7D8894", "longdashdot", "hexagon"),
)
BINS = 40
GOOD = ("#F4F8FB", "#B8D7EA", "#6BAED6", "#2171B5", "#08306B")  # the better, the darker
DARK = 0.7  # of the way from the lightest to the darkest, from where white is read better than black


def roc(curves, words, *, focus, lines=LINES):
    """Draw ROC curves with ID positive, and where one threshold lies on each.

    Args: curves: {name: (`core.metrics.Curve`, (tpr, fpr) at the threshold)}, at most as many as lines; focus: the name that stands out;
        lines: a line of `LINES` for each; words: keys "fpr", "tpr", "chance".
    """
    figure = go.Figure()
    for (name, (curve, _)), (colour, dash, _) in zip(curves.items(), lines, strict=False):
        figure.add_scatter(
            x=100 * curve.fpr,
            y=100 * curve.tpr,
            customdata=[[round(100 * float(share), 3)] for share in curve.tpr],
            mode="lines+markers",  # markers, unseen, are what a click can pick
            marker={"size": 9, "opacity": 0, "color": colour},
            line={"color": colour, "dash": dash, "width": 4 if name == focus else 2},
            name=name,
            showlegend=False,
            selected={"marker": {"opacity": 0}},
            unselected={"marker": {"opacity": 0}},
            hovertemplate="OOD %{x:.1f} %, ID %{y:.1f} %",
        )
    for (name, (_, (tpr, fpr))), (colour, dash, symbol) in zip(curves.items(), lines, strict=False):
        figure.add_scatter(
            x=[100 * fpr],
            y=[100 * tpr],
            mode="lines+markers",
            marker={"symbol": symbol, "size": 15 if name == focus else 11, "color": colour, "line": {"width": 1.5, "color": "white"}},
            line={"color": colour, "dash": dash, "width": 4 if name == focus else 2},
            name=f"<b>{name}: {100 * fpr:.1f} %</b>" if name == focus else f"{name}: {100 * fpr:.1f} %",
            hovertemplate="OOD %{x:.1f} %, ID %{y:.1f} %",
        )
    figure.add_scatter(x=[0, 100], y=[0, 100], mode="lines", line={"color": GUIDE, "width": 1, "dash": "dot"}, name=words["chance"], hoverinfo="skip")
    tidy(figure, height=430, x=words["fpr"], y=words["tpr"])
    corner = {"x": 1, "xanchor": "right", "y": 0.02, "yref": "paper", "yanchor": "bottom"}
    figure.update_layout(legend={"orientation": "v", "bgcolor": "rgba(128,128,128,0.12)", **corner}, margin={"t": 12})
    figure.update_xaxes(range=[-2, 102])
    figure.update_yaxes(range=[-2, 102])
    return figure


def bin_edges(known, unknown, bins=BINS):
    """Return the (bins + 1,) edges that both sets of scores share; the outer bins take in the few scores beyond."""
    ends = [np.quantile(scores, (0.005, 0.995)) for scores in (known, unknown)]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1)


def bins_of(scores, edges):
    """Return the (N,) numbers of the bins that scores fall into."""
    return np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, len(edges) - 2)


def score_histogram(known, unknown, edges, threshold, words, *, shown=None, best=None):
    """Draw how scores of known and unknown pictures are spread, and the line between the verdicts.

    Args: known, unknown: scores; edges: as `bin_edges`; shown: the number of a bin to mark; best: a score for a second line;
        words: keys "score", "share", "threshold", "ID", "OOD", "says_ID", "says_OOD", and "best" for that line.
    """
    figure, top = go.Figure(), 0
    middles, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    for scores, colour, dash, shape, name in ((known, KNOWN, "solid", "", words["ID"]), (unknown, UNKNOWN, "dash", "/", words["OOD"])):
        count = np.bincount(bins_of(scores, edges), minlength=len(middles))
        share = 100 * count / len(scores)
        top = max(top, share.max())
        pattern = {"shape": shape, "fgcolor": colour, "fillmode": "replace", "size": 7, "solidity": 0.25}
        marker = {"color": f"rgba{(*bytes.fromhex(colour[1:]), 0.3)}", "line": {"width": 0}, "pattern": pattern}
        figure.add_bar(
            x=middles,
            y=share,
            width=width,
            marker=marker,
            customdata=[[k] for k in range(len(middles))],
            name=name,
            showlegend=False,
            text=count,
            textposition="none",
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
            hovertemplate="%{x:.4g}: %{y:.1f} % (%{text})",
        )
        line = {"color": colour, "dash": dash, "width": 2, "shape": "hv"}
        figure.add_scatter(x=edges, y=[*share, share[-1]], mode="lines", line=line, name=name, hoverinfo="skip")
    at = float(np.clip(threshold, edges[0], edges[-1]))
    line = {"dash": "longdash", "width": 3, "color": GUIDE}
    figure.add_scatter(x=[at] * 2, y=[0, 1.12 * top], mode="lines", line=line, name=words["threshold"], hoverinfo="skip")
    if best is not None:
        line = {"dash": "dot", "width": 3, "color": LINES[0][0]}
        figure.add_scatter(x=[best] * 2, y=[0, 1.12 * top], mode="lines", line=line, name=words["best"])
    sides = ((at, "right", words["says_OOD"], -8), (at, "left", words["says_ID"], 8))
    for x, anchor, text, shift in sides:
        figure.add_annotation(x=x, y=1.17 * top, text=text, showarrow=False, xanchor=anchor, xshift=shift)
    if shown is not None:
        figure.add_vrect(x0=edges[shown], x1=edges[shown + 1], line={"width": 2, "color": GUIDE}, fillcolor=GUIDE, opacity=0.25)
    figure.update_layout(barmode="overlay", bargap=0)
    tidy(figure, height=430, x=words["score"], y=words["share"])
    figure.update_yaxes(range=[0, 1.24 * top])
    return figure


def matrix(values, rows, columns, words, *, ends, higher=True, marked=()):
    """Draw a table of percentages by colour, the numbers in it where they fit.

    Args: values: (R, C); rows, columns: names; ends: the percentages of the lightest and the darkest colour; higher: whether higher is better;
        marked: numbers of rows to frame; words: keys "metric" (with its direction), "row", "column".
    """
    values = np.asarray(values, float)
    colours = GOOD if higher else GOOD[::-1]
    place = (np.clip(values, *ends) - ends[0]) / (ends[1] - ends[0])
    dark = (place if higher else 1 - place) > DARK
    common = {"x": list(range(len(columns))), "y": list(range(len(rows))), "zmin": ends[0], "zmax": ends[1]}
    common |= {"customdata": [[[row, column] for column in columns] for row in rows]}
    common |= {"hovertemplate": "%{customdata[0]}, %{customdata[1]}: %{z:.2f} %<extra></extra>"}
    bar = {"title": {"text": words["metric"], "side": "bottom"}, "orientation": "h", "thickness": 12, "outlinewidth": 0, "y": 0, "yanchor": "top", "ypad": 14}
    scale = [[k / (len(colours) - 1), c] for k, c in enumerate(colours)]
    figure = go.Figure(go.Heatmap(z=values, colorscale=scale, colorbar=bar, xgap=1, ygap=1, **common))
    clear = [[0, "rgba(0,0,0,0)"], [1, "rgba(0,0,0,0)"]]
    for cells, ink in ((dark, "#FFFFFF"), (~dark, "#0B0D12")):  # Plotly would write grey on middle blue; it leaves out what does not fit
        text = {"texttemplate": "%{z:.1f}", "textfont": {"color": ink}}
        figure.add_heatmap(z=np.where(cells, values, np.nan), colorscale=clear, showscale=False, **text, **common)
    tilt = 90 if len(columns) > 8 else 35 if len(columns) > 4 else 0
    heads = 7 * max(map(len, columns)) * np.sin(np.deg2rad(tilt))  # pixels that tilted names need above the rows
    tidy(figure, height=int(24 * len(rows) + heads + 130), legend=False, fitted="xy")
    for row in marked:
        figure.add_shape(type="rect", x0=-0.5, x1=len(columns) - 0.5, y0=row - 0.5, y1=row + 0.5, line={"color": UNKNOWN, "width": 3})
    if len(columns) > 1:
        figure.add_shape(type="line", x0=len(columns) - 1.5, x1=len(columns) - 1.5, y0=-0.5, y1=len(rows) - 0.5, line={"color": GUIDE, "width": 3})
    figure.update_xaxes(
        tickvals=list(range(len(columns))),
        ticktext=list(columns),
        side="top",
        tickangle=-tilt,
        showgrid=False,
    )
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=list(rows), autorange="reversed", showgrid=False)
    return figure
