"""Charts of confidence: how it is spread, and what a threshold on it keeps. Pure functions from numbers to Plotly figures.

Confidence is a fraction. Most of it lies between 99 and 100 %, so that an axis can count nines: 90 %, 99 % and 99.9 % are as far apart.
A pass is what the confidence was computed with: the network's own logits, or the selected norm. Passes are drawn one below the other
over one axis, so that what moves to the left has become less confident.
"""

import numpy as np
import plotly.graph_objects as go

from dashboard.charts.style import COLOUR, GUIDE, KNOWN, MARK, PUZZLE, UNKNOWN, tidy

FORMS, AXES = ("histogram", "ecdf", "ridge"), ("nines", "percent")
SETS = {"ID": (KNOWN, "solid"), "puzzle": (PUZZLE, "dash"), "OOD": (UNKNOWN, "dot")}
CURVES = {"known": (KNOWN, "solid"), "unknown": (UNKNOWN, "dot"), "right": ("#009E73", "dash"), "kept": (GUIDE, "dashdot")}
LEAST, MOST = 3, 8  # nines that the axis shows; beyond them, pictures lie at its end
BINS, ROW = 48, 0.6  # bins of an axis; how much of its row a ridge may fill


def place(confidence, axis, end=MOST):
    """Return where fractions lie on an axis. Args: axis: "nines" or "percent"; end: nines at which the first one ends."""
    confidence = np.asarray(confidence, float)
    if axis == "percent":
        return 100 * confidence
    return -np.log10(np.clip(1 - confidence, 10.0**-end, 1))


def confidence_at(places, axis):
    """Return the fractions that lie at places of an axis: the inverse of `place`."""
    places = np.asarray(places, float)
    return places / 100 if axis == "percent" else 1 - 10.0**-places


def end_of(values):
    """Return how many nines the axis has to show. Args: values: arrays of fractions."""
    return int(np.clip(max(np.ceil(np.quantile(place(v, "nines", MOST), 0.9)) for v in values), LEAST, MOST))


def in_percent(confidence):
    """Write a fraction in percent, with as many digits after the point as it has nines in all, at least one, up to 99.9999 %."""
    if confidence > 0.999999:
        return "> 99.9999 %"
    return f"{100 * confidence:.{max(1, int(place(confidence, 'nines', 6)))}f} %"


def distributions(passes, level, points, words, *, form="histogram", axis="nines"):
    """Draw how confidence is spread over sets of pictures, each pass in its own panel.

    Args: passes: [(title, [(name, "ID", "puzzle" or "OOD", (N,) confidences)])]; level: confident from there on;
        points: [(name, confidence of each pass)] of single pictures; form: "histogram" or "ecdf"; axis: a name of `AXES`;
        words: keys "confidence", "share" (histogram), "cumulative" (ECDF), "level".
    """
    from plotly.subplots import make_subplots

    end, edges = _edges(passes, axis)
    figure = make_subplots(len(passes), 1, shared_xaxes=True, shared_yaxes="all", vertical_spacing=0.04)
    draw = histogram if form == "histogram" else ecdf
    shapes = [[draw(values, edges, axis, end) for _, _, values in sets] for _, sets in passes]
    top = max(y.max() for panel in shapes for _, y in panel)
    for row, (title, sets) in enumerate(passes, 1):
        panel = {"row": row, "col": 1}
        for (name, kind, _), (x, y) in zip(sets, shapes[row - 1], strict=True):
            colour, dash = SETS[kind]
            fill = {"fill": "tozeroy", "fillcolor": pale(colour)} if form == "histogram" else {}
            line = {"color": colour, "dash": dash, "width": 2, "shape": "hv"} if form == "histogram" else {"color": colour, "dash": dash, "width": 2.5}
            at = [in_percent(c) for c in confidence_at(x, axis)]
            group = {"name": name, "legendgroup": name, "showlegend": row == 1}
            figure.add_scatter(x=x, y=y, mode="lines", line=line, text=at, hovertemplate="%{text}: %{y:.1f} %", **fill, **group, **panel)
        _level(figure, place(level, axis, end), [0, 1.06 * top], words["level"], showlegend=row == 1, **panel)
        for i, (name, confidences) in enumerate(points):
            _point(figure, i, name, confidences[row - 1], level, place(confidences[row - 1], axis, end), top, showlegend=row == 1, **panel)
        panel_title(figure, title, 1.3 * top, **panel)
    height = (520 if len(passes) > 1 else 330) + 20 * (len(points) > 0)
    figure = tidy(figure, height=height, y=words["share" if form == "histogram" else "cumulative"], fitted="x")
    figure.update_yaxes(range=[0, 1.32 * top])
    return confidence_axis(figure, axis, end, words["confidence"], len(passes))


