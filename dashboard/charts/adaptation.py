"""Charts of networks that adapt while they run. Pure functions from numbers to Plotly figures."""

import plotly.graph_objects as go
from PIL import Image, ImageDraw

from dashboard.charts.detector import LINES
from dashboard.charts.style import GUIDE, KNOWN, UNKNOWN, tidy

RIGHT, WRONG = KNOWN, UNKNOWN
PAPER = "#FFFFFF"


def bands(figure, domains, names):
    """Mark where the look of the pictures changes, with its name above. Args: domains: one a batch; names: {domain: title}. Returns: the figure."""
    starts = [k for k, domain in enumerate(domains) if k == 0 or domain != domains[k - 1]]
    spans = list(zip(starts, [*starts, len(domains)][1:], strict=True))
    look = {"type": "rect", "yref": "y domain", "y0": 0, "y1": 1, "fillcolor": GUIDE, "opacity": 0.12, "line": {"width": 0}, "layer": "below"}
    shapes = [{**look, "x0": k + 0.5, "x1": end + 0.5} for k, end in spans[1::2]]
    look = {"y": 1, "yref": "paper", "yanchor": "top", "showarrow": False, "textangle": -30 if len(starts) > 6 else 0, "font": {"size": 11}}
    titles = [{**look, "x": (k + end + 1) / 2, "text": names.get(domains[k], domains[k])} for k, end in spans if len(starts) <= 20]
    # at once: to add them one by one takes as long as all the rest of a chart
    return figure.update_layout(shapes=[*figure.layout.shapes, *shapes], annotations=[*figure.layout.annotations, *titles])


