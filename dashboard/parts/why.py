"""Why this verdict? Where in the picture the evidence lies, which map can be believed, and what would change the verdict."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.errors import InputError
from core.explanation import CLASSLESS, EXPLANATIONS, OF_NORM
from core.explanation.measured import measured
from dashboard import explaining
from dashboard.charts import style
from dashboard.charts import why as charts
from dashboard.charts.pictures import enlarged
from dashboard.language import class_name, explain, explanation_name, t
from dashboard.language.text import plain
from dashboard.parts.chart import show, table
from dashboard.parts.link import remember
from dashboard.parts.progress import ended, progress

OPACITIES = range(0, 101, 5)


@st.fragment
def why(settings, loaded, picture_id, look, verdict, keep):
    """Draw the switch that opens the section, and the section.

    Args: settings: a `Frame`; loaded: its `Pack`; look, verdict: of the picture; keep: percent of known pictures kept.
    """
    remember("why", (False, True), False)
    if not st.toggle(t("why.open"), key="why", help=t("why.open_help")):
        return
    asked = explaining.question(settings, loaded, picture_id, verdict, keep)
    chosen = _controls(asked, loaded, look, verdict)
    work = _work(asked, explaining.tasks(asked, look.seen, chosen.block))
    if work is not None and work.job.running:
        _live(asked, look, verdict, chosen, work)
    else:
        _section(asked, look, verdict, chosen, work)


@dataclass(frozen=True)
class Chosen:
    """What to look at: `method`; `block` of Grad-CAM; `opacity` of the map, in percent."""

    method: str
    block: str
    opacity: int


def _controls(asked, loaded, look, verdict):
    """Draw what can be chosen, and draw Grad-CAM of the chosen block. Returns: `Chosen`."""
    blocks = list(loaded.selection.blocks)
    last = blocks[-1] if not isinstance(explaining.cam(asked, look.seen, blocks[-1]), InputError) else blocks[-2:][0]
    remember("why_block", blocks, last)
    remember("why_method", tuple(EXPLANATIONS), explaining.FAST)
    remember("why_opacity", OPACITIES, 60)
    titles = {name: explanation_name(name) for name in EXPLANATIONS}
    method, block, opacity = st.columns(3, gap="large")
    method.selectbox(t("why.method"), list(titles), format_func=titles.get, key="why_method")
    of_cam = st.session_state["why_method"] == explaining.FAST
    block.select_slider(t("why.block"), blocks, key="why_block", disabled=not of_cam, help=t("why.block_help", block=verdict.block))
    opacity.select_slider(t("why.opacity"), OPACITIES, format_func="{}\N{NO-BREAK SPACE}%".format, key="why_opacity")
    explaining.cam(asked, look.seen, st.session_state["why_block"])
    return Chosen(st.session_state["why_method"], st.session_state["why_block"], st.session_state["why_opacity"])


def _work(asked, tasks):
    """Start what is not known yet. Returns: the `Work` of this session, or None where everything is known."""
    kept, work = asked.kept, st.session_state.get("why_work")
    if work is not None and work.keys != tuple(task.key for task in tasks):
        work.job.stop.set()
        work = None
    if all(task.key in kept for task in tasks):
        return None
    if work is None:
        st.session_state["why_work"] = work = kept.start(tasks)
    return work


@st.fragment(run_every=1.0)
def _live(asked, look, verdict, chosen, work):
    """Draw what is known so far, each second; at the end the whole page is drawn anew."""
    if not work.job.running:
        st.rerun()
    _section(asked, look, verdict, chosen, work)


def _section(asked, look, verdict, chosen, work):
    """Draw one map with its worth, how far the work has come, every map small, and what would change the verdict."""
    found = {name: explaining.known(asked, name, chosen.block if name == explaining.FAST else None) for name in EXPLANATIONS}
    _map(asked, look, class_name(verdict.class_name), chosen, found[chosen.method])
    if work is not None and work.job.running:
        doing = work.job.doing
        words = explanation_name(doing) if doing in EXPLANATIONS else t(f"why.doing_{doing}")
        alike = len(work.keys) == 1  # pieces of work differ too much to say from one how long another takes
        progress(work.job, work.started, key="why_cancel", words=words, alike=alike)
    elif work is not None:
        ended(work.job)
        st.button(t("why.again"), icon=":material/refresh:", key="why_again", on_click=st.session_state.pop, args=("why_work", None))
    _methods(asked, look, found)
    _changes(asked, look, verdict)


def _map(asked, look, name, chosen, one):
    """Draw one map over the picture, and say what it is worth on this picture and on this model."""
    if one is None or isinstance(one, InputError):
        st.header(t("why.header", name=name))
        if one is None:
            st.skeleton(height=380)
        else:
            st.info(explain(one), icon=":material/block:")
        return
    st.header(_finding(one, name))
    picture, words = st.columns((4, 5), gap="large")
    with picture:
        _chart(one, look, name, chosen.opacity)
    with words:
        _worth(asked.pack, one)


def _asks(method):
    """Return what a method asks: "norm" of a block, what sets a picture "apart", or what speaks for a "class"."""
    return "norm" if method in OF_NORM else "apart" if method in CLASSLESS else "class"


def _chart(one, look, name, opacity):
    from core.explanation.explained import regions

    shares, of, words = regions(one.values), _asks(one.method), {"name": name, "block": one.block}
    rows = [(y + 1, x + 1, round(100 * float(v), 2)) for (y, x), v in np.ndenumerate(shares)]
    figure = charts.map_over(look.seen, one.values, shares, opacity / 100, {"share": t(f"why.share_{of}", **words)})
    show(figure, alt=_finding(one, name), table=table("row column contribution", rows), key="why_chart")
    st.caption(t(f"why.reading_{of}", **words))


def _finding(one, name):
    """Return the section's header: where most of the evidence lies."""
    from core.explanation.explained import place

    (row, column), half = place(one.values)
    words = {"method": explanation_name(one.method), "half": f"{100 * half:.0f}", "place": t(f"why.place_{row}{column}")}
    return t(f"why.found_{_asks(one.method)}", name=name, block=one.block, **words)


