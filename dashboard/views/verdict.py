"""Start page: does the model know what it is looking at? One picture or many."""

import streamlit as st

from core.detectors import DEFAULT
from dashboard import compute
from dashboard.charts import style
from dashboard.charts import verdict as charts
from dashboard.charts.pictures import data_url, enlarged, spotlight
from dashboard.language import class_name, t
from dashboard.language.text import plain
from dashboard.parts import foot
from dashboard.parts.chart import download_csv, show, table
from dashboard.parts.decide import MARK, controls, percent, say
from dashboard.parts.frame import frame, load
from dashboard.parts.looks import look_at
from dashboard.parts.picker import pick_pictures
from dashboard.parts.report import report_button
from dashboard.parts.why import why
from dashboard.session import pictures


def main():
    settings = frame()
    st.title(t("verdict.title"))
    chosen = pick_pictures(settings)
    loaded = load(settings)
    detector, keep = controls()
    primary, pinned = pictures.primary(), pictures.pinned()
    looks = look_at(settings, [*chosen, primary, pinned])
    if primary not in looks:
        st.info(t("verdict.empty"), icon=":material/add_photo_alternate:")
        return
    verdicts = dict(zip(looks, compute.verdicts(settings.pack, list(looks.values()), detector=detector, keep=keep / 100), strict=True))
    if len(chosen) > 1:
        many(chosen, looks, verdicts)
        st.divider()
    shown = [primary] + [pinned] * (pinned in looks and pinned != primary)
    for picture_id, column in zip(shown, st.columns(len(shown), gap="large"), strict=True):
        with column:
            card(picture_id, looks[picture_id], verdicts[picture_id], keep, compared=len(shown) > 1)
    why(settings, loaded, primary, looks[primary], verdicts[primary], keep)
    st.divider()
    evidence(settings, [(i, looks[i], verdicts[i]) for i in shown], detector, keep)
    report_button(settings, primary, detector, keep)
    foot.how(t("verdict.why_title"), (t("verdict.why"),))
    foot.ways("verdict")


def card(picture_id, look, verdict, keep, *, compared):
    """Draw one picture with its verdict in words: beside the pictures, or above them on a phone and where two cards stand together."""
    block = verdict.block
    words, views = (st.container(), st.container()) if compared else st.columns((4, 5), gap="medium")
    with words:
        say(verdict, keep)
        if verdict.members:
            weakest = min(verdict.members, key=verdict.members.get)
            members = ", ".join(f"{t(f'detector.{m}')} {percent(q)}\u00a0%" for m, q in verdict.members.items())
            st.caption(t("verdict.members", members=members, weakest=t(f"detector.{weakest}")))
    title, size, true_class = pictures.name_of(picture_id), look.seen.shape[0], pictures.truth(picture_id)
    caption = t("verdict.truth", name=plain(title)) if true_class else plain(title)
    shown = [
        (pictures.view(picture_id), caption, t("verdict.alt_picture", name=title)),
        (enlarged(look.seen), t("verdict.seen", size=size), t("verdict.alt_seen", size=size)),
        (spotlight(look.seen, look.activity[block]), t("verdict.active", block=block), t("verdict.alt_active", block=block)),
    ]
    with views, st.grid(3, min_column_width=80):
        for image, caption, alt in shown:
            st.image(image, caption=caption, width="stretch", alt=alt)
    with views if compared else words:
        if not compared:
            st.button(t("verdict.pin"), icon=":material/keep:", on_click=pictures.pin, args=(picture_id,), help=t("verdict.pin_help"))
        elif picture_id == pictures.pinned():
            st.button(t("verdict.unpin"), icon=":material/keep_off:", on_click=pictures.pin, args=(None,))


def evidence(settings, shown, detector, keep):
    """Draw why: the score among known ones, the detectors' agreement, every block's norm, the classes."""
    if len(shown) > 1:
        st.caption(t("verdict.evidence_of", name=plain(names_of(shown)[0])))
    left, right = st.columns(2, gap="large")
    with left:
        score_chart(settings, shown, detector)
        classes_chart(settings, shown[0][2])
    with right:
        agreement_chart(shown[0][2], keep)
    blocks_chart(settings, shown)


def score_chart(settings, shown, detector):
    """Draw where the pictures' scores fall among those of known ones."""
    verdict = shown[0][2]
    finding = t("verdict.score_title", p=percent(verdict.p_value))
    points = [(name, v.score, v.verdict) for name, (_, _, v) in zip(names_of(shown), shown, strict=True)]
    words = {name: t(f"verdict.score_{name}") for name in ("known", "threshold", "share")}
    words["score"] = t("verdict.score_axis", detector=t(f"detector.{detector}"))
    figure = charts.score_histogram(compute.known_scores(settings.pack, detector), points, verdict.threshold, words)
    rows = [(pictures.title(i), v.score, verdict.threshold, t(f"word.{v.verdict}")) for i, _, v in shown]
    st.header(finding)
    show(figure, alt=finding, table=table("picture score threshold verdict", rows), key="score_chart")


