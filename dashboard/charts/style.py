"""One look for all charts. ID and OOD differ in colour (readable by the colour-blind), mark and dash."""

KNOWN, UNKNOWN, PUZZLE = "#0072B2", "#D55E00", "#A65C8A"
MARK = {"ID": "circle", "OOD": "diamond"}
COLOUR = {"ID": KNOWN, "OOD": UNKNOWN}
GUIDE = "#808080"  # thresholds and lines of reference


def tidy(figure, *, height, x=None, y=None, legend=True):
    """Set sizes, axis titles and a legend on top; the page's theme gives fonts and background. Returns: the figure."""
    figure.update_layout(
        height=height,
        margin={"l": 10, "r": 10, "t": 34 if legend else 12, "b": 10},
        showlegend=legend,
        # beside the plot area instead of the whole figure, the legend would lie over the plot after the window has become wider
        legend={"orientation": "h", "yref": "container", "yanchor": "top", "y": 1.0, "x": 0},
        hoverlabel={"namelength": -1},
    )
    figure.update_xaxes(title=x, automargin=True)
    figure.update_yaxes(title=y, automargin=True)
    return figure