def ridges(passes, level, points, words, *, axis="nines"):
    """Draw a row for each set: its confidence in each pass, with the medians marked. Each row is as high as its highest bin.

    Args: as `distributions`; the first pass is an outline, the last one filled; words: keys "confidence", "median", "level".
    """
    end, edges = _edges(passes, axis)
    figure, rows = go.Figure(), len(passes[0][1]) + bool(points)
    for k, (name, kind, _) in enumerate(passes[0][1]):
        base, colour = rows - 1 - k, SETS[kind][0]
        shares = [histogram(sets[k][2], edges, axis, end)[1] for _, sets in passes]
        top = max(share.max() for share in shares)
        for (title, sets), share, look in zip(passes, shares, _looks(passes), strict=True):
            figure.add_scatter(x=[edges[0], edges[-1]], y=[base, base], mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
            fill = {"fill": "tonexty", "fillcolor": pale(colour, 0.3)} if look["filled"] else {}
            line = {"color": colour, "dash": look["dash"], "width": 2, "shape": "hv"}
            text = [f"{in_percent(c)}: {s:.1f} %" for c, s in zip(confidence_at(edges, axis), share, strict=True)]
            y = base + ROW * share / top
            figure.add_scatter(x=edges, y=y, mode="lines", line=line, name=f"{name}, {title}", text=text, hovertemplate="%{text}", showlegend=False, **fill)
            middle = np.median(sets[k][2])
            mark = {"symbol": look["symbol"], "size": 11, "color": colour, "line": {"width": 2, "color": colour}}
            tip = f"{words['median']}: {in_percent(middle)}"
            where = {"x": [float(place(middle, axis, end))], "y": [base], "cliponaxis": False, "name": f"{name}, {title}"}
            figure.add_scatter(mode="markers", marker=mark, showlegend=False, hovertemplate=tip, **where)
        _label(figure, name, base + 0.97)
    for title, look in zip((title for title, _ in passes), _looks(passes), strict=True):
        mark = {"symbol": look["symbol"], "size": 11, "color": GUIDE, "line": {"width": 2, "color": GUIDE}}
        line = {"dash": look["dash"], "width": 2, "color": GUIDE}
        figure.add_scatter(x=[None], y=[None], mode="lines+markers", name=f"{title} ({words['median']})", line=line, marker=mark)
    _level(figure, place(level, axis, end), [0, rows], words["level"])
    if points:
        _ladder(figure, passes, points, level, lambda c: place(c, axis, end))
    figure = tidy(figure, height=110 + 56 * rows, fitted="xy")
    figure.update_yaxes(range=[-0.15, rows + 0.05], showticklabels=False, showgrid=False, zeroline=False)
    return confidence_axis(figure, axis, end, words["confidence"])


def sweep(passes, threshold, words, *, axis="nines", end=MOST):
    """Draw what a threshold on confidence keeps, each pass in its own panel, with a line at the threshold in use.

    Args: passes: [(title, {"known": shares accepted, "unknown", "right": share of kept known pictures that are classified right,
        "kept": share of all})] at `sweep_at(axis, end)`, fractions; what is missing is not drawn.
        words: keys of the curves, "threshold", "confidence", "share".
    """
    from plotly.subplots import make_subplots

    x = sweep_at(axis, end)
    at = [in_percent(c) for c in x]
    figure = make_subplots(len(passes), 1, shared_xaxes=True, vertical_spacing=0.04)
    for row, (title, curves) in enumerate(passes, 1):
        panel = {"row": row, "col": 1}
        for name, (colour, dash) in CURVES.items():
            if name in curves:
                line = {"color": colour, "dash": dash, "width": 2.5}
                group = {"name": words[name], "legendgroup": name, "showlegend": row == 1}
                y = 100 * np.asarray(curves[name])
                figure.add_scatter(x=place(x, axis, end), y=y, mode="lines", line=line, text=at, hovertemplate="%{text}: %{y:.1f} %", **group, **panel)
        _level(figure, place(threshold, axis, end), [0, 108], words["threshold"], showlegend=row == 1, **panel)
        panel_title(figure, title, 128, **panel)
    figure = tidy(figure, height=540 if len(passes) > 1 else 320, y=words["share"], fitted="x")
    figure.update_yaxes(range=[0, 130], tickvals=[0, 25, 50, 75, 100])
    return confidence_axis(figure, axis, end, words["confidence"], len(passes))


def sweep_at(axis, end=MOST):
    """Return the thresholds, fractions, at which `sweep` expects its curves."""
    return confidence_at(np.linspace(0, 100 if axis == "percent" else end, 161), axis)


def _edges(passes, axis):
    values = [v for _, sets in passes for _, _, v in sets]
    end = end_of(values)
    return end, np.linspace(0, 100 if axis == "percent" else end, BINS + 1)


def histogram(values, edges, axis, end):
    """Return the edges and the percentage in each bin, the last one twice, for a line of steps."""
    share = np.histogram(place(values, axis, end), edges)[0] / len(values) * 100
    return edges, np.append(share, share[-1])


def ecdf(values, edges, axis, end):
    """Return 301 places between the outer edges and the percentage at or below each."""
    x = np.linspace(edges[0], edges[-1], 301)
    return x, np.searchsorted(np.sort(place(values, axis, end)), x, side="right") / len(values) * 100


def _looks(passes):
    plain = {"dash": "solid", "symbol": "diamond", "filled": True}
    return [{"dash": "dot", "symbol": "triangle-up-open", "filled": False}, plain] if len(passes) > 1 else [plain]


def pale(colour, alpha=0.16):
    """Return "#RRGGBB" as a colour that lets through what is behind it."""
    return f"rgba{(*bytes.fromhex(colour[1:]), alpha)}"


def _level(figure, x, y, name, **options):
    line = {"dash": "longdash", "width": 2, "color": GUIDE}
    figure.add_scatter(x=[float(x)] * 2, y=y, mode="lines", line=line, name=name, legendgroup="level", hoverinfo="name", **options)


def _point(figure, i, name, confidence, level, x, top, **options):
    verdict = "ID" if confidence >= level else "OOD"
    mark = {"symbol": MARK[verdict], "size": [0, 14], "color": COLOUR[verdict], "line": {"width": 1.5, "color": "white"}, "opacity": 1}
    line = {"color": COLOUR[verdict], "width": 2.5, "dash": ("solid", "dashdot")[i % 2]}
    tip = f"{name}: {in_percent(confidence)}"
    shape = {"x": [float(x)] * 2, "y": [0, top * (1 - 0.2 * i)], "mode": "lines+markers", "marker": mark, "line": line}
    figure.add_scatter(name=name, legendgroup=f"p{i}", hovertemplate=f"{tip}<extra></extra>", **shape, **options)


def _ladder(figure, passes, points, level, at):
    """Draw single pictures in the lowest row: from the mark of the first pass to that of the last."""
    for i, (name, confidences) in enumerate(points):
        height = 0.3 - 0.2 * i
        mark = {"symbol": [look["symbol"] for look in _looks(passes)], "size": 13, "color": GUIDE, "line": {"width": 2, "color": GUIDE}}
        tip = [f"{name}, {title}: {in_percent(c)}" for (title, _), c in zip(passes, confidences, strict=True)]
        x = [float(at(c)) for c in confidences]
        line, look = {"width": 1.5, "color": GUIDE}, {"mode": "lines+markers", "showlegend": False, "cliponaxis": False}
        figure.add_scatter(x=x, y=[height] * len(x), marker=mark, line=line, text=tip, hovertemplate="%{text}<extra></extra>", **look)
    names = [name for name, _ in points]
    _label(figure, f"↑ {names[0]}, ↓ {names[1]}" if len(names) == 2 else names[0], 0.97)


def _label(figure, text, y):
    figure.add_annotation(xref="paper", x=0, y=y, text=f"<b>{text}</b>", showarrow=False, xanchor="left", yanchor="top")


def panel_title(figure, text, y, *, row, col):
    """Write a title into a panel, at the height y of its axis."""
    figure.add_annotation(xref="x domain", x=0, y=y, text=f"<b>{text}</b>", showarrow=False, xanchor="left", yanchor="top", row=row, col=col)


def confidence_axis(figure, axis, end, title, row=None):
    """Set ticks, range and title of an axis of confidence. Args: row: the panel that gets the title, if there are several. Returns: the figure."""
    if axis == "percent":
        figure.update_xaxes(range=[0, 102])
    else:
        ticks = [0, 0.5, *(1 - 10.0**-n for n in range(1, end + 1))]
        texts = ["0", "50", *(f"{100 * c:.{max(0, n - 2)}f}" for n, c in zip(range(1, end + 1), ticks[2:], strict=True))]
        texts[-1] = f"≥ {texts[-1]}"
        figure.update_xaxes(tickvals=place(ticks, axis, end), ticktext=texts, range=[0, 1.05 * end])
    figure.update_xaxes(title=title, **({"row": row, "col": 1} if row else {}))
    return figure