def agreement_chart(verdict, keep):
    """Draw what every detector says, on the one scale they share."""
    single = [o for name, o in verdict.opinions.items() if name != DEFAULT]
    same = sum(o.verdict == verdict.verdict for o in single)
    finding = t("verdict.agree_title", same=same, n=len(single), verdict=t(f"word.{verdict.verdict}"))
    words = {"p": t("verdict.p_axis"), "level": f"{100 - keep:g} %", "ID": t("word.ID"), "OOD": t("word.OOD")}
    figure = charts.p_values([(t(f"detector.{name}"), o.p_value, o.verdict) for name, o in verdict.opinions.items()], 1 - keep / 100, words)
    rows = [(t(f"detector.{n}"), o.score, o.threshold, round(100 * o.p_value, 2), t(f"word.{o.verdict}")) for n, o in verdict.opinions.items()]
    st.header(finding)
    show(figure, alt=finding, table=table("detector score threshold p_value verdict", rows), key="agreement_chart")


def blocks_chart(settings, shown):
    """Draw where the pictures fall on each block's histogram of known pictures."""
    _, look, verdict = shown[0]
    known, blocks = compute.reference_norms(settings.pack)["known"], list(look.measured.blocks)
    mine = look.measured.norms[0].numpy()
    higher = 100 * (known >= mine).mean(0)
    finding = t("verdict.blocks_title", block=verdict.block, percent=f"{higher[blocks.index(verdict.block)]:.0f}")
    points = [(name, item.measured.norms[0].numpy(), v.verdict) for name, (_, item, v) in zip(names_of(shown), shown, strict=True)]
    rows = [(b, round(float(mine[k]), 4), round(float(known[:, k].mean()), 4), round(float(higher[k]), 1)) for k, b in enumerate(blocks)]
    st.header(finding)
    st.caption(t("verdict.blocks_caption"))
    show(charts.norm_histograms(blocks, known, points), alt=finding, table=table("block norm known_mean percent_higher", rows), key="blocks_chart")


def classes_chart(settings, verdict):
    """Draw the five most probable classes."""
    order = sorted(range(len(verdict.probabilities)), key=verdict.probabilities.__getitem__, reverse=True)[:5]
    names, probabilities = [class_name(settings.facts["classes"][i]) for i in order], [verdict.probabilities[i] for i in order]
    finding = t("verdict.classes_title", name=names[0], confidence=style.percent(probabilities[0]))
    figure = charts.class_bars(names, probabilities, verdict.verdict, {"confidence": t("verdict.confidence_axis")})
    rows = [(name, round(100 * q, 3)) for name, q in zip(names, probabilities, strict=True)]
    st.header(finding)
    show(figure, alt=finding, table=table("class confidence", rows), key="classes_chart")


def names_of(shown):
    """Return what a person calls the pictures that are shown."""
    return pictures.names_of([i for i, _, _ in shown])


def many(chosen, looks, verdicts):
    """Draw a sortable table of all pictures brought, with thumbnails and CSV; a row that is picked becomes the primary picture."""
    found = [i for i in chosen if i in verdicts]
    finding = t("verdict.many_title", n=len(found), ood=sum(verdicts[i].verdict == "OOD" for i in found))
    st.header(finding)
    rows = []
    for i in found:
        v = verdicts[i]
        mark = f"{MARK[v.verdict]} {t(f'word.{v.verdict}')}"
        numbers = (round(100 * v.p_value, 2), class_name(v.class_name), round(100 * v.confidence, 2), v.score)
        rows.append((data_url(looks[i].seen), pictures.title(i), mark, *numbers))
    frame_of_all = table("picture file verdict p_value class confidence score", rows)
    event = st.dataframe(
        frame_of_all,
        hide_index=True,
        row_height=48,
        column_config={t("word.picture"): st.column_config.ImageColumn(width="small")},
        on_select="rerun",
        selection_mode="single-row",
        key="many",
        alt=finding,
    )
    picked = event["selection"]["rows"]
    if picked and found[picked[0]] != pictures.primary():
        pictures.choose(found[picked[0]])
        st.rerun()
    download_csv(frame_of_all.drop(columns=t("word.picture")), "verdicts.csv")


main()
