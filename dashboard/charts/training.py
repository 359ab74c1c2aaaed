"""Charts of what training does to confidence. Pure functions from numbers to Plotly figures.

Each training method has a line of `dashboard.charts.detector.LINES`: a colour, a dash and a mark.
"""

import numpy as np
import plotly.graph_objects as go

from dashboard.charts.confidence import BINS, confidence_at, confidence_axis, ecdf, end_of, histogram, in_percent, pale, panel_title, place
from dashboard.charts.detector import LINES
from dashboard.charts.style import GUIDE, tidy

FORMS = ("histogram", "ecdf")
STEP = 0.13  # height of a line of marks below a panel, of the panel's highest value
NEAR = 0.012  # of the axis: a shift that is smaller gets no arrow


def shifts(panels, words, *, form="histogram", axis="percent", lines=LINES):
    """Draw the confidences of several networks over each other, and below each panel how far the means have moved from the first one's.

    Args: panels: [(title, {name: (N,) confidences})], the same names in each, at most as many as lines; form: a name of `FORMS`;
        axis: as `charts.confidence.place`; lines: a line of `LINES` for each name;
        words: keys "confidence", "share" (histogram), "cumulative", "between" (ECDF), "mean".
    """
    from plotly.subplots import make_subplots

    end = end_of([values for _, each in panels for values in each.values()])
    right = 100 if axis == "percent" else end
    edges = np.linspace(0, right, BINS + 1)
    draw = histogram if form == "histogram" else ecdf
    shapes = [{name: draw(values, edges, axis, end) for name, values in each.items()} for _, each in panels]
    top = 100 if form == "ecdf" else max(y.max() for each in shapes for _, y in each.values())
    figure = make_subplots(len(panels), 1, shared_xaxes=True, shared_yaxes="all", vertical_spacing=0.03)
    for row, (title, each) in enumerate(panels, 1):
        panel = {"row": row, "col": 1}
        if form == "ecdf" and len(each) > 1:
            _between(figure, shapes[row - 1], words["between"], showlegend=row == 1, **panel)
        for (name, (x, y)), (colour, dash, symbol) in zip(shapes[row - 1].items(), lines, strict=False):
            line = {"color": colour, "dash": dash, "width": 2.5, "shape": "hv" if form == "histogram" else "linear"}
            at = [in_percent(c) for c in confidence_at(x, axis)]
            tip = "%{text}: %{y:.1f} %"
            figure.add_scatter(x=x, y=y, mode="lines", line=line, name=name, legendgroup=name, showlegend=False, text=at, hovertemplate=tip, **panel)
            mark = {"color": colour, "symbol": symbol, "size": 10, "line": {"width": 1, "color": colour}}
            key = {"line": {"color": colour, "dash": dash, "width": 2.5}, "marker": mark, "legendgroup": name, "showlegend": row == 1}
            figure.add_scatter(x=[None], y=[None], mode="lines+markers", name=name, **key, **panel)
        _means(figure, each, top, lambda c: float(place(c, axis, end)), right, words["mean"], lines, **panel)
        panel_title(figure, title, 1.25 * top, **panel)
    height = 110 + len(panels) * (200 + 17 * len(panels[0][1]))
    figure = tidy(figure, height=height, y=words["share" if form == "histogram" else "cumulative"], fitted="x")
    ticks = _ticks(top)
    low = -STEP * top * (len(panels[0][1]) + 0.7)
    figure.update_yaxes(range=[low, 1.27 * top], tickvals=ticks, zeroline=True)
    figure = confidence_axis(figure, axis, end, words["confidence"], len(panels))
    figure.update_xaxes(range=[-0.09 * right, 1.09 * right])
    if axis == "percent":
        figure.update_xaxes(tickvals=[0, 20, 40, 60, 80, 100])
    return figure


def along(shares, curves, at, words, *, lines=LINES):
    """Draw how sure networks are of one class while a picture turns into its adversarial copy.

    Args: shares: (L,) of the picture, 0 to 1; curves: {name: (L,) probabilities}, at most as many as lines; at: the share in use;
        lines: a line of `LINES` for each name; words: keys "share", "probability", "here".
    """
    figure = go.Figure()
    here = int(np.abs(np.asarray(shares) - at).argmin())
    for (name, values), (colour, dash, symbol) in zip(curves.items(), lines, strict=False):
        values = 100 * np.asarray(values)
        common = {"line": {"color": colour, "dash": dash, "width": 2.5}, "name": name, "legendgroup": name, "hovertemplate": "λ %{x:.2f}: %{y:.1f} %"}
        mark = {"color": colour, "symbol": symbol, "size": 11, "line": {"width": 1, "color": "white"}}
        figure.add_scatter(x=shares, y=values, mode="lines", showlegend=False, **common)
        figure.add_scatter(x=[shares[here]], y=[values[here]], mode="lines+markers", marker=mark, **common)
    line = {"dash": "longdash", "width": 2, "color": GUIDE}
    figure.add_scatter(x=[at, at], y=[0, 104], mode="lines", line=line, name=words["here"], hoverinfo="skip")
    tidy(figure, height=380, x=words["share"], y=words["probability"])
    figure.update_xaxes(range=[-0.02, 1.02])
    figure.update_yaxes(range=[-3, 106], tickvals=[0, 25, 50, 75, 100])
    return figure


def _between(figure, shapes, name, **options):
    """Fill the area between the first and the last curve."""
    (x, first), *_, (_, last) = shapes.values()
    nothing = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "legendgroup": "between"}
    figure.add_scatter(x=x, y=first, **nothing, **{**options, "showlegend": False})
    figure.add_scatter(x=x, y=last, fill="tonexty", fillcolor=pale(GUIDE, 0.25), name=name, **nothing, **options)


def _means(figure, each, top, at, right, word, lines, *, row, col):
    """Mark each mean on a line of its own below the panel, with an arrow from where the first one is."""
    start = at(np.mean(next(iter(each.values()))))
    for k, ((name, values), (colour, _, symbol)) in enumerate(zip(each.items(), lines, strict=False)):
        mean = float(np.mean(values))
        x, y = at(mean), -STEP * top * (k + 0.85)
        mark = {"color": colour, "symbol": symbol, "size": 10, "line": {"width": 1, "color": colour}}
        if abs(x - start) > NEAR * right:
            arrow = {"x": x, "y": y, "ax": start, "ay": y, "showarrow": True, "arrowhead": 2, "arrowsize": 1.1, "arrowwidth": 2, "arrowcolor": colour}
            figure.add_annotation(text="", standoff=5, axref=f"x{row if row > 1 else ''}", ayref=f"y{row if row > 1 else ''}", row=row, col=col, **arrow)
        beside = "middle right" if x >= start else "middle left"
        figure.add_scatter(
            x=[x],
            y=[y],
            mode="markers+text",
            marker=mark,
            text=[f" {100 * mean:.1f} "],
            textposition=beside,
            textfont={"size": 12},
            name=name,
            legendgroup=name,
            showlegend=False,
            cliponaxis=False,
            hovertemplate=f"{name}, {word}: {in_percent(mean)}<extra></extra>",
            row=row,
            col=col,
        )


def _ticks(top):
    """Return about four even steps from 0 to at most top."""
    step = next(s * 10.0**p for p in range(-3, 3) for s in (1, 2, 2.5, 5) if top / (s * 10.0**p) <= 4.5)
    return np.arange(0, top + step / 1e6, step)
