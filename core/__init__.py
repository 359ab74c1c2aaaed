"""Does this model know what it is looking at? The compute library behind the dashboard.

Example:
    from core import load_pack

    pack = load_pack("toybox")
    print(pack.verdict("photo.jpg"))
"""

VERSION = "0.1.0"  # as in pyproject.toml and at the top of CHANGELOG.md


def load_pack(name_or_folder, **options):
    """Load a pack by name or folder; see `core.packs.load_pack`. Torch is imported here, not before."""
    from core.packs import load_pack

    return load_pack(name_or_folder, **options)
