"""One look for all charts. ID and OOD differ in colour (readable by the colour-blind), mark and dash."""

KNOWN, UNKNOWN, PUZZLE = "#0072B2", "#D55E00", "#A65C8A"
MARK = {"ID": "circle", "OOD": "diamond"}
COLOUR = {"ID": KNOWN, "OOD": UNKNOWN}
GUIDE = "#808080"  # thresholds and lines of reference


LAYOUT = {
    # beside the plot area instead of the whole figure, the legend would lie over the plot after the window has become wider
    "legend": {"orientation": "h", "yref": "container", "yanchor": "top", "y": 1.0, "x": 0},
    "hoverlabel": {"namelength": -1},
}
NUMBERS, UNTITLED = {"l": 64, "b": 50}, {"l": 42, "b": 28}  # pixels that labels of numbers take, with a title of the axis and without
PANEL, BESIDE = 150, 0.05  # pixels of a panel's height; share of the width between two


def percent(confidence):
    """Write a confidence in percent, without the sign. A softmax gives no class all or nothing: what would read so is written as a bound."""
    if confidence < 0.0005:
        return "<\u00a00.1"
    return ">\u00a099.9" if confidence >= 0.9995 else f"{100 * confidence:.1f}"


def tidy(figure, *, height, x=None, y=None, legend=True, fitted=""):
    """Set sizes, axis titles and a legend on top; the page's theme gives fonts and background.

    Args: height: pixels; x, y: titles; fitted: "x", "y" or "xy", the axes whose labels are words or may tilt: they take the room that they need, for
        which the browser draws the chart twice. Labels of numbers have a fixed room.
    Returns: the figure.
    """
    room = {"l": 10 if "y" in fitted else NUMBERS["l"] if y else UNTITLED["l"], "b": 10 if "x" in fitted else NUMBERS["b"] if x else UNTITLED["b"]}
    figure.update_layout(height=height, margin={"r": 10, "t": 34 if legend else 12, **room}, showlegend=legend, **LAYOUT)
    figure.update_xaxes(title=x, automargin="x" in fitted)
    figure.update_yaxes(title=y, automargin="y" in fitted)
    return figure


def panels(titles, columns):
    """Lay out small charts in rows, each under its title: plain data, which Plotly checks once, in a fifth of the time of `make_subplots` and updates.

    Args: titles: one a chart; their axes are of numbers; columns: how many stand beside each other.
    Returns: the layout, a dict; `panel_axes` says where the traces of each go.
    """
    rows = -(-len(titles) // columns)
    below = min(0.35 / rows, 0.2)
    width, height = (1 - BESIDE * (columns - 1)) / columns, (1 - below * (rows - 1)) / rows
    layout, annotations = {"height": PANEL * rows + 90, "margin": {"r": 10, "t": 60, **UNTITLED}, "showlegend": True, **LAYOUT}, []
    for k, (title, axes) in enumerate(zip(titles, panel_axes(len(titles)), strict=True)):
        left, top = k % columns * (width + BESIDE), 1 - k // columns * (height + below)
        both = {"automargin": False}
        layout[axes["xaxis"].replace("x", "xaxis")] = both | {"anchor": axes["yaxis"], "domain": [left, min(left + width, 1)], "nticks": 4}  # on a phone too
        layout[axes["yaxis"].replace("y", "yaxis")] = both | {"anchor": axes["xaxis"], "domain": [max(top - height, 0), top]}
        place = {"x": left + width / 2, "xref": "paper", "xanchor": "center", "y": top, "yref": "paper", "yanchor": "bottom"}
        annotations.append({"text": title, "showarrow": False, "font": {"size": 16}, **place})
    return layout | {"annotations": annotations}


def panel_axes(count):
    """Return the names of the axes of each panel, as traces want them."""
    return [{"xaxis": f"x{k or ''}", "yaxis": f"y{k or ''}"} for k in (0, *range(2, count + 1))][:count]
