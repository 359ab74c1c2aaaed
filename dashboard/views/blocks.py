"""Which block knows? NormRatio of every block, what it is good for, and a puzzle to play with."""

import streamlit as st

from core.errors import InputError
from dashboard import compute
from dashboard.charts import blocks as charts
from dashboard.charts.pictures import enlarged
from dashboard.language import set_name, t
from dashboard.language.text import plain
from dashboard.parts import choices, foot
from dashboard.parts.chart import picked, show, table
from dashboard.parts.frame import frame, load
from dashboard.parts.looks import look_at
from dashboard.parts.picker import gallery_ids
from dashboard.session import pictures

KEEP = 0.95
TILES, SEEDS = (2, 3, 4, 5), range(2**31)
BESIDE = 3  # further pictures that are taken apart with the primary one


def main():
    settings = frame()
    st.title(t("blocks.title"))
    choice = compute.choice(settings.facts)
    found(choice)
    sort, block = controls(settings, choice)
    ratio_chart(choice, sort, block)
    load(settings)
    pictures.begin_with(gallery_ids(settings)[0])
    looks = look_at(settings, [pictures.primary(), pictures.pinned()])
    overconfidence(settings, choice, block, looks)
    st.divider()
    if pictures.primary() in looks:
        play(settings, choice, pictures.primary())
        st.divider()
    explanation(choice)


def found(choice):
    """Say which block was selected, by how much, and on what."""
    last = choice.blocks[-1]
    numbers = {"block": choice.selected, "ratio": f"{choice.ratio(choice.selected):.2f}", "last": last, "last_ratio": f"{choice.ratio(last):.2f}"}
    kind = "below" if choice.ratio(choice.selected) <= 1 else "last" if choice.selected == last else "above"
    st.header(t(f"blocks.found_{kind}", **numbers))
    st.caption(t("blocks.measured", n=choice.images, shuffles=choice.shuffles, mode=t(f"blocks.mode_{choice.mode}")))


def controls(settings, choice):
    """Draw how to sort and which block to look into; another model starts at its own selected block. Returns: (sort, block)."""
    if st.session_state.setdefault("blocks_of", settings.pack) != settings.pack:
        st.session_state["blocks_of"], st.session_state["block"] = settings.pack, choice.selected
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        sort = choices.segments("sort", t("blocks.sort"), {name: t(f"blocks.sort_{name}") for name in charts.SORTS}, "depth")
        block = choices.select("block", t("blocks.block"), choice.blocks, choice.selected, help=t("blocks.block_help"), width=280)
    return sort, block


def ratio_chart(choice, sort, block):
    """Draw NormRatio of every block and say how firm the choice is. A click looks into a block, as the list does."""
    key = f"ratio_chart_{st.session_state.setdefault('block_clicks', 0)}"

    def clicked():
        """Hand the click to the list, which alone knows the block; a new key lets go of the chart's own selection."""
        name = picked(st.session_state.get(key))
        if name in choice.blocks:
            st.session_state["block"] = name
            st.session_state["block_clicks"] += 1

    words = {name: t(f"blocks.{name}") for name in ("axis", "one", "selected", "shown")}
    figure = charts.ratio_bars(choice, words, sort=sort, shown=block)
    columns = zip(choice.blocks, *(_rounded(c) for c in (choice.ratios, choice.low, choice.high, choice.norm_id, choice.norm_jigsaw)), strict=True)
    rows = sorted(columns, key=lambda row: charts.in_order(choice.blocks, choice.ratios, sort).index(row[0]))
    finding = stability(choice)
    frame_of_all = table("block norm_ratio lowest highest norm_known norm_puzzle", rows)
    show(figure, alt=finding.replace("*", ""), table=frame_of_all, key=key, on_select=clicked, selection_mode="points")
    st.markdown(finding)


def stability(choice):
    """Return sentences: what each shuffle alone would choose, and how far behind the next block is."""
    finding = t("blocks.votes", same=choice.votes.get(choice.selected, 0), n=choice.shuffles, block=choice.selected)
    others = ", ".join(f"{block} ({count})" for block, count in choice.votes.items() if block != choice.selected)
    if others:
        finding += " " + t("blocks.votes_others", others=others)
    if choice.runner_up:
        second = choice.ratio(choice.runner_up)
        moves = max(high - low for high, low in zip(choice.high, choice.low, strict=True))
        numbers = {"ratio": f"{second:.2f}", "gap": f"{choice.ratio(choice.selected) - second:.3f}", "moves": f"{moves:.3f}"}
        finding += " " + t("blocks.runner_up", block=choice.runner_up, **numbers)
    return finding


