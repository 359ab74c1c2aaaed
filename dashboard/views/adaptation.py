"""What happens when the world changes? Networks that repair themselves while they run, side by side, live; and runs that were kept."""

import pandas as pd
import streamlit as st

from core.adaptation import ADAPTATIONS
from core.adaptation.plan import plan_of
from core.errors import InputError
from dashboard import compute
from dashboard.language import adaptation_name, class_name, corruption_name, explain, t
from dashboard.parts import adapt_plan, adapt_result, choices, foot
from dashboard.parts.attempt import attempt, refusal
from dashboard.parts.frame import frame, load
from dashboard.parts.link import remember
from dashboard.parts.looks import look_at
from dashboard.parts.person import forget_button, owner
from dashboard.parts.picker import pick_pictures
from dashboard.session import pictures
from dashboard.session.presence import hold, presence

LISTED = 50
UPDATE, SLOWER = 0.45, 1.5  # seconds between two drawings while a run goes on
BUTTON = 170  # pixels
SPEEDS = (1, 2, 5, 10)  # batches a second


def main():
    settings = frame()
    st.title(t("adapt.title"))
    st.markdown(t("adapt.intro"))
    one = compute.adaptations().look(current())
    with st.expander(t("adapt.form"), icon=":material/tune:", expanded=not current()):
        plan = adapt_plan.plan_form(settings)
    if plan is not None:
        compute.adaptations().prepare(plan)
    buttons(plan, one)
    if one is not None and one.busy:
        crowd = max(1, presence().crowd("adaptation"))  # who watch at the same time share what the server can draw
        st.fragment(live, run_every=UPDATE * crowd)()
        st.fragment(more_live, run_every=SLOWER * crowd)()
    else:
        ended(settings, one, can_start=plan is not None)
    if plan is not None:
        adapt_plan.command(plan)
    explanation(settings)
    foot.ways("adaptation")


def current():
    """Return the name or id of the run that the page shows, from the session or the link, "" for none."""
    if "adaptation" not in st.session_state:
        st.session_state["adaptation"] = st.query_params.get("adaptation", "")
    name = st.session_state["adaptation"]
    if name:
        st.query_params["adaptation"] = name
    else:
        st.query_params.pop("adaptation", None)
    return name


def buttons(plan, one):
    """Draw what can be done: start; pause, step and cancel while it runs are drawn with it."""
    busy = one is not None and one.busy
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.button(t("adapt.start"), icon=":material/play_arrow:", key="adapt_start", disabled=busy or plan is None, on_click=attempt, args=(start, plan))
        if busy:
            st.caption(t("adapt.busy"))
    refusal()


def start(plan):
    """Start a run, which becomes the one that is shown. Raises: InputError where the server has no room for it."""
    st.session_state["adaptation"] = compute.adaptations().start(plan, owner())
    for key in ("adapt_at", "adapt_playing"):
        st.session_state.pop(key, None)


def live():
    """Draw a run while it goes on; then the whole page once more."""
    one = compute.adaptations().look(current())
    if one is None or not one.busy:
        st.rerun()
    hold("adaptation", one.name, lambda: control(one.name, "cancel"))
    controls(one)
    progress(one)
    adapt_result.draw(_result(one), live=True)


def more_live():
    """Draw what else moves while a run goes on, less often: charts are what a browser is busy with."""
    one = compute.adaptations().look(current())
    if one is not None and one.busy:
        adapt_result.draw_more(_result(one), live=True)


def control(name, what):
    compute.adaptations().control(name, what)


def controls(one):
    """Draw pause, step and cancel."""
    paused, still = one.state == "paused", one.state not in ("running", "paused")
    hold = ("go_on", ":material/play_arrow:") if paused else ("pause", ":material/pause:")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):  # of one width each: none may slip from under a click
        words, look = t(f"adapt.{hold[0]}"), {"width": BUTTON}
        st.button(words, icon=hold[1], key="adapt_hold", on_click=control, args=(one.name, hold[0]), disabled=still, **look)
        st.button(t("adapt.step"), icon=":material/skip_next:", key="adapt_step", on_click=control, args=(one.name, "step"), disabled=still, **look)
        st.button(t("progress.cancel"), icon=":material/stop:", key="adapt_cancel", on_click=control, args=(one.name, "cancel"), disabled=one.stopping, **look)


def progress(one):
    """Draw how far each method has come."""
    if one.state == "waiting":
        st.progress(0.0, t("adapt.waiting", n=one.ahead))
        return
    if one.state == "reading":
        st.progress(min(one.done / max(one.total, 1), 1.0), t("adapt.reading"))
        return
    with st.grid(len(one.lanes), min_column_width=200, gap="small"):
        batches = one.document["batches"]
        for method, lane in one.lanes.items():
            name, done = adaptation_name(method), len(one.document["methods"][method]["rows"])
            if lane.state == "failed":
                st.error(f"**{name}**: {explain(lane.error)}", icon=":material/error:")
            elif lane.state == "setting up":
                st.progress(min(lane.done / max(lane.total, 1), 1.0), t("adapt.setting_up", method=name))
            else:
                st.progress(min(done / max(batches or 1, 1), 1.0), t("adapt.at_batch", method=name, done=done, batches=batches))


