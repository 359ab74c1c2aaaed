"""The first two steps of the workshop: which network, which pictures, and how the one sees the other."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.errors import InputError
from core.home import allowed_roots, within_roots
from core.networks import NETWORKS
from core.packs import SHIPPED
from core.uploads import keep_file, keep_folder
from dashboard import compute, making
from dashboard.charts.pictures import enlarged
from dashboard.language import explain, set_name, t
from dashboard.language.text import plain
from dashboard.parts import choices
from dashboard.parts.families import arch_title

WEIGHTS, PICTURES = ("example", "upload", "path", "torchvision"), ("example", "upload", "folder", "path")
EXAMPLE = SHIPPED / "toybox" / "weights.safetensors", "toybox:test"
OOD = ("noise:gaussian", "toybox:textures", "toybox:letters", "toybox:near")
MEGABYTES = 2000  # of an upload
LISTED, LONGEST = 500, 200  # keys that do not fit, and characters of each: a file may have any number
LIMITS = (300, 1000, 2000, 5000)
NORMALS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar": ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


@dataclass(frozen=True)
class Plan:
    """What the form says.

    Attributes: weights: a path or "torchvision"; arch, width, options (pairs); images: a spec; size, mean, std, jpeg: of the preprocessing; resize: as in
        `core.images.preprocess.Preprocessing`; classes: names; ood: specs; limit: known pictures; title: what the pack is called.
    """

    weights: str
    arch: str
    width: int | None
    options: tuple
    images: str
    size: int
    resize: int | None
    mean: tuple
    std: tuple
    jpeg: int | None
    classes: tuple
    ood: tuple
    limit: int
    title: str

    def arguments(self, command="new"):
        """Return the words of `python -m core` that check this network or make its pack. Args: command: "check" or "new"."""
        words = ["pack", command, "--weights", self.weights, "--arch", self.arch, "--images", self.images, "--limit", str(self.limit)]
        words += ["--width", str(self.width)] * bool(self.width) + [word for pair in self.options for word in ("--option", "{}={}".format(*pair))]
        words += ["--size", str(self.size), "--mean", _listed(self.mean), "--std", _listed(self.std)]
        words += ["--resize", str(self.resize)] * bool(self.resize) + ["--jpeg", str(self.jpeg)] * bool(self.jpeg)
        words += ["--classes", ",".join(self.classes)] * bool(self.classes)
        if command == "new":
            words += [word for spec in self.ood for word in ("--ood", f"{spec.partition(':')[2]}={spec}")] + ["--title", self.title]
        return words


def plan_form():
    """Draw both steps. Returns: `Plan`, or None as long as something is missing."""
    st.header(t("workshop.step_network"))
    network = _network()
    st.header(t("workshop.step_pictures"))
    images = _pictures()
    if network is None or images is None:
        st.info(t("workshop.missing"), icon=":material/arrow_upward:")
        return None
    return _seen(network, images)


def _network():
    """Draw the first step. Returns: (weights, `core.networks.guess.Fit`, name), or None."""
    ways = _possible(WEIGHTS)
    titles = {way: t(f"workshop.weights_{way}") for way in ways}
    way = choices.segments("weights_from", t("workshop.weights"), titles, ways[0])
    try:
        if way == "torchvision":
            return _published()
        path = {"upload": _uploaded_weights, "path": _path, "example": _example}[way]("weights")
        return _fitted(path) if path else None
    except InputError as error:
        st.error(explain(error), icon=":material/error:")
        return None


def _possible(ways):
    """Leave out what this server has not: an example, folders that may be read."""
    there = {"example": EXAMPLE[0].is_file(), "path": bool(allowed_roots())}
    return [way for way in ways if there.get(way, True)]


def _uploaded_weights(key):
    kinds = ["safetensors", "pt", "pth", "pt2"]
    file = st.file_uploader(t("workshop.weights_file"), type=kinds, key="workshop_weights", max_upload_size=MEGABYTES, help=t("workshop.weights_help"))
    return making.brought(keep_file(file.name, file.getvalue())) if file else None


def _path(key):
    typed = st.text_input(t("workshop.path"), key=f"{key}_path", persist_state="session", placeholder=t(f"workshop.path_{key}"))
    roots = ", ".join(str(root) for root in allowed_roots())
    st.caption(t("workshop.path_roots", roots=plain(roots)))
    return within_roots(typed) if typed.strip() else None


def _example(key):
    st.caption(t(f"workshop.example_{key}"))
    return EXAMPLE[key == "pictures"]


def _published():
    """Let choose one of torchvision's networks with its published weights."""
    names = making.published_archs()
    arch = choices.select("workshop_published", t("workshop.arch"), names, "resnet50")
    st.caption(t("workshop.published"))
    return "torchvision", making.published_fit(arch), arch