def overconfidence(settings, choice, block, looks):
    """Draw how known pictures, puzzles and one unknown set are spread in the block and, beside it, in the last one."""
    thresholds, shares = compute.passing(settings.pack, KEEP)
    norms, last = compute.reference_norms(settings.pack), choice.blocks[-1]
    shown = list(dict.fromkeys((block, last)))
    puzzles = {b: f"{100 * shares['jigsaw'][choice.blocks.index(b)]:.1f}" for b in shown}
    st.header(t("blocks.over_two" if block != last else "blocks.over_one", block=block, share=puzzles[block], last=last, last_share=puzzles[last]))
    st.caption(t("blocks.over_caption", keep=f"{100 * KEEP:g}", n=len(norms["known"])))
    unknown = [name for name in norms if name not in ("known", "jigsaw")]
    ood = pick_set(unknown) if unknown else None
    sets = [("known", "ID"), ("jigsaw", "puzzle"), *([(ood, "OOD")] if ood else [])]
    for b, column in zip(shown, st.columns(len(shown), gap="large"), strict=True):
        k = choice.blocks.index(b)
        percent = {name: f"{100 * shares[name][k]:.1f}" for name, _ in sets}
        finding = t("blocks.panel", block=b, puzzles=percent["jigsaw"]) + (t("blocks.panel_ood", name=marked(ood), share=percent[ood]) if ood else "")
        words = {"norm": t("blocks.norm_axis", block=b), "share": t("word.share"), "threshold": t("blocks.threshold", keep=f"{100 * KEEP:g}")}
        points = [(pictures.name_of(i), float(look.measured.norms[0, k])) for i, look in looks.items()]
        figure = charts.norm_distributions([(marked(n, kind), kind, norms[n][:, k]) for n, kind in sets], thresholds[k], points, words)
        rows = [(marked(n, kind), len(norms[n]), round(float(norms[n][:, k].mean()), 4), round(thresholds[k], 4), float(percent[n])) for n, kind in sets]
        rows += [(name, 1, round(norm, 4), round(thresholds[k], 4), 100.0 * (norm > thresholds[k])) for name, norm in points]
        with column:
            st.markdown(f"**{finding}**")
            show(figure, alt=finding, table=table("set count mean_norm threshold passing", rows), key=f"norms_{'last' if b == last else 'block'}")


def pick_set(unknown):
    """Draw which unknown set to compare with. Returns: its name."""
    return choices.select("ood", t("blocks.ood"), {name: marked(name) for name in unknown}, unknown[0], width=280)


@st.fragment
def play(settings, choice, primary):
    """Take pictures apart and look at what each block notices; a new shuffle runs only this part again."""
    finding = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        tiles = choices.segments("tiles", t("blocks.tiles"), {n: f"{n} × {n}" for n in TILES}, 3)
        seed = choices.number("seed", t("blocks.seed"), SEEDS, 0, width=160, help=t("blocks.seed_help"))
        st.button(t("blocks.again"), icon=":material/shuffle:", on_click=_again)
    ids = list(dict.fromkeys([primary, *beside(settings, primary)]))
    puzzles = {i: compute.puzzle(settings.pack, i, pictures.find(i), tiles=tiles, seed=seed) for i in ids}
    ratios = {i: puzzle.original / puzzle.norms.clip(1e-12) for i, puzzle in puzzles.items()}
    mine = ratios[primary]
    most, at = choice.blocks[mine.argmax()], choice.blocks.index(choice.selected)
    sentence = t("blocks.play_most" if mine.max() > 1 else "blocks.play_none", block=most, ratio=f"{mine.max():.2f}")
    finding.header(sentence)
    left, right = st.columns(2, gap="large")
    with left:
        look = compute.look(settings.pack, primary, pictures.find(primary))
        cut = {"name": pictures.name_of(primary), "tiles": tiles}
        with st.grid(columns=2, min_column_width=140, gap="small"):
            st.image(enlarged(look.seen), caption=plain(pictures.name_of(primary)), width="stretch", alt=t("verdict.alt_seen", size=look.seen.shape[0]))
            st.image(enlarged(puzzles[primary].seen), caption=t("blocks.puzzle", tiles=tiles), width="stretch", alt=t("blocks.alt_puzzle", **cut))
        st.caption(t("blocks.beside", block=choice.selected))
        with st.grid(columns=BESIDE, min_column_width=120, gap="small"):
            for i in ids[1:]:
                other(settings, i, puzzles[i], tiles, f"{ratios[i][at]:.2f}")
    with right:
        words = {name: t(f"blocks.{name}") for name in ("one", "selected")}
        words |= {"axis": t("blocks.play_axis"), "this": plain(pictures.name_of(primary)), "mean": t("blocks.play_mean", n=choice.images)}
        figure = charts.picture_bars(choice.blocks, mine, choice.ratios, choice.selected, words)
        numbers = (puzzles[primary].original, puzzles[primary].norms, mine, choice.ratios)
        rows = list(zip(choice.blocks, *(_rounded(column) for column in numbers), strict=True))
        show(figure, alt=sentence, table=table("block norm_picture norm_of_puzzle ratio norm_ratio", rows), key="play_chart")


