"""Train a small network on the toybox, here and now: curves as they come, cancel, resume, and in the end a model for every page.

A training lives in the server under a name that nobody can guess; the link carries it, so that a reload finds it again.
"""

from functools import partial

import streamlit as st

from core.packs import describe
from core.provenance import command_line
from core.training import METHODS
from dashboard import compute
from dashboard.charts.curves import training_curves
from dashboard.language import method_name, set_name, t
from dashboard.parts import choices, foot, own, own_rows
from dashboard.parts.attempt import attempt, refusal
from dashboard.parts.chart import show, table

PICTURES, WIDTHS, EPOCHS, SEEDS = (500, 1000, 2000, 4000, 8000), (8, 16), range(1, 21), range(100)
DEFAULTS = {"method": "adversarial-mixup", "pictures": 2000, "width": 8, "epochs": 8, "seed": 0}
ALPHAS, STEPS = (0.1, 0.3, 1.0, 3.0), (1, 2, 4, 8, 16)  # STEPS: eps in 255ths
SETS = ("near", "textures", "letters")
FIXED = (
    "--data toybox:train --val toybox:val --val-limit 300 --holdout 300 --bank 300 --ood-limit 100 --arch cifar_resnet18"
    " --border crop --batch-size 64 --peak 0.1 --ema 0.9 --precision bf16"
).split()


@st.fragment
def train_here():
    """Draw the form, the curves of this session's trainings, and what can be done with each."""
    mine = own.mine("training")
    st.header(_finding(mine))
    st.markdown(t("live.intro"))
    refusal()
    _form(any(one.busy for one in mine))
    own_rows.rows("training", _curves)


def title(one):
    """Return what a training is called among this session's."""
    alpha, eps = one.option("alpha"), one.option("eps")
    settings = [f"alpha {alpha}"] * bool(alpha) + [f"eps {255 * float(eps or 0):.0f}/255"] * bool(eps)
    facts = {name: one.option(name) for name in ("epochs", "width", "seed")}
    return ", ".join([t("live.title", method=method_name(one.option("method")), n=f"{int(one.option('limit')):,}", **facts), *settings])


def _form(busy):
    """Draw what to train."""
    method = choices.segments("live_method", t("live.method"), {name: method_name(name) for name in METHODS}, DEFAULTS["method"])
    words = ["--method", method]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        pictures = choices.steps("live_pictures", t("live.pictures"), PICTURES, DEFAULTS["pictures"], width=200)
        epochs = choices.steps("live_epochs", t("live.epochs"), EPOCHS, DEFAULTS["epochs"], width=200)
        width = choices.segments("live_width", t("live.width"), WIDTHS, DEFAULTS["width"], help=t("live.width_help"))
        seed = choices.number("live_seed", t("live.seed"), SEEDS, DEFAULTS["seed"], width=120, help=t("live.seed_help"))
    words += ["--limit", str(pictures), "--epochs", str(epochs), "--width", str(width), "--seed", str(seed)]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        usual = METHODS[method].parameters
        if "alpha" in usual:
            alpha = choices.steps(f"live_alpha_{method}", "alpha", ALPHAS, usual["alpha"], width=200, help=t("live.alpha_help"))
            words += ["--alpha", f"{alpha:g}"]
        if "eps" in usual:
            labels = {step: f"{step}/255" for step in STEPS}
            step = choices.steps(f"live_eps_{method}", "eps", labels, round(255 * usual["eps"]), width=200, help=t("live.eps_help"))
            words += ["--eps", f"{step / 255:.6f}"]
    arguments = ["train", *words, *FIXED, *(word for name in SETS for word in ("--ood", f"{name}=toybox:{name}"))]
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.button(t("live.start"), icon=":material/play_arrow:", key="live_start", disabled=busy, on_click=attempt, args=(own.start, "training", arguments))
        if busy:
            st.caption(t("live.busy"))
    foot.on_command_line(t("live.command"), command_line([*arguments, "--out", "my_pack"]), caption=t("live.own"))


def _curves(mine):
    held = compute.trainings()
    curves = {f"{k} · {title(one)}": held.curve(one) for k, one in enumerate(mine, 1)}
    drawn = {name: (list(c.loss), list(c.accuracy), [sum(w.values()) / len(w) for w in c.watched]) for name, c in curves.items()}
    for k, one in enumerate(mine, 1):
        name = f"{k} · {title(one)}"
        own_rows.row(one, held, name, running=partial(_progress, one), outcome=partial(_outcome, one, held))
    if not any(c.loss for c in curves.values()):
        return
    epochs = max(int(one.option("epochs")) for one in mine)
    words = {"loss": t("live.loss"), "accuracy": t("live.accuracy"), "auroc": t("live.auroc"), "epoch": t("live.epoch")}
    rows = []
    for name, c in curves.items():
        for i, (loss, accuracy) in enumerate(zip(c.loss, c.accuracy, strict=False)):
            rows.append((name, i + 1, round(loss, 4), round(100 * accuracy, 2), *(round(100 * c.watched[i][of], 2) for of in SETS if i < len(c.watched))))
    wide = table("training epoch loss accuracy", [row[:4] for row in rows])
    for k, of in enumerate(SETS):
        wide[f"AUROC, {set_name(of)}, %"] = [row[4 + k] if len(row) > 4 + k else None for row in rows]
    show(training_curves(drawn, epochs, words), alt=_finding(mine), table=wide, key="live_curves")


def _progress(one):
    """Return the share that is done and the words beside it."""
    job = one.job
    doing = "measuring" if job.doing == "training" and job.done == job.total else job.doing
    if doing != "training":
        return job.done / max(job.total, 1), t(f"live.{doing}", done=f"{job.done:,}", total=f"{job.total:,}")
    done = len(one.curve.loss) if one.curve else 0
    return job.done / job.total, f"{t('live.training', done=done, epochs=one.option('epochs'))} {own_rows.left(one)}"


def _outcome(one, held):
    """Say in words what came of a training that does not run."""
    if one.state == "done":
        figures = describe(one.folder).facts["figures"]
        return t("live.done", accuracy=figures["accuracy"], n=figures["pictures"])
    epochs = len(held.curve(one).loss)
    if one.state == "interrupted":
        return t("live.interrupted", epochs=epochs) if epochs else t("live.interrupted_early")
    return t("live.stopped", epochs=epochs) if epochs else t("live.stopped_early")


def _finding(mine):
    """Return the section's header: what the newest training shows, or what there is to do."""
    held = compute.trainings()
    for one in mine:
        curve = held.curve(one)
        if curve.watched and curve.accuracy:
            auroc = sum(curve.watched[-1].values()) / len(curve.watched[-1])
            numbers = {"accuracy": f"{100 * curve.accuracy[-1]:.0f}", "auroc": f"{100 * auroc:.0f}", "done": len(curve.watched)}
            return t("live.found", method=method_name(one.option("method")), epochs=one.option("epochs"), **numbers)
    return t("live.header")