def _fitted(path):
    """Say which network the weights are of, and let choose another; what does not fit is said key by key."""
    fits = making.fits(str(path), _stamp(path))
    offered = {_title(fit): fit for fit in fits}
    names = [*offered, *(arch for arch in making.archs() if arch_title(arch) not in offered)]  # a title once: the browser tells options by it
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        key = f"workshop_arch_{path.parent.name[:8]}"
        titles = {name: name if name in offered else arch_title(name) for name in names}
        name = st.selectbox(t("workshop.arch"), names, key=key, persist_state="session", width=320, format_func=titles.get, help=t("workshop.arch_help"))
        chosen, width = offered.get(name), None
        arch = chosen.arch if chosen else name
        if arch in NETWORKS:
            usual = (chosen and chosen.width) or NETWORKS[arch].parameters["width"]
            width = st.number_input(t("workshop.width"), 1, 2048, usual, key=f"{key}_{arch}_width", width=160, help=t("workshop.width_help"))
    if chosen is None or width != chosen.width:
        chosen = making.fit(str(path), _stamp(path), arch, width)
    if not chosen.exact:
        st.error(t("workshop.misfit", n=len(chosen.problems), arch=arch_title(arch)), icon=":material/rule:")
        with st.expander(t("workshop.problems"), icon=":material/list:", expanded=True):
            _lines([line[:LONGEST] for line in chosen.problems[:LISTED]], t("workshop.problems"))
        return None
    facts = making.sketched(chosen.arch, chosen.width, chosen.classes, tuple(chosen.options.items()))
    words = {"arch": _title(chosen), "classes": f"{chosen.classes:,}", "blocks": len(facts.blocks), "parameters": f"{facts.parameters:,}"}
    st.success(t("workshop.fits", **words), icon=":material/check_circle:")
    if others := [title for title, fit in offered.items() if fit.exact and title != name]:
        st.caption(t("workshop.several", names=", ".join(others)))
    with st.expander(t("workshop.blocks"), icon=":material/view_week:"):
        _lines(facts.blocks, t("workshop.blocks"))
    return str(path), chosen, path.stem if path != EXAMPLE[0] else t("workshop.example_title")


def _lines(lines, title):
    """Draw a list that may be long: as a table, which scrolls by keyboard."""
    st.dataframe({title: list(lines)}, hide_index=True, alt=title)


def _title(fit):
    """Return what a fit is called: the architecture, and what is unusual about it."""
    return ", ".join([arch_title(fit.arch), *(f"{name} {value}" for name, value in fit.options.items())])


def _pictures():
    """Draw the second step. Returns: the spec of the known pictures, or None."""
    st.markdown(t("workshop.pictures_how"))
    ways = _possible(PICTURES)
    titles = {way: t(f"workshop.pictures_{way}") for way in ways}
    way = choices.segments("pictures_from", t("workshop.pictures"), titles, ways[0])
    try:
        spec = {"upload": _uploaded_pictures, "folder": _uploaded_folder, "path": _path, "example": _example}[way]("pictures")
        if spec is None:
            return None
        facts = making.source_facts(str(spec), _stamp(spec))
    except InputError as error:
        st.error(explain(error), icon=":material/error:")
        return None
    kinds = t("workshop.kinds", n=len(facts.classes), names=plain(", ".join(facts.classes[:5]))) if facts.classes else t("workshop.kinds_unnamed")
    st.success(f"{t('workshop.found', n=f'{facts.pictures:,}')} {kinds}", icon=":material/check_circle:")
    return str(spec)


def _uploaded_pictures(key):
    kinds, more = ["parquet", "npz"], t("workshop.pictures_help")
    file = st.file_uploader(t("workshop.pictures_file"), type=kinds, key="workshop_pictures", max_upload_size=MEGABYTES, help=more)
    return making.brought(keep_file(file.name, file.getvalue())) if file else None


