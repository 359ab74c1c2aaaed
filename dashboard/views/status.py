"""Is the server well? Requests, latency, queue, memory and device, for whoever runs it."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from dashboard import serving, signin
from dashboard.charts import status as charts
from dashboard.language import t
from dashboard.parts import foot
from dashboard.parts.chart import show, table
from dashboard.parts.frame import frame

EVERY = 5  # seconds
SLOW, FULL = 2.0, 0.9  # seconds of a median page, share of the memory: from there on the finding says so
KEYS = {"detector": "detect", "adaptation": "adapt"}  # of pages whose sentences begin with another word than their address


def main():
    frame()
    st.title(t("status.title"))
    if not signin.administers():
        st.error(t("status.not_yours"), icon=":material/block:")
        return
    live = st.toggle(t("status.live", seconds=EVERY), key="status_live", persist_state="session")
    st.fragment(figures, run_every=EVERY if live else None)()
    foot.how(t("status.how"), (t("status.how_text", minutes=serving.RECENT // 60),))


def figures():
    """Draw what the server knows of itself now."""
    now, minutes = serving.state(), serving.RECENT // 60
    finding = said(now, minutes)
    st.header(finding)
    numbers(now, minutes)
    pages(now, minutes)
    rest(now, finding)
    st.download_button(
        t("status.download"),
        lambda: serving.diagnostics(serving.state()),
        "blockscope-diagnostics.zip",
        "application/zip",
        icon=":material/medical_information:",
        on_click="ignore",
        help=t("status.download_help"),
    )


def said(now, minutes):
    """Return the finding: the gravest thing first."""
    people = now.people if now.connected is None else now.connected
    if now.failed:
        return t("status.failed", n=now.failed, minutes=minutes)
    if now.used and now.limit and now.used > FULL * now.limit:
        return t("status.full", percent=f"{100 * now.used / now.limit:.0f}")
    if now.waiting:
        return t("status.waiting", n=now.waiting, people=people)
    if now.median is None:
        return t("status.fresh", people=people)
    return t("status.slow" if now.median > SLOW else "status.well", people=people, median=f"{now.median:.1f}")


def numbers(now, minutes):
    """Draw the four figures that are looked at first."""
    running = sum(queue.running for queue in now.queues)
    memory = t("status.unknown") if now.used is None else gigabytes(now.used)
    beside = None if now.limit is None else t("status.of", limit=gigabytes(now.limit))
    connected = t("status.unknown") if now.connected is None else f"{now.connected:,}"
    found = {
        "connected": (connected, t("status.lately", n=now.people, minutes=minutes)),
        "median": (t("status.unknown") if now.median is None else t("status.in_seconds", value=f"{now.median:.2f}"), t("status.median_means", minutes=minutes)),
        "queue": (f"{running} + {now.waiting}", t("status.queue_means")),
        "memory": (memory, beside or t("status.memory_means")),
    }
    with st.grid(min_column_width=170, gap="small"):
        for name, (value, more) in found.items():
            with st.container(gap="xxsmall", border=True, height="stretch"):
                st.metric(t(f"status.{name}"), value)
                st.caption(more)


def pages(now, minutes):
    """Draw how long pages took and how many were asked for."""
    slow_first = sorted(now.pages, key=lambda page: page.p95 or 0, reverse=True)
    rows = [(t(f"{KEYS.get(page.page, page.page)}.page"), page.runs, page.failed, page.median, page.p95) for page in slow_first]
    drawn = [(title, runs, median, p95) for title, runs, _, median, p95 in rows if median is not None]
    if not drawn:
        st.info(t("status.no_page", minutes=minutes), icon=":material/hourglass_empty:")
        return
    slowest, *_, p95 = drawn[0]
    finding = t("status.slowest", page=slowest, p95=f"{p95:.1f}", minutes=minutes)
    st.subheader(finding)
    words = {name: t(f"status.{name}") for name in ("p95", "seconds", "runs", "minutes")} | {"median": t("status.median_mark")}
    cells = [(title, runs, failed, *(None if value is None else round(value, 3) for value in of)) for title, runs, failed, *of in rows]
    show(charts.latencies(drawn, words), alt=finding, table=table("page runs failed_runs median_seconds p95_seconds", cells), key="latencies")
    total = t("status.total", n=sum(now.minutes), minutes=minutes)
    st.subheader(total)
    cells = [(-ago, count) for ago, count in zip(range(minutes - 1, -1, -1), now.minutes, strict=True)]
    show(charts.by_minute(now.minutes, words), alt=total, table=table("minute runs", cells), key="by_minute")


def rest(now, finding):
    """Draw everything else as a table: queues, memory, devices, caches, versions."""
    st.subheader(t("status.rest"))
    found, asked = now.caches
    rows = [(t(f"status.{queue.kind}"), t("status.line", running=queue.running, waiting=queue.waiting)) for queue in now.queues]
    rows += [
        (t("status.device"), t("status.device_used", name=name, used=gigabytes(used), total=gigabytes(total))) for name, (used, total) in now.devices.items()
    ]
    rows += [] if now.devices else [(t("status.device"), t("status.cpu"))]
    rows += [(t("status.caches"), t("status.caches_found", percent=f"{100 * found / asked:.0f}", n=asked))] if asked else []
    rows += [(t("status.uptime"), lasting(now.uptime)), (t("status.as_of"), f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")]
    rows += list(serving.versions().items())
    st.dataframe(pd.DataFrame(rows, columns=[t("word.fact"), t("word.value")]), hide_index=True, key="rest", alt=finding)


def gigabytes(count):
    return f"{count / 2**30:.1f} GiB"


def lasting(seconds):
    """Return a length of time in the largest units that tell it."""
    minutes = int(seconds // 60)
    days, hours = divmod(minutes // 60, 24)
    return t("status.days", days=days, hours=hours) if days else t("status.hours", hours=hours, minutes=minutes % 60)


main()
