"""Curves of trainings: how loss, accuracy and AUROC go, epoch by epoch. Pure functions from numbers to Plotly figures."""

from dashboard.charts.detector import LINES
from dashboard.charts.style import tidy


def training_curves(curves, epochs, words):
    """Draw three panels over the epochs, a line for each training.

    Args: curves: {name: (losses, accuracies, AUROCs)}: nats and fractions, one number an epoch, as many as there are so far; at most as many
        names as `LINES`; epochs: where the axis ends; words: keys "loss", "accuracy", "auroc", "epoch".
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(1, 3, horizontal_spacing=0.08, subplot_titles=[words[k] for k in ("loss", "accuracy", "auroc")])
    for (name, (loss, accuracy, auroc)), (colour, dash, symbol) in zip(curves.items(), LINES, strict=False):
        panels = (loss, "%{y:.3f}"), ([100 * a for a in accuracy], "%{y:.1f} %"), ([100 * a for a in auroc], "%{y:.1f} %")
        for column, (values, form) in enumerate(panels, 1):
            figure.add_scatter(
                x=list(range(1, len(values) + 1)),
                y=values,
                mode="lines+markers",
                line={"color": colour, "dash": dash, "width": 2.5},
                marker={"symbol": symbol, "size": 8, "color": colour},
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                hovertemplate=form,
                row=1,
                col=column,
            )
    tidy(figure, height=340, x=words["epoch"])
    figure.update_layout(margin={"t": 34 + 28 * (1 + len(curves) // 2)})
    figure.update_xaxes(range=[0.7, max(epochs, 2) + 0.3], tickformat="d")
    for column in (2, 3):
        figure.update_yaxes(range=[0, 103], row=1, col=column)
    return figure