def _uploaded_folder(key):
    how = {"type": ["image/*"], "accept_multiple_files": "directory", "max_upload_size": MEGABYTES}
    files = st.file_uploader(t("workshop.folder"), **how, key="workshop_folder", help=t("workshop.folder_help"))
    return making.brought(keep_folder([(file.name, file.getvalue()) for file in files])) if files else None


def _seen(network, images):
    """Draw how the network sees the pictures, the names of its classes, and how much is measured. Returns: `Plan`, or None."""
    weights, fit, name = network
    from core.images.preprocess import Preprocessing

    usual = making.usual_preprocessing(fit.arch, tuple(fit.options.items()))
    if weights == str(EXAMPLE[0]):
        usual = Preprocessing(**compute.packs()["toybox"].facts["preprocessing"])
    stem = f"workshop_see_{fit.arch}"
    with st.expander(t("workshop.see"), icon=":material/visibility:", expanded=True):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            size = st.number_input(t("workshop.size"), 8, 1024, usual.size, key=f"{stem}_size", width=160)
            normals = {**NORMALS, "usual": (usual.mean, usual.std)}
            usual_name = next(key for key, values in normals.items() if values == (usual.mean, usual.std))
            names = [*NORMALS, *["usual"] * (usual_name == "usual")]
            titles = {key: t(f"workshop.normal_{key}") for key in names}
            normal = st.selectbox(
                t("workshop.normal"), names, names.index(usual_name), format_func=titles.get, key=f"{stem}_normal", width=280, help=t("workshop.normal_help")
            )
            jpeg = st.toggle(t("workshop.jpeg"), value=bool(usual.jpeg), key=f"{stem}_jpeg", help=t("workshop.jpeg_help"))
        resize = usual.resize if usual.resize and usual.resize >= size and size == usual.size else None
        mean, std = normals[normal]
        classes = _classes(images, fit, weights)
        preview = making.preview(images, _stamp(images), size, resize, 75 if jpeg else None)
        st.caption(t("workshop.preview", size=size))
        with st.grid(min_column_width=80, gap="small"):
            for pixels, picture in preview.pictures:
                st.image(enlarged(pixels), width="stretch", alt=picture)
        for picture, error in preview.errors[:3]:
            st.warning(f"**{plain(picture)}**: {explain(error)}", icon=":material/broken_image:")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        title = st.text_input(t("workshop.name"), value=name, key=f"workshop_name_{name}", max_chars=60, width=280)
        limit = choices.steps("workshop_limit", t("workshop.limit"), LIMITS, 1000, width=320, help=t("workshop.limit_help"))
    ood = choices.several("workshop_ood", t("workshop.ood"), {spec: set_name(spec) for spec in OOD}, OOD[:3], help=t("workshop.ood_help"))
    if classes is None:
        return None
    return Plan(
        weights,
        fit.arch,
        fit.width,
        tuple(fit.options.items()),
        images,
        size,
        resize,
        mean,
        std,
        75 if jpeg else None,
        classes,
        tuple(ood),
        limit,
        title.strip() or name,
    )


def _classes(images, fit, weights):
    """Let name the classes. Returns: the names, () for the source's or the network's own, or None if there are too few or too many."""
    facts = making.source_facts(images, _stamp(images))
    known = facts.classes if facts.classes and len(facts.classes) == fit.classes else ()
    typed = st.text_input(
        t("workshop.classes", n=f"{fit.classes:,}"),
        value=", ".join(known),
        key=f"workshop_classes_{fit.classes}_{images}",
        placeholder=t("workshop.classes_empty"),
        help=t("workshop.classes_help"),
    )
    names = tuple(name.strip() for name in typed.split(",") if name.strip())
    if names and len(names) != fit.classes:
        st.error(t("workshop.classes_wrong", n=len(names), expected=fit.classes), icon=":material/error:")
        return None
    return () if names == known else names


def _stamp(spec):
    """Return what changes when a file does; 0 for pictures that are drawn."""
    return Path(spec).stat().st_mtime_ns if Path(spec).exists() else 0


def _listed(numbers):
    return ",".join(f"{n:g}" for n in numbers)
