"""Charts of blocks: which one notices a puzzle, and which one lets it pass. Pure functions from numbers to Plotly figures."""

import numpy as np
import plotly.graph_objects as go

from dashboard.charts.style import COLOUR, GUIDE, KNOWN, MARK, PUZZLE, UNKNOWN, tidy

QUIET = "#7D8894"  # 3:1 on white and on the dark background
SETS = {"ID": (KNOWN, "solid"), "puzzle": (PUZZLE, "dash"), "OOD": (UNKNOWN, "dot")}
ROOMY = 12  # up to so many blocks, numbers fit into their bars
SORTS = ("depth", "ratio")


def in_order(blocks, ratios, sort):
    """Return the blocks from input to output ("depth") or from the highest ratio to the lowest ("ratio")."""
    return list(blocks) if sort == "depth" else [blocks[k] for k in np.argsort(-np.asarray(ratios), kind="stable")]


def ratio_bars(choice, words, *, sort="depth", shown=None):
    """Draw the NormRatio of every block, the selected one marked.

    Args: choice: `compute.Choice`; shown: the block that the page looks into;
        words: keys "axis", "one" (what the line at 1 means), "selected", "shown".
    """
    order = in_order(choice.blocks, choice.ratios, sort)
    at = {block: k for k, block in enumerate(choice.blocks)}
    ratio, low, high = (np.asarray(values)[[at[b] for b in order]] for values in (choice.ratios, choice.low, choice.high))
    figure = go.Figure(_bars(order, ratio, choice.selected))
    figure.data[0].update(
        customdata=[[block] for block in order],
        showlegend=False,
        error_y={"type": "data", "symmetric": False, "array": high - ratio, "arrayminus": ratio - low, "thickness": 1.5, "color": QUIET},
    )
    tops = np.maximum(high, 1)
    _mark(figure, choice.selected, tops[order.index(choice.selected)], words["selected"])
    if shown not in (None, choice.selected):
        _mark(figure, shown, tops[order.index(shown)], words["shown"])
    _line_at_one(figure, words["one"])
    return _upright(tidy(figure, height=350, y=words["axis"], fitted="x"), order, max(tops))


def picture_bars(blocks, ratios, mean, selected, words):
    """Draw how much stronger each block responds to one picture than to its puzzle, beside the mean of known pictures.

    Args: blocks: K names; ratios, mean: (K,); words: keys "axis", "one", "selected", "this", "mean".
    """
    figure = go.Figure(_bars(blocks, ratios, selected))
    figure.data[0].update(name=words["this"], showlegend=True)
    mark = {"symbol": "diamond-wide-open", "size": 13 if len(blocks) <= ROOMY else 8, "color": PUZZLE, "line": {"width": 2.5}}
    figure.add_scatter(x=list(blocks), y=list(mean), mode="markers", marker=mark, name=words["mean"], hovertemplate="%{x}: %{y:.2f}")
    tops = np.maximum(np.maximum(ratios, mean), 1)
    _mark(figure, selected, tops[list(blocks).index(selected)], words["selected"])
    _line_at_one(figure, words["one"])
    return _upright(tidy(figure, height=440, y=words["axis"], fitted="x"), blocks, max(tops))


def norm_distributions(sets, threshold, points, words, *, bins=48):
    """Draw how the FeatureNorms of sets of pictures are spread in one block, in bins that all sets share.

    Args: sets: [(name, "ID", "puzzle" or "OOD", (N,) norms)]; threshold: known if the norm is above it;
        points: [(name, norm)] of single pictures; words: keys "norm", "share", "threshold".
    """
    norms = [values for _, _, values in sets]
    ends = [np.quantile(values, (0.002, 0.995)) for values in norms] + [[threshold], *([norm] for _, norm in points)]
    low, high = min(map(min, ends)), max(map(max, ends))
    room = 0.03 * (high - low or 1)
    edges = np.linspace(low - room, high + room, bins + 1)
    figure, top = go.Figure(), 0
    for name, kind, values in sets:
        colour, dash = SETS[kind]
        share = np.histogram(values, edges)[0] / len(values) * 100
        top = max(top, share.max())
        line = {"color": colour, "dash": dash, "width": 2, "shape": "hv"}
        fill = {"fill": "tozeroy", "fillcolor": f"rgba{(*bytes.fromhex(colour[1:]), 0.16)}"}
        figure.add_scatter(x=edges, y=[*share, share[-1]], mode="lines", line=line, name=name, hovertemplate="%{x:.3g}: %{y:.1f} %", **fill)
    line = {"dash": "longdash", "width": 2, "color": GUIDE}
    figure.add_scatter(x=[threshold] * 2, y=[0, 1.15 * top], mode="lines", line=line, name=words["threshold"], hovertemplate="%{x:.4g}")
    for i, (name, norm) in enumerate(points):
        verdict = "ID" if norm > threshold else "OOD"
        mark = {"symbol": MARK[verdict], "size": [0, 14], "color": COLOUR[verdict], "line": {"width": 1.5, "color": "white"}, "opacity": 1}
        line = {"color": COLOUR[verdict], "width": 2.5, "dash": ("solid", "dashdot")[i % 2]}
        figure.add_scatter(x=[norm] * 2, y=[0, top * (1.05 - 0.2 * i)], mode="lines+markers", name=name, marker=mark, line=line, hovertemplate="%{x:.4g}")
    figure = tidy(figure, height=360, x=words["norm"], y=words["share"])
    figure.update_yaxes(range=[0, 1.18 * top])
    return figure


def _bars(blocks, ratios, selected):
    chosen = [block == selected for block in blocks]
    marker = {
        "color": [KNOWN if c else QUIET for c in chosen],
        "pattern": {"shape": ["/" if c else "" for c in chosen], "fillmode": "overlay", "fgcolor": "rgba(255,255,255,0.45)", "solidity": 0.2, "size": 9},
        "line": {"width": 0},
    }
    text = {"text": [f"<b>{r:.2f}</b>" for r in ratios], "textposition": "inside", "insidetextanchor": "start"}
    text |= {"textfont": {"color": "white", "size": 13}, "constraintext": "none"}
    return go.Bar(x=list(blocks), y=list(ratios), marker=marker, hovertemplate="%{x}: %{y:.3f}<extra></extra>", **(text if len(blocks) <= ROOMY else {}))


def _mark(figure, block, height, text):
    """Write what a bar is above it, clear of the line at 1."""
    figure.add_annotation(x=block, y=height, text=f"<b>{text}</b>", showarrow=True, arrowhead=2, arrowcolor=QUIET, ax=0, ay=-24, standoff=2)


def _line_at_one(figure, text):
    figure.add_hline(y=1, line={"dash": "dash", "width": 2, "color": GUIDE}, name=text, showlegend=True)


def _upright(figure, blocks, top):
    """Set the axes of bars that stand: block names that stay readable when there are many, room for marks above."""
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=list(blocks), range=[-0.6, len(blocks) - 0.4], tickmode="linear")
    if len(blocks) > ROOMY:
        figure.update_xaxes(tickangle=-90, tickfont={"size": 10 if len(blocks) <= 20 else 9})
    figure.update_yaxes(range=[0, 1.22 * top])
    return figure