def other(settings, picture_id, puzzle, tiles, ratio):
    """Draw one of the further pictures beside its puzzle; its button makes it the primary one."""
    name = pictures.name_of(picture_id)
    with st.container(gap="xxsmall"):
        with st.grid(columns=2, min_column_width=40, gap="xxsmall"):
            seen = compute.look(settings.pack, picture_id, pictures.find(picture_id)).seen
            st.image(enlarged(seen, 128), width="stretch", alt=t("blocks.alt_other", name=name))
            st.image(enlarged(puzzle.seen, 128), width="stretch", alt=t("blocks.alt_puzzle", name=name, tiles=tiles))
        if st.button(f"{plain(name)}: {ratio}", key=f"beside_{picture_id}", width="stretch", help=t("blocks.beside_help")):
            pictures.choose(picture_id)
            st.rerun()


def beside(settings, primary):
    """Return ids of further pictures: the pinned one, then the first of each set in the gallery."""
    first = {i.rpartition("/")[0]: i for i in reversed(gallery_ids(settings)) if i != primary}
    pinned = [i for i in [pictures.pinned()] if i and i != primary and _can_open(i)]
    return list(dict.fromkeys([*pinned, *reversed(first.values())]))[:BESIDE]


def explanation(choice):
    """Draw the formula, the code that does it, and the way back."""
    foot.how(
        t("blocks.why_title"),
        (t("blocks.why_norm"), r"\mathrm{FeatureNorm}(x) = \frac{1}{C}\sum_{c=1}^{C}\sqrt{\sum_{h,w}\max(z_{c,h,w}(x),\,0)^2}"),
        (t("blocks.why_ratio"), r"\mathrm{NormRatio} = \frac{1}{N}\sum_{n=1}^{N}\frac{\mathrm{FeatureNorm}(x_n)}{\mathrm{FeatureNorm}(\mathrm{jigsaw}(x_n))}"),
        (t("blocks.why_modes"),),
    )
    foot.in_code(
        t("blocks.code_title"),
        "from core.selection import select_block",
        f'selection = select_block(network, images, preprocessing, permutations={choice.shuffles}, mode="{choice.mode}", border="{choice.border}")',
        "print(selection.selected, dict(zip(selection.blocks, selection.norm_ratio)))",
        caption=t("blocks.code_caption"),
    )
    foot.ways("blocks")


def marked(name, kind="OOD"):
    """Return a set's name in the language in use, or as it is where the catalogue has none; with a mark for known and unknown ones."""
    mark = {"ID": "● ", "puzzle": "▦ ", "OOD": "◆ "}[kind]
    return mark + set_name(name)


def _can_open(picture_id):
    try:
        return bool(pictures.find(picture_id))
    except InputError:
        return False


def _again():
    st.session_state["seed"] = (st.session_state["seed"] + 1) % len(SEEDS)


def _rounded(values):
    return [round(float(value), 4) for value in values]


main()