def _worth(pack, one):
    """Say whether a map can be believed: on this picture, and as measured on many."""
    from core.explanation.explained import Explained, effort

    if isinstance(one, Explained):
        numbers = {"deletion": one.deletion, "insertion": one.insertion, "random_deletion": one.random_deletion, "random_insertion": one.random_insertion}
        numbers = {name: f"{value:.2f}" for name, value in numbers.items()} | {"orders": effort(len(one.values))[0], "seconds": f"{one.seconds:.2f}"}
        better = "better" if one.deletes and one.inserts else "worse"
        st.markdown(t(f"why.here_{better}") + " " + t(f"why.areas_{'norm' if one.method in OF_NORM else 'class'}", **numbers))
    else:
        st.markdown(t("why.here_not_yet"))
    known = measured(pack).get(one.method)
    if known is None:
        st.markdown(t("why.not_measured"))
        return
    sentence = t("why.believed", n=known.pictures) if known.believed else t("why.not_believed", n=known.pictures, why=_failed(known))
    st.markdown(sentence if known.positive is None else f"{sentence} {t('why.on_object', share=f'{known.positive:.0f}', area=f'{known.object:.0f}')}")


def _failed(known):
    return ", ".join(t(f"why.fails_{name}") for name in known.why_not)


def _methods(asked, look, found):
    """Draw every map small, side by side, with what is known of its method on this model."""
    from core.explanation.drawing import overlay

    believed = measured(asked.pack)
    st.subheader(t("why.all", n=len(found)))
    with st.grid(4, min_column_width=110, gap="small"):
        for name, one in found.items():
            with st.container():
                title = explanation_name(name)
                if isinstance(one, InputError):
                    st.caption(f"**{title}**: {explain(one)}")
                elif one is None:
                    st.skeleton(height=130)
                    st.caption(title)
                else:
                    mark = t("why.mark_none") if name not in believed else t("why.mark_yes") if believed[name].believed else t("why.mark_no")
                    st.image(enlarged(overlay(look.seen, one.values)), width="stretch", alt=t("why.alt", method=title), caption=f"{title}: {mark}")


def _changes(asked, look, verdict):
    """Draw the smallest evidence and the smallest changes beside the original."""
    kept, name = asked.kept, class_name(verdict.class_name)
    masks = kept.get(asked.key(explaining.MASKS))
    changes = {key: found for key in explaining.CHANGES if (found := kept.get(asked.key(key))) is not None}
    if masks is None and not changes:
        return
    st.subheader(_smallest(masks, changes, name))
    panels = [(enlarged(look.seen), t("why.original", name=name, confidence=style.percent(verdict.confidence)))]
    if masks is not None:
        panels += _mask_panels(masks, name)
    panels += [_change_panel(key, found) for key, found in changes.items() if not isinstance(found, InputError)]
    with st.grid(6, min_column_width=110, gap="small"):
        for image, words in panels:
            st.image(image, caption=words, width="stretch", alt=plain(words))
    if masks is not None:
        st.caption(t("why.cds", cds=f"{masks.cds:.2f}", reverse=f"{masks.cds_reverse:.2f}"))


def _smallest(masks, changes, name):
    """Return the finding of what is smallest."""
    turned = changes.get("class_change")
    if turned is not None and not isinstance(turned, InputError) and turned.found:
        return t("why.smallest_change", name=name, other=class_name(turned.after.class_name), size=f"{turned.size:.1f}")
    if masks is not None:
        return t("why.smallest_mask", name=name, keep=f"{100 * masks.keep_share:.0f}", remove=f"{100 * masks.remove_share:.0f}")
    return t("why.smallest")


def _mask_panels(masks, name):
    words = {"name": name, "kept": style.percent(masks.confidence_kept), "removed": style.percent(masks.confidence_removed)}
    shares = {"keep": f"{100 * masks.keep_share:.0f}", "remove": f"{100 * masks.remove_share:.0f}"}
    return [(enlarged(masks.kept), t("why.kept", **words, **shares)), (enlarged(masks.removed), t("why.removed", **words, **shares))]


def _change_panel(key, found):
    after, size = found.after, f"{found.size:.1f}"
    words = {"name": class_name(after.class_name), "confidence": style.percent(after.confidence), "verdict": t(f"word.{after.verdict}"), "size": size}
    if not found.found:
        return enlarged(found.pixels), t(f"why.{key}_none")
    if found.cells is not None:
        exchanged, of = found.cells
        return enlarged(found.pixels), t(f"why.{key}", n=exchanged, of=of, **words)
    return enlarged(found.pixels), t(f"why.{key}", **words)
