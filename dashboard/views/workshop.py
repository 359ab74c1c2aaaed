"""Does it work with my own model? Three steps from a weights file to a model that every page and command can use."""

import streamlit as st

from core.packs import describe
from core.provenance import command_line
from dashboard import making
from dashboard.language import class_name, explain, set_name, t
from dashboard.parts import foot, own, workshop_steps
from dashboard.parts.chart import table
from dashboard.parts.frame import frame
from dashboard.parts.picture_view import enlarged
from dashboard.parts.text import plain


def main():
    frame()
    st.title(t("workshop.title"))
    st.markdown(t("workshop.intro"))
    plan = workshop_steps.plan_form()
    if plan is not None:
        check(plan)
    own.refusal()
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
            st.error(explain(job.error) if job.error else t("workshop.failed"), icon=":material/error:")
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
    st.button(t("workshop.cancel"), icon=":material/stop:", key="workshop_check_cancel", on_click=job.stop.set)


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
    st.button(t("workshop.build"), icon=":material/construction:", key="workshop_build", disabled=not sure, on_click=own.attempt, args=(_start, arguments))
    foot.on_command_line(t("workshop.command"), command_line([*arguments, "--out", "my_pack"]))


@st.fragment
def made():
    """Draw the packs of this session that are built or were, newest first."""
    if st.session_state.pop("made_used", False):
        st.rerun()  # the sidebar too
    mine = own.builds()
    if not mine:
        return
    if any(one.busy for one in mine):
        _live()
    else:
        _rows(mine)


@st.fragment(run_every=1.0)
def _live():
    """Draw the rows each second. The last is for the whole page to draw: a click on what a fragment drew would be lost when that goes."""
    mine = own.builds()
    if st.session_state.get("made_used") or not any(one.busy for one in mine):
        st.rerun()
    _rows(mine)


def _rows(mine):
    held = making.builds()
    for one in mine:
        _row(one, held)


def _row(one, held):
    """Draw one pack: how far it is, and what can be done with it."""
    name = plain(one.option("title"))
    with st.container(border=True):
        if one.state == "done":
            _done(one, name)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if one.state == "waiting":
                st.progress(0.0, f"{name}: {t('live.waiting', n=held.ahead(one))}")
            elif one.state == "running":
                left = "" if one.seconds_left is None else t("live.left", seconds=f"{one.seconds_left:.0f}")
                words = t("workshop.building", done=f"{one.job.done:,}", total=f"{one.job.total:,}")
                st.progress(min(one.job.done / max(one.job.total, 1), 1.0), f"{name}: {words} {left}")
            elif one.state == "failed":
                st.markdown(f"{name}: {explain(one.job.error) if one.job.error else t('workshop.failed')}", width="stretch")
            elif one.state in ("stopped", "interrupted"):
                st.markdown(f"{name}: {t(f'workshop.{one.state}')}", width="stretch")
            _buttons(one, held)


def _buttons(one, held):
    key = f"made_{one.name}"
    if one.busy:
        st.button(t("workshop.cancel"), icon=":material/stop:", key=f"{key}_cancel", disabled=one.job.stop.is_set(), on_click=one.job.stop.set)
        return
    if one.state == "done":
        used = st.session_state.get("pack") == one.name
        st.button(t("workshop.use"), icon=":material/check:", key=f"{key}_use", on_click=_use, args=(one.name,), disabled=used)
        st.download_button(
            t("workshop.download"),
            lambda: making.zipped(one.folder),
            f"{one.option('title')}.zip",
            "application/zip",
            key=f"{key}_zip",
            icon=":material/download:",
            on_click="ignore",
        )
    else:
        st.button(t("live.resume"), icon=":material/resume:", key=f"{key}_resume", on_click=own.attempt, args=(held.resume, one))
    st.button(t("live.remove"), icon=":material/delete:", key=f"{key}_remove", on_click=own.attempt, args=(held.remove, one))


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
    st.dataframe(table("set auroc fpr95", rows), hide_index=True, key=f"made_{one.name}_table", alt=t("workshop.figures_alt"))


def _start(arguments):
    own.start("build", arguments)
    st.session_state.pop("workshop_anyway", None)


def _use(name):
    st.session_state["pack"], st.session_state["made_used"] = name, True


main()
