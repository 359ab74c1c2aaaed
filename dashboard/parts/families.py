"""Packs by how they were trained: families that differ in nothing else, and what packs and their methods are called."""

import re
from zlib import crc32

from core.networks import NETWORKS
from core.packs import own_folder
from core.training import METHODS
from dashboard.language import catalogue, language, method_name, t
from dashboard.language.text import harmless

FIRST = ("toybox", "cifar10")  # the packs that pages start with
NAMED = re.compile(rf"(toybox|cifar10)-({'|'.join(METHODS)})(-.*)?")  # packs that are called by what they are
CIFAR10 = "CIFAR-10"


def families(packs):
    """Group packs that differ in nothing but their training method, so that it alone can explain a difference.

    Args: packs: {name: `core.packs.Description`}.
    Returns: {key: {name: Description}}, methods in the order of `METHODS`; packs share classes, preprocessing, known pictures and how many
        of them taught, architecture, width, epochs and ema. A family has at least two methods; the key is made of what its packs share.
    """
    found = {}
    for name, pack in packs.items():
        if key := family_key(pack.facts):
            found.setdefault(key, {})[name] = pack
    order = list(METHODS)
    found = {key: dict(sorted(of.items(), key=lambda item: order.index(method_of(item[1].facts)))) for key, of in found.items()}
    return {key: of for key, of in found.items() if len({method_of(pack.facts) for pack in of.values()}) > 1}


def family_key(facts):
    """Return the key of the family that a pack belongs to, or None where it does not say what it was trained on, or by which method."""
    known, training = _known(facts), facts["training"]
    if not known or method_of(facts) not in METHODS:
        return None
    rest = (facts["classes"], sorted(facts["preprocessing"].items()), training.get("pictures"), training.get("ema", 0))
    parts = (re.sub(r"\W+", "_", known), facts["arch"], facts.get("width"), training.get("epochs"), f"{crc32(repr(rest).encode()):08x}")
    return "-".join(map(str, parts))


def members(family):
    """Return {id: pack name} of a family: the first pack of a method goes by the method's name, which means the same in every family."""
    found = {}
    for name, pack in family.items():
        method = method_of(pack.facts)
        found[name if method in found else method] = name
    return found


def member_title(family, member):
    """Return what a member is called: its training method, with the pack's name where it is not the first of that method."""
    if member in METHODS:
        return method_name(member)
    pack = family[member]
    return pack_title(pack) if pack.folder.parent == own_folder() else f"{method_name(method_of(pack.facts))} ({member})"


def family_titles(found):
    """Return {key: title} of families; where two have the same, what tells them apart is added."""
    facts = {key: next(iter(of.values())).facts for key, of in found.items()}
    titles = {key: f"{known_name(f)}, {arch_name(f)}" for key, f in facts.items()}
    several = {key for key, title in titles.items() if list(titles.values()).count(title) > 1}
    sizes = {key: t("training.family_size", width=facts[key].get("width"), epochs=facts[key]["training"].get("epochs")) for key in several}
    return {key: f"{title} ({sizes[key]})" if key in several else title for key, title in titles.items()}


def pack_titles(packs):
    """Return {name: title} of packs in the order in which they are offered: those that pages start with, families, others by name."""

    def place(item):
        name, pack = item
        if name in FIRST:
            return 0, FIRST.index(name)
        if NAMED.fullmatch(name) and method_of(pack.facts) in METHODS:
            return 1, known_name(pack.facts), arch_name(pack.facts), list(METHODS).index(method_of(pack.facts)), name
        return 2, name

    titles = {name: pack_title(pack) for name, pack in sorted(packs.items(), key=place)}
    several = {title for title in titles.values() if list(titles.values()).count(title) > 1}
    return {name: f"{title} ({name})" if title in several else title for name, title in titles.items()}


def pack_title(pack):
    """Return what a pack is called on screen: by what it is where its name says so too or was drawn by lot, else by its name."""
    name, facts, method = pack.name, pack.facts, method_of(pack.facts)
    if name in FIRST:
        return t(f"pack.{name}")
    if pack.folder.parent == own_folder() and method in METHODS:
        return t("live.pack", method=method_name(method), epochs=facts["training"].get("epochs"), seed=facts["training"].get("seed"))
    if "title" in facts:
        return harmless(facts["title"])
    if NAMED.fullmatch(name) and method in METHODS:
        return " · ".join((method_name(method), arch_name(facts), known_name(facts)))  # what differs comes first: the sidebar is narrow
    return harmless(name)


def method_of(facts):
    return facts["training"].get("method")


def known_name(facts):
    """Return what the pictures are called that a pack was trained on."""
    known = _known(facts)
    if "cifar10" in known.lower() and "cifar100" not in known.lower():
        return CIFAR10
    kind = known.partition(":")[0]
    return catalogue(language()).get(f"pack.known_{kind}", harmless(known.removeprefix("data:")) or "–")


def arch_name(facts):
    """Return an architecture's title without what stands in brackets behind it."""
    return arch_title(facts["arch"]).partition(" (")[0]


def arch_title(arch):
    """Return what an architecture is called: our own have titles, others are known by their names."""
    return NETWORKS[arch].title if arch in NETWORKS else harmless(arch)


def _known(facts):
    return facts.get("pictures", {}).get("held_out", {}).get("source", "")