def errors(tracks, batches, domains, names, words):
    """Draw the error of each batch as a mark and its running mean as a line, for each method.

    Args:
        tracks: {title: (errors, running means)}, percent or None, one a batch so far; those beyond `LINES` take the first lines again, thin: a run that is
            compared with. batches: where the axis ends; domains, names: as `bands`; words: keys "batch", "error".
    """
    figure = go.Figure()
    for k, (title, (each, running)) in enumerate(tracks.items()):
        colour, dash, symbol = LINES[k % len(LINES)]
        x = list(range(1, len(each) + 1))
        mark = {"symbol": symbol, "size": 6, "color": colour, "opacity": 0.45}
        figure.add_scatter(x=x, y=each, mode="markers", marker=mark, legendgroup=title, showlegend=False, name=title, hovertemplate="%{y:.1f} %")
        line = {"color": colour, "dash": dash, "width": 3 if k < len(LINES) else 1.5}
        last = next((value for value in reversed(running) if value is not None), None)
        name = title if last is None else f"{title}: {last:.1f} %"
        figure.add_scatter(x=x, y=running, mode="lines", line=line, legendgroup=title, name=name, hovertemplate="%{y:.1f} %")
    tidy(figure, height=420, x=words["batch"], y=words["error"])
    figure.update_layout(margin={"t": 34 + 22 * (1 + len(tracks) // 3)})
    figure.update_xaxes(range=[0.5, max(batches, 2) + 0.5], tickformat="d")
    figure.update_yaxes(rangemode="tozero")
    return bands(figure, domains, names)


def lines(tracks, batches, domains, names, words, *, marks=None, ends=None):
    """Draw one number of each batch as a line for each method.

    Args: tracks: {title: numbers or None}; marks: {title: numbers of batches to mark by a cross}; ends: of the axis; words: keys "batch", "value".
    """
    figure = go.Figure()
    for (title, values), (colour, dash, symbol) in zip(tracks.items(), LINES, strict=False):
        x = [k for k, value in enumerate(values, 1) if value is not None]
        y = [value for value in values if value is not None]
        mode = "lines+markers" if len(x) < len(values) or len(x) < 3 else "lines"
        line, mark = {"color": colour, "dash": dash, "width": 2.5}, {"symbol": symbol, "size": 7, "color": colour}
        figure.add_scatter(x=x, y=y, mode=mode, line=line, marker=mark, name=title, hovertemplate="%{y:.3g}")
        at = [k for k in (marks or {}).get(title, ()) if k <= len(values) and values[k - 1] is not None]
        if at:
            cross = {"symbol": "x-thin", "size": 13, "line": {"color": UNKNOWN, "width": 3}}
            y = [values[k - 1] for k in at]
            figure.add_scatter(x=at, y=y, mode="markers", marker=cross, name=f"{title}: {words['alarm']}", hovertemplate="%{x}")
    tidy(figure, height=330, x=words["batch"], y=words["value"])
    figure.update_layout(margin={"t": 34 + 22 * (1 + len(tracks) // 3)})
    figure.update_xaxes(range=[0.5, max(batches, 2) + 0.5], tickformat="d")
    figure.update_yaxes(**({"range": ends} if ends else {"rangemode": "tozero"}))
    return bands(figure, domains, {name: "" for name in names})


def drift(blocks, tracks, selected, words):
    """Draw how far each block has moved, bars for each method, the blocks that DPLOT tunes alone marked by a star.

    Args: blocks: K names; tracks: {title: K percentages}; selected: names of blocks; words: keys "block", "value".
    """
    figure = go.Figure()
    ticks = [f"{block} ★" if block in selected else block for block in blocks]
    for (title, values), (colour, _, _), shape in zip(tracks.items(), LINES, ("", "/", "\\", "x", "-", "|"), strict=False):
        pattern = {"shape": shape, "fgcolor": PAPER, "fillmode": "overlay", "size": 6, "solidity": 0.25}
        marker = {"color": colour, "pattern": pattern}
        figure.add_bar(x=ticks, y=values, name=title, marker=marker, hovertemplate="%{y:.2f} %")
    figure.update_layout(barmode="group")
    tidy(figure, height=330, x=words["block"], y=words["value"], fitted="x")
    figure.update_layout(margin={"t": 34 + 22 * (1 + len(tracks) // 3)})
    return figure


def similarity(blocks, scaled, selected, threshold, words):
    """Draw why blocks were selected: their scaled similarity and the line above which they are.

    Args: blocks: K names; scaled: K numbers in [0, 1]; selected: names; threshold; words: keys "block", "value", "selected", "left".
    """
    figure = go.Figure()
    for chosen, colour, shape, name in ((True, KNOWN, "", words["selected"]), (False, GUIDE, "/", words["left"])):
        rows = [(b, s) for b, s in zip(blocks, scaled, strict=True) if (b in selected) == chosen]
        pattern = {"shape": shape, "fgcolor": PAPER, "fillmode": "overlay", "size": 6, "solidity": 0.25}
        x, y = [b for b, _ in rows], [s for _, s in rows]
        figure.add_bar(x=x, y=y, name=name, marker={"color": colour, "pattern": pattern}, hovertemplate="%{y:.4f}")
    figure.add_hline(y=threshold, line={"dash": "longdash", "width": 2, "color": GUIDE})
    tidy(figure, height=300, x=words["block"], y=words["value"], fitted="x")
    figure.update_xaxes(categoryorder="array", categoryarray=list(blocks))
    figure.update_yaxes(range=[0, 1.05])
    return figure


def marked(pictures, before, after, labels, *, columns=8, side=72):
    """Draw pictures in a sheet, beneath each whether the answer was right before (left) and is right after (right): a tick or a cross.

    Args: pictures: (K, S, S, 3) uint8; before, after, labels: K class numbers, labels -1 where the picture is of no class: then there is no mark.
    Returns: `PIL.Image`.
    """
    strip, gap = 22, 6
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (side + gap) + gap, rows * (side + strip + gap) + gap), PAPER)
    draw = ImageDraw.Draw(sheet)
    for k, picture in enumerate(pictures):
        x, y = gap + (k % columns) * (side + gap), gap + (k // columns) * (side + strip + gap)
        sheet.paste(Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST), (x, y))
        for place, answer in ((0.25, before[k]), (0.75, after[k])):
            if labels[k] >= 0:
                _mark(draw, x + place * side, y + side + strip / 2, answer == labels[k])
    return sheet


def _mark(draw, x, y, right):
    size = 7
    if right:
        draw.line([(x - size, y), (x - size / 3, y + size * 0.7), (x + size, y - size * 0.8)], fill=RIGHT, width=3, joint="curve")
    else:
        draw.line([(x - size, y - size), (x + size, y + size)], fill=WRONG, width=3)
        draw.line([(x - size, y + size), (x + size, y - size)], fill=WRONG, width=3)
