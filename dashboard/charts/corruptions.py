"""Charts of one picture under corruptions. Pure functions from verdicts to Plotly figures.

What became of a picture is told by colour and by mark: a circle is accepted and a diamond rejected, as everywhere; a cross over it
says that the answer is another than expected.
"""

import numpy as np
import plotly.graph_objects as go

from dashboard.charts.style import GUIDE, KNOWN, MARK, UNKNOWN, tidy

# outcome -> colour, of at least 3:1 against the mark on it, on white and on the dark background; mark
OUTCOMES = {
    "held": (KNOWN, "circle"),
    "doubted": ("#7D8894", "diamond"),
    "noticed": ("#00866B", "diamond-x-open"),
    "unnoticed": (UNKNOWN, "circle-x-open"),
}
ROW = 25  # pixels
LEAST = 0.0003  # the lowest p-value that the axis shows


def outcome_map(groups, outcomes, tips, words, *, shown):
    """Draw what became of a picture under each corruption at each severity; every cell can be clicked.

    Args: groups: [(title, [(corruption, title)])]; outcomes: {(corruption, severity): name of a line of `OUTCOMES`}; tips: the same keys, text to
        point at; shown: the key to frame; words: the four outcomes, and "severity". Customdata of a cell: "corruption:severity".
    """
    severities = sorted({severity for _, severity in outcomes})
    kinds = list(OUTCOMES)
    scale = [[end / len(kinds), OUTCOMES[kind][0]] for k, kind in enumerate(kinds) for end in (k, k + 1)]
    figure, ticks, at = go.Figure(), {}, {}
    for title, members in groups:
        ticks[len(ticks)] = f"<b>{title}</b>"
        rows = range(len(ticks), len(ticks) + len(members))
        ticks |= {row: name for row, (_, name) in zip(rows, members, strict=True)}
        at |= {corruption: row for row, (corruption, _) in zip(rows, members, strict=True)}
        z = [[kinds.index(outcomes[corruption, severity]) + 0.5 for severity in severities] for corruption, _ in members]
        cells = {"colorscale": scale, "zmin": 0, "zmax": len(kinds), "showscale": False, "hoverinfo": "skip", "xgap": 2, "ygap": 2}
        figure.add_heatmap(x=severities, y=list(rows), z=z, **cells)
    for kind, (colour, symbol) in OUTCOMES.items():
        mine = [cell for cell, outcome in outcomes.items() if outcome == kind]
        figure.add_scatter(
            x=[severity for _, severity in mine],
            y=[at[corruption] for corruption, _ in mine],
            customdata=[[f"{corruption}:{severity}"] for corruption, severity in mine],
            text=[tips[cell] for cell in mine],
            mode="markers",
            marker={"symbol": symbol, "size": 14 if crossed(kind) else 11, "color": "white", "opacity": 1, "line": {"width": 1.5, "color": "white"}},
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
            name=words[kind],
            showlegend=False,
            hovertemplate="%{text}<extra></extra>",
        )
        mark = {"symbol": symbol, "size": 13, "color": colour, "line": {"width": 1.5, "color": colour if crossed(kind) else "white"}}
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=mark, name=words[kind], hoverinfo="skip")
    corruption, severity = shown
    frame = {"x0": severity - 0.5, "x1": severity + 0.5, "y0": at[corruption] - 0.5, "y1": at[corruption] + 0.5}
    figure.add_shape(type="rect", **frame, line={"color": "white", "width": 5})
    figure.add_shape(type="rect", **frame, line={"color": "#0B0D12", "width": 2.5})
    tidy(figure, height=ROW * len(ticks) + 120, x=words["severity"], fitted="xy")
    figure.update_layout(
        hoverdistance=-1, hovermode="closest", dragmode=False, legend={"y": 0, "yanchor": "bottom", "itemclick": False, "itemdoubleclick": False}
    )
    figure.update_layout(margin={"t": 10, "b": 10})
    figure.update_xaxes(tickvals=severities, side="top", showgrid=False, zeroline=False, range=[severities[0] - 0.5, severities[-1] + 0.5])
    figure.update_yaxes(ticks="", tickvals=list(ticks), ticktext=list(ticks.values()), range=[len(ticks) - 0.4, -0.6], showgrid=False, zeroline=False)
    return figure


