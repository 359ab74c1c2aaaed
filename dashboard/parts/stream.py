"""Watch a stream: one that is replayed from a pack's numbers, or a person's own."""

import io

import streamlit as st

from core.errors import InputError
from core.watch.history import read_history
from core.watch.replay import replay
from core.watch.scored import read_scored
from core.watch.watch import Seen, Settings, Watch
from dashboard import compute
from dashboard.charts import watch as charts
from dashboard.language import detector_name, explain, t
from dashboard.parts import choices, foot
from dashboard.parts.chart import show, table
from dashboard.parts.link import remember

SHARES, STARTS = range(0, 101, 5), range(1, 11)  # percent of a batch that is unknown, and the batch from which on
SIZES, RATES = (20, 50, 100), (5, 10, 20)  # pictures in a batch, percent of flagged pictures that may be known
OWN = 100_000  # pictures of a person's own stream: no more are watched


@st.fragment
def section(pack, detector, measured, *, unknown):
    """Draw a stream in which unknown pictures turn up, and what is said of it; a control runs only this part again.

    Args: pack: its name; detector: who scores; measured: Activations of the unknown pictures; unknown: what they are called.
    """
    finding, says = st.container(), st.container()
    share, start, settings_of = _controls()
    size, rate = settings_of
    try:
        half = compute.half(pack, detector)
        settings = Settings(half.known, fdr=rate / 100)
        found = replay(half.fresh, half.p_values(measured), settings, size=size, share=share / 100, start=start)
    except InputError as error:  # what this pack lacks, not what a person did
        st.info(explain(error), icon=":material/hourglass_disabled:")
        return
    sentence = _finding(found, unknown, share)
    finding.header(sentence)
    flagged, right = found.flagged
    says.markdown(t("watch.says", unknown=unknown, detector=detector_name(detector), known=half.known))
    _charts(found.seen, settings, sentence, key="watch", truth=found.shares, start=found.start)
    of = int(sum(u.sum() for u in found.unknown))
    st.markdown(t("watch.flagged", flagged=flagged, right=right, of=of, wrong=f"{100 * found.false_share:.1f}", rate=rate))
    _alarms(found.seen, sentence, key="watch")
    _own(pack, size, rate)
    foot.how(t("watch.why_title"), (t("watch.why", every=f"{settings.every:,.0f}"),))


def _controls():
    """Draw what streams by. Returns: (percent unknown, from which batch, (pictures in a batch, percent of flags that may be wrong))."""
    remember("watch_share", SHARES, 20)
    remember("watch_start", STARTS, 8)
    first, second = st.columns(2, gap="large")
    with first:
        share = st.slider(t("watch.share"), 0, 100, step=5, format="%d %%", key="watch_share", persist_state="session")
        size = choices.segments("watch_size", t("watch.size"), SIZES, 50)
    with second:
        start = st.slider(t("watch.start"), STARTS[0], STARTS[-1], key="watch_start", persist_state="session")
        named = {rate: f"{rate}\u00a0%" for rate in RATES}
        rate = choices.segments("watch_fdr", t("watch.fdr"), named, 10)
    return share, start, (size, rate)


def _finding(found, unknown, share):
    """Return the sentence that the replay comes to."""
    alarms = [seen for seen in found.seen if seen.alarm]
    n = len(found.seen)
    if found.start is None:
        return t("watch.false_alarm", batch=alarms[0].batch, n=n) if alarms else t("watch.quiet", n=n)
    early = [seen for seen in alarms if seen.batch < found.start]
    if early:
        return t("watch.false_alarm", batch=early[0].batch, n=n)
    if not alarms:
        return t("watch.missed", share=share, unknown=unknown, n=n - found.start + 1)
    first = alarms[0]
    return t("watch.found", batch=first.batch, start=found.start, share=share, unknown=unknown, since=first.since)


def _charts(seen, settings, finding, *, key, truth=None, start=None):
    words = {name: t(f"watch.{name}") for name in ("batch", "evidence", "alarm", "estimate", "truth", "start_mark")}
    words |= {"start": words.pop("start_mark"), "share": t("watch.share_axis"), "line": t("watch.line", every=f"{settings.every:,.0f}")}
    rows = [(s.batch, s.pictures, s.ood, len(s.flagged), _percent(s.share), _percent(s.share_low), _percent(s.share_high), round(s.evidence, 2)) for s in seen]
    numbers = table("batch count called_ood flagged share_unknown low high evidence", rows)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**{t('watch.evidence_title')}**")
        show(charts.evidence(seen, settings.every, words, start=start), alt=finding, table=numbers, key=f"{key}_evidence_chart")
    with right:
        st.markdown(f"**{t('watch.share_title')}**")
        if truth is not None:
            numbers = numbers.assign(**{t("watch.truth"): [_percent(share) for share in truth]})
        show(charts.shares(seen, words, truth=truth, start=start), alt=t("watch.share_alt"), table=numbers, key=f"{key}_share_chart")
    st.caption(t("watch.caption"))


def _alarms(seen, finding, *, key, at=None):
    """Draw the history of the alarms. Args: at: {batch: when it was seen}, where that is known."""
    rows = [(s.batch, s.since, round(s.evidence, 1), s.ood, s.pictures, _percent(s.share)) for s in seen if s.alarm]
    st.markdown(f"**{t('watch.alarms', n=len(rows))}**")
    if not rows:
        return
    numbers = table("batch since evidence called_ood count share_unknown", rows)
    if at is not None:
        numbers.insert(1, t("word.created"), [at[row[0]] for row in rows])
    st.dataframe(numbers, hide_index=True, key=f"{key}_alarms", alt=finding)


def _own(pack, size, rate):
    """Draw a person's own stream: a history, or p-values that were computed before."""
    with st.expander(t("watch.own"), icon=":material/upload_file:", key="watch_own"):
        st.markdown(t("watch.own_how", pack=pack))
        file = st.file_uploader(t("watch.own_file"), type=["jsonl", "parquet"], key="watch_file")
        if file is None:
            return
        try:
            seen, settings, at = _read(file.name, file.getvalue(), pack, size, rate)
        except InputError as error:
            st.error(explain(error), icon=":material/error:")
            return
        alarms = [s for s in seen if s.alarm]
        sentence = t("watch.own_alarm", n=len(alarms), batch=alarms[0].batch, since=alarms[0].since) if alarms else t("watch.own_quiet", n=len(seen))
        st.markdown(f"**{sentence}**")
        _charts(seen, settings, sentence, key="own")
        _alarms(seen, sentence, key="own", at=at)


def _read(name, data, pack, size, rate):
    """Return (what was seen, the settings, {batch: when}) of a file. Raises: InputError if it is none of those that can be read."""
    if name.lower().endswith(".jsonl"):
        first, rows = read_history(data)
        if not rows:
            raise InputError("No batch is in this history yet.", key="watch.no_batch")
        return [Seen(**{k: row[k] for k in Seen.__dataclass_fields__}) for row in rows], Settings(**first["watch"]), {row["batch"]: row["at"] for row in rows}
    scored = read_scored(io.BytesIO(data))
    watch = Watch(Settings(scored.known or len(compute.unfitted(pack).reference.held_out), fdr=rate / 100))
    p_values = scored.p_values[:OWN]
    return [watch.see(p_values[k : k + size]) for k in range(0, len(p_values), size)], watch.settings, None


def _percent(fraction):
    return round(100 * fraction, 1)