def ended(settings, one, *, can_start):
    """Draw a run that has ended: from memory, else from the store; and the others that were kept."""
    try:
        kept = compute.runs("adaptation", LISTED, owner())
        run = shown(kept, one)
    except InputError as error:
        st.error(explain(error), icon=":material/database_off:")
        kept, run = [], None
    if one is not None:
        say(one)
    if run is None and one is None:
        reopen(kept)
        if not current():
            example(can_start)
        return
    if run is not None:
        document, plan, sheets = run.result, plan_of(run.result["plan"]), compute.adaptation_pictures(run.id)
        if one is None and document["state"] == "interrupted":
            interrupted(document, plan)
    else:
        document, plan, sheets = one.document, one.plan, one.pictures
    result = adapt_result.result_of(document, plan, sheets)
    if result.done:
        other = compared(kept, run)
        replay(result, other)
        adapt_result.export(document, result, run.id if run else one.name)
        if run is not None:
            forget_button(run, then=_forgotten)
        for selection in result.selections.values():
            adapt_result.selection(selection)
        before_and_after(settings, one, result)
    reopen(kept)


def shown(kept, one):
    """Return the run of the store that the page shows, or None. The link then names it by its id, which outlives the server."""
    name = one.stored if one is not None else current()
    if not name:
        return None
    st.session_state["adaptation"] = st.query_params["adaptation"] = name
    run = next((run for run in kept if run.id == name), None)
    if run is None:
        try:
            run = compute.run(name)
        except InputError as error:
            if str(error.key) != "runs.unknown":
                raise
    if run is None or run.kind != "adaptation":
        st.info(t("adapt.gone"), icon=":material/history_toggle_off:")
        return None
    return run if read(run) else None


def read(run):
    """Return the `Result` of a kept run, without its pictures; None and a sentence where another version wrote what this one does not know."""
    try:
        return adapt_result.result_of(run.result, plan_of(run.result["plan"]), {})
    except InputError as error:
        st.error(explain(error), icon=":material/error:")
        return None


def say(one):
    """Say how a run ended, where it did not go through."""
    if one.state == "failed":
        st.error(explain(one.error) if one.error else t("adapt.failed"), icon=":material/error:")
    elif one.state == "cancelled":
        st.info(t("adapt.cancelled"), icon=":material/stop_circle:")
    for method, lane in one.lanes.items():
        if lane.state == "failed" and one.state != "failed":
            st.error(f"**{adaptation_name(method)}**: {explain(lane.error)}", icon=":material/error:")
    if one.unstored is not None:
        st.warning(t("adapt.unstored", reason=explain(one.unstored)), icon=":material/database_off:")


def interrupted(document, plan):
    """Say how far a run came whose server died, and offer to start it again."""
    done = max(len(lane["rows"]) for lane in document["methods"].values())
    st.warning(t("adapt.interrupted", done=done, batches=document["batches"]), icon=":material/power_off:")
    st.button(t("adapt.again"), icon=":material/restart_alt:", key="adapt_again", on_click=attempt, args=(start, plan))


def compared(kept, run):
    """Draw which other run this one is compared with. Returns: `Result` or None."""
    others = {other.id: _title(other) for other in kept if run is None or other.id != run.id}
    if not others:
        return None
    titles = {"": t("runs.with_none"), **others}
    chosen = choices.select("adapt_with", t("adapt.with"), titles, "")
    other = next((one for one in kept if one.id == chosen), None)
    return read(other) if other else None


def replay(result, other):
    """Draw a run as it was after any batch, or as it went, at a chosen speed."""
    playing = st.session_state.get("adapt_playing", False)
    remember("adapt_speed", SPEEDS, 5)

    @st.fragment(run_every=max(UPDATE, 1 / st.session_state["adapt_speed"]) if playing else None)
    def film():
        at = min(st.session_state.get("adapt_at", result.done), result.done)
        if st.session_state.get("adapt_playing"):
            step = max(1, round(UPDATE * st.session_state["adapt_speed"]))
            at = min(at + step, result.done)
            if at == result.done:
                st.session_state["adapt_playing"] = False
        st.session_state["adapt_at"] = at
        if result.done > 1:
            with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
                if st.session_state.get("adapt_playing"):
                    st.button(t("adapt.stop"), icon=":material/pause:", key="adapt_stop", on_click=_play, args=(False, result.done))
                else:
                    st.button(t("adapt.play"), icon=":material/replay:", key="adapt_play", on_click=_play, args=(True, result.done))
                speeds = {n: t("adapt.per_second", n=n) for n in SPEEDS}
                st.select_slider(t("adapt.speed"), SPEEDS, format_func=speeds.get, key="adapt_speed", persist_state="session", width=220)
                st.slider(t("adapt.at"), 1, result.done, key="adapt_at", width=420)
        if playing and not st.session_state.get("adapt_playing"):
            st.rerun()  # the page stops redrawing itself
        adapt_result.draw(result.until(at), other)
        adapt_result.draw_more(result.until(at))

    film()