def ladders(series, level, words, *, lines, expected=None):
    """Draw confidence and p-value against severity, one below the other; severity 0 is the clean picture.

    Args: series: {name: [(confidence, p-value, outcome or None)] from severity 0 on}, fractions; at most as many as lines; level: 1 - share kept;
        lines: (colour, dash, mark) of each; where there are outcomes, their marks are drawn instead;
        expected: (name, [probability of the expected class]) as a further line; words: keys "severity", "clean", "confidence", "p", "level".
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.1, subplot_titles=(words["confidence"], words["p"]))
    figure.update_annotations(x=0, xanchor="left", font={"size": 13})
    severities = list(range(len(next(iter(series.values())))))
    for (name, steps), (colour, dash, symbol) in zip(series.items(), lines, strict=False):
        told = all(outcome for _, _, outcome in steps)
        symbols = [OUTCOMES[outcome][1] for _, _, outcome in steps] if told else symbol
        colours = [OUTCOMES[outcome][0] for _, _, outcome in steps] if told else colour
        common = {"line": {"color": colour, "dash": dash, "width": 2.5}, "mode": "lines+markers", "name": name, "legendgroup": name}
        mark = {"symbol": symbols, "size": 13 if told else 9, "color": colours, "line": {"width": 2 if told else 1, "color": colours if told else "white"}}
        for row, values in enumerate(zip(*[(c, p) for c, p, _ in steps], strict=True), 1):
            tip = "%{y:.2f} %"
            figure.add_scatter(
                x=severities, y=[100 * v for v in values], marker=mark, showlegend=row == 1 and not told, hovertemplate=tip, row=row, col=1, **common
            )
        if told:  # a marker list has no sample of its own in the legend
            figure.add_scatter(x=[None], y=[None], **{**common, "mode": "lines"}, row=1, col=1)
    if expected:
        name, values = expected
        line = {"color": GUIDE, "dash": "dot", "width": 2.5}
        figure.add_scatter(x=severities, y=[100 * v for v in values], mode="lines", line=line, name=name, hovertemplate="%{y:.2f} %", row=1, col=1)
    line = {"dash": "dash", "width": 2, "color": GUIDE}
    ends = [severities[0] - 0.2, severities[-1] + 0.2]
    figure.add_scatter(x=ends, y=[100 * level] * 2, mode="lines", line=line, name=words["level"], hoverinfo="skip", row=2, col=1)
    tidy(figure, height=560, fitted="xy")
    figure.update_layout(legend={"y": 0, "yanchor": "bottom"})
    figure.update_xaxes(tickvals=severities, ticktext=[words["clean"], *map(str, severities[1:])], range=ends)
    figure.update_xaxes(title=words["severity"], row=2, col=1)
    least = min(y for trace in figure.data if trace.yaxis == "y" for y in trace.y if y is not None)
    least = 25 * (max(least - 1, 0) // 25)  # a quarter of the axis below which nothing lies is not drawn
    figure.update_yaxes(
        range=[least - 0.04 * (100 - least), 100 + 0.04 * (100 - least)], tickvals=[t for t in (0, 25, 50, 75, 100) if t >= least], row=1, col=1
    )
    low = min(100 * LEAST, *(100 * p for steps in series.values() for _, p, _ in steps))
    ticks = {"tickvals": [0.1, 1, 5, 20, 100], "ticktext": ["0.1", "1", "5", "20", "100"]}
    figure.update_yaxes(type="log", range=[np.log10(low) - 0.1, np.log10(150)], **ticks, row=2, col=1)
    return figure


def mark_of(outcome):
    """Return an outcome's mark as text: ● accepted, ◆ rejected, with ✕ where the answer is another than expected."""
    symbol = OUTCOMES[outcome][1]
    return {MARK["ID"]: "●", MARK["OOD"]: "◆"}[symbol.removesuffix("-x-open")] + "✕" * crossed(outcome)


def crossed(outcome):
    """Tell whether an outcome's answer is another than expected."""
    return OUTCOMES[outcome][1].endswith("-x-open")
