"""What to let networks adapt to: the form that becomes a `core.adaptation.plan.Plan`, every choice in the link."""

import os

import streamlit as st

from core.adaptation import ADAPTATIONS, SETTINGS
from core.adaptation.plan import GUARDS, Plan
from core.corruptions import COMMON, CORRUPTIONS
from core.images.sources import downloaded
from core.provenance import command_line
from dashboard import compute
from dashboard.language import adaptation_name, corruption_name, set_name, t
from dashboard.parts import choices, foot
from dashboard.parts.corrupted import strip
from dashboard.session.pictures import can_open, primary

AT_MOST = 4  # methods side by side
METHODS = ("source", "bn", "tent", "dplot")
DEFAULT = ("gaussian_noise", "fog", "contrast")
PICTURES, BATCHES, SHARES, SEEDS = (100, 200, 300, 500, 1000), (10, 20, 50, 100, 200), (0, 20, 50), range(100)
SOURCE = 1000  # pictures of the source that methods are set up with
PREVIEW = 6  # corruptions in the strip


def plan_form(settings):
    """Draw the form. Returns: `Plan`, or None where something is missing; a sentence says what."""
    places = places_of(settings.facts)
    if places is None:
        st.info(t("adapt.no_pictures"), icon=":material/folder_off:")
        return None
    corruptions = pick_corruptions(settings, places[0])
    methods = pick_methods()
    values = pick_stream(settings.facts)
    if not corruptions or len(methods) < 1:
        return None
    pictures, source = places
    return Plan(settings.pack, methods, corruptions, pictures, source, source_limit=SOURCE, **values)


def places_of(facts):
    """Return (spec of test pictures, spec of training pictures) of a pack where both are on this machine, else None."""
    source = facts.get("pictures", {}).get("held_out", {}).get("source", "")
    offered = [source] + ["torchvision:CIFAR10/train"] * ("cifar10" in source and downloaded("CIFAR10"))
    for spec in offered:
        test = spec.replace("train", "test")
        if spec and test != spec and all(compute.can_open(s, os.environ.get("BLOCKSCOPE_DATA")) for s in (spec, test)):
            return test, spec
    return None


def pick_corruptions(settings, pictures):
    """Draw which corruptions come, how strong, and what they look like. Returns: names, in the paper's order."""
    titles = {name: corruption_name(name) for name in ("clean", *CORRUPTIONS)}
    about = t("adapt.corruptions_help", common=len(COMMON), more=len(CORRUPTIONS) - len(COMMON))
    chosen = choices.several("adapt_corruptions", t("adapt.corruptions"), titles, DEFAULT, help=about)
    severity = choices.steps("adapt_severity", t("adapt.severity"), range(1, 6), 5, width=320)
    if not chosen:
        st.caption(t("adapt.too_few_corruptions"))
        return ()
    chosen_picture = primary()  # the one that the person looks at, so that it goes along to this page too
    picture = chosen_picture if can_open(chosen_picture) else f"{pictures}/0"
    strip(settings.pack, picture, tuple(name for name in chosen if name != "clean")[:PREVIEW], severity)
    if len(chosen) > PREVIEW:
        st.caption(t("adapt.preview_most", n=PREVIEW, more=len(chosen) - PREVIEW))
    return tuple(chosen)


def pick_methods():
    """Draw which methods run side by side. Returns: names, at most `AT_MOST`."""
    titles = {name: adaptation_name(name) for name in ADAPTATIONS}
    chosen = choices.several("adapt_methods", t("adapt.methods"), titles, METHODS, help=t("adapt.methods_help", n=AT_MOST))
    if not chosen:
        st.caption(t("adapt.too_few_methods"))
    if len(chosen) > AT_MOST:
        st.caption(t("adapt.methods_most", n=AT_MOST, names=", ".join(titles[name] for name in chosen[AT_MOST:])))
    return tuple(chosen[:AT_MOST])


def pick_stream(facts):
    """Draw how the pictures come. Returns: further fields of `Plan`."""
    settings = {name: t(f"adapt.setting_{name}") for name in SETTINGS}
    guards = {name: t(f"adapt.guard_{name}") for name in GUARDS}
    unknown = _unknown(facts)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        setting = choices.select("adapt_setting", t("adapt.setting"), settings, "continual", width=420, help=t("adapt.setting_help"))
        limit = choices.steps("adapt_pictures", t("adapt.pictures"), PICTURES, 500, width=240)
        size = choices.steps("adapt_batch", t("adapt.batch_size"), BATCHES, 50, width=240, help=t("adapt.batch_help"))
    with st.expander(t("adapt.more"), icon=":material/tune:"), st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen, share = None, 0
        if unknown:
            titles, percents = {name: set_name(name) for name in unknown}, {n: f"{n} %" for n in SHARES}
            chosen = choices.select("adapt_unknown", t("adapt.unknown"), titles, next(iter(unknown)), width=240)
            share = choices.steps("adapt_share", t("adapt.share"), percents, 0, width=200, help=t("adapt.share_help"))
        guard = choices.segments("adapt_guard", t("adapt.guard"), guards, "warn", help=t("adapt.guard_help"))
        seed = choices.number("adapt_seed", t("adapt.seed"), SEEDS, 0, width=120)
        words = {0: t("adapt.reselect_no"), 1: t("adapt.reselect_yes")}
        again = choices.segments("adapt_reselect", t("adapt.reselect"), words, 0, help=t("adapt.reselect_help"))
    return {
        "setting": setting,
        "limit": limit,
        "batch_size": size,
        "severity": st.session_state["adapt_severity"],
        "unknown": unknown.get(chosen),
        "share": share / 100,
        "guard": guard,
        "seed": seed,
        "reselect": bool(again),
    }


def command(plan):
    """Draw the command that does the same."""
    foot.on_command_line(t("adapt.command"), command_line(plan.arguments))


def _unknown(facts):
    """Return {set: spec} of a pack's unknown sets that are on this machine."""
    found = facts.get("pictures", {})
    specs = {name: found[name]["source"] for name in facts["sets"] if name in found and "puzzle_seed" not in found[name]}
    return {name: spec for name, spec in specs.items() if compute.can_open(spec, os.environ.get("BLOCKSCOPE_DATA"))}