def before_and_after(settings, one, result):
    """Draw what each adapted network says of a picture of one's own, beside the model as it is."""
    st.header(t("adapt.own"))
    if one is None or one.plan.pack != settings.pack:
        st.caption(t("adapt.own_gone"))
        return
    st.markdown(t("adapt.own_intro"))
    pick_pictures(settings)
    load(settings)
    chosen = pictures.primary()
    looks = look_at(settings, [chosen])
    if chosen not in looks:
        st.info(t("verdict.empty"), icon=":material/add_photo_alternate:")
        return
    domains = tuple(dict.fromkeys(("clean", *one.plan.corruptions)))
    titles = {name: corruption_name(name) for name in domains}
    domain = choices.segments("adapt_domain", t("adapt.own_under"), titles, one.plan.corruptions[-1])
    done = tuple(len(lane["rows"]) for lane in one.document["methods"].values())
    source = compute.verdicts(settings.pack, [looks[chosen]], detector="consensus", keep=0.95)[0]
    found = compute.judged(one.name, done, chosen, domain, looks[chosen].seen)
    rows = [(t("adapt.own_source"), class_name(source.class_name), 100 * source.confidence, t(f"word.{source.verdict}"), 100 * source.p_value)]
    for method, judged in found.items():
        verdict = judged.verdict
        name = t("adapt.own_method", method=adaptation_name(method), domain=corruption_name(domain))
        rows.append((name, class_name(judged.class_name), 100 * judged.confidence, t(f"word.{verdict.verdict}"), 100 * verdict.p_value))
    columns = [t(f"word.{word}") for word in ("adaptation", "answer", "confidence", "verdict", "p_value")]
    percent = {name: st.column_config.NumberColumn(format="%.1f %%") for name in (columns[2], columns[4])}
    changed = [adaptation_name(m) for m, judged in found.items() if judged.class_name != source.class_name]
    finding = t("adapt.own_same", answer=class_name(source.class_name)) if not changed else t("adapt.own_changed", methods=", ".join(changed))
    st.markdown(f"**{finding}**")
    st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, key="adapt_own", alt=finding, column_config=percent)
    st.caption(t("adapt.own_caption"))


def example(can_start):
    """Draw a recorded run, so that there is something to see before the first one."""
    recorded = compute.adaptation_example()
    if recorded is None:
        st.info(t("adapt.empty"), icon=":material/play_circle:")
        return
    document, sheets = recorded
    st.info(f"{t('adapt.example')} {t('adapt.example_yours') if can_start else ''}".rstrip(), icon=":material/movie:")
    replay(adapt_result.result_of(document, plan_of(document["plan"]), sheets), None)


def reopen(kept):
    """Draw the runs that were kept."""
    if not kept:
        return
    titles = {run.id: _title(run) for run in kept}
    st.session_state.setdefault("adapt_reopen", None)
    with st.expander(t("adapt.kept", n=len(kept)), icon=":material/inventory_2:", expanded=not st.session_state.get("adaptation")):
        st.selectbox(t("adapt.reopen"), list(titles), format_func=titles.get, key="adapt_reopen", index=None, on_change=_reopen, placeholder=t("adapt.choose"))


def explanation(settings):
    """Draw what the methods do, where they come from and what they need."""
    with foot.how(t("adapt.why_title"), (t("adapt.why"),)):
        rows = [(adaptation_name(name), t(f"adapt.does_{name}"), entry.paper or "–") for name, entry in ADAPTATIONS.items()]
        columns = [t("word.adaptation"), t("adapt.does"), t("word.source")]
        st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, key="adapt_methods_table", alt=t("adapt.why_title"))


def _result(one):
    return adapt_result.result_of(one.document, one.plan, one.pictures)


def _forgotten():
    st.session_state["adaptation"] = ""


def _play(on, done):
    st.session_state["adapt_playing"] = on
    if on and st.session_state.get("adapt_at", done) >= done:
        st.session_state["adapt_at"] = 1


def _reopen():
    chosen = st.session_state["adapt_reopen"]
    if chosen:
        st.session_state["adaptation"], st.session_state["adapt_reopen"] = chosen, None
        for key in ("adapt_at", "adapt_playing"):
            st.session_state.pop(key, None)


def _title(run):
    ended = t("adapt.cut") if run.result["state"] == "interrupted" else ""
    return f"{run.title} ({run.created:%Y-%m-%d %H:%M} UTC) {ended}".rstrip()


main()
