"""Does it work with my own model? Three steps from a weights file to a model that every page and command can use."""

from functools import partial

import streamlit as st

from core.packs import describe
from core.provenance import command_line
from dashboard import making
from dashboard.charts.pictures import enlarged
from dashboard.language import class_name, explain, set_name, t
from dashboard.language.text import plain
from dashboard.parts import foot, own, own_rows, workshop_steps
from dashboard.parts.attempt import attempt, refusal
from dashboard.parts.chart import table
from dashboard.parts.frame import frame


def main():
    frame()
    st.title(t("workshop.title"))
    st.markdown(t("workshop.intro"))
    plan = workshop_steps.plan_form()
    if plan is not None:
        check(plan)
    refusal()
    made()
    foot.how(t("workshop.why_title"), (t("workshop.why"),))
    foot.ways("workshop")


def check(plan):
    """Draw the third step: how many known pictures are recognised, before anything is measured of unknown ones; then the button that builds."""
    job = _job(plan)
    if job is not None and job.running:
        st.header(t("workshop.checking"))
        _progress()
        return
    found = job.result if job is not None else None
    st.header(_accuracy(found) if found else t("workshop.check_header"))
    if found:
        _found(found)
    else:
        if job is not None and (job.error or job.bug):
            st.error(explain(job.error) if job.error else t("own.failed"), icon=":material/error:")
        st.markdown(t("workshop.check_intro"))
    st.button(t("workshop.check" if not found else "workshop.check_again"), icon=":material/fact_check:", key="workshop_check", on_click=_check, args=(plan,))
    if found:
        _build(plan, found)


@st.fragment(run_every=0.5)
def _progress():
    """Draw how far the check has come; then the whole page."""
    job = st.session_state["workshop_job"][1]
    if not job.running:
        st.rerun()
    st.progress(min(job.done / max(job.total, 1), 1.0), t("workshop.check_progress", done=f"{job.done:,}", total=f"{job.total:,}"))
    st.button(t("progress.cancel"), icon=":material/stop:", key="workshop_check_cancel", on_click=job.stop.set)


def _job(plan):
    """Return the check of this plan, or None where there is none."""
    key, job = st.session_state.get("workshop_job", (None, None))
    return job if key == plan and not job.stopped else None


def _check(plan):
    old = st.session_state.get("workshop_job")
    if old:
        old[1].stop.set()
    st.session_state["workshop_job"] = plan, making.check(plan)


def _accuracy(found):
    if found.accuracy is None:
        return t("workshop.no_labels", n=f"{found.pictures:,}")
    return t("workshop.accuracy", accuracy=f"{100 * found.accuracy:.1f}", n=f"{found.pictures:,}")


def _found(found):
    """Draw what the check says: the warning first, then pictures as the network sees them, with what it takes them for."""
    if found.doubtful:
        st.warning(explain(found.warning), icon=":material/warning:")
    elif found.accuracy is None:
        st.info(t("workshop.no_labels_info"), icon=":material/label_off:")
    if found.unreadable:
        names = plain(", ".join(name for name, _ in found.unreadable[:5]))
        st.warning(t("workshop.unreadable", n=len(found.unreadable), names=names), icon=":material/broken_image:")
    st.markdown(t("workshop.seen", size=found.seen.shape[-1]))
    with st.grid(min_column_width=110, gap="small"):
        for image, name, label, predicted, confidence in zip(found.seen, found.names, found.labels, found.predicted, found.confidence, strict=True):
            said = class_name(found.classes[predicted])
            mark = "" if label < 0 else "✓ " if label == predicted else "✗ "
            truth = "" if label in (-1, predicted) else f" ({plain(class_name(found.classes[label]))})"
            caption = f"{mark}{plain(said)} {100 * confidence:.0f} %{truth}"
            st.image(enlarged(image.permute(1, 2, 0).numpy()), caption=caption, width="stretch", alt=f"{name}: {said}")


def _build(plan, found):
    """Draw the button that builds, and the command that does the same."""
    sure = not found.doubtful or st.checkbox(t("workshop.anyway"), key="workshop_anyway")
    arguments = [*plan.arguments(), *["--anyway"] * found.doubtful]
    st.button(t("workshop.build"), icon=":material/construction:", key="workshop_build", disabled=not sure, on_click=attempt, args=(_start, arguments))
    foot.on_command_line(t("workshop.command"), command_line([*arguments, "--out", "my_pack"]))


@st.fragment
def made():
    """Draw the packs of this session that are built or were, newest first."""
    own_rows.rows("build", _builds)


def _builds(mine):
    held = making.builds()
    for one in mine:
        name = plain(one.option("title"))
        with st.container(border=True):
            if one.state == "done":
                _done(one, name)
            own_rows.row(one, held, name, running=partial(_so_far, one), outcome=partial(_outcome, one), more=partial(_offer, one))


def _so_far(one):
    """Return the share that is done and the words beside it."""
    done, total = one.job.done, one.job.total
    return done / max(total, 1), f"{t('workshop.building', done=f'{done:,}', total=f'{total:,}')} {own_rows.left(one)}"


def _outcome(one):
    """Say in words what came of a build that does not run; what a finished one found stands above."""
    return "" if one.state == "done" else t(f"workshop.{one.state}")


def _offer(one):
    title = f"{one.option('title')}.zip"
    packed = partial(making.zipped, one.folder)
    st.download_button(t("workshop.download"), packed, title, "application/zip", key=f"own_{one.name}_zip", icon=":material/download:", on_click="ignore")


def _done(one, name):
    """Say what a finished pack has found."""
    facts = describe(one.folder).facts
    figures, selection = facts["figures"], facts["selection"]
    accuracy = figures.get("accuracy")
    st.subheader(t("workshop.done", name=name, block=selection["selected"]))
    st.markdown(
        t("workshop.done_accuracy", accuracy=f"{accuracy:.1f}", n=f"{figures['pictures']:,}") if accuracy is not None else t("workshop.done_unlabelled")
    )
    rows = [(set_name(name), each["auroc"], each["fpr95"]) for name, each in figures["consensus"].items()]
    st.dataframe(table("set auroc fpr95", rows), hide_index=True, key=f"own_{one.name}_table", alt=t("workshop.figures_alt"))


def _start(arguments):
    own.start("build", arguments)
    st.session_state.pop("workshop_anyway", None)


main()
