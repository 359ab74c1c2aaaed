"""The faults in short: what is killed, filled up or taken away loses nothing."""

import pytest

from core.packs import list_packs
from tests.soak.faults import rows


@pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs")
def test_nothing_is_lost():
    found = list(rows(10))
    assert len(found) > 12 and not [row for row in found if row.lost]
    untried = [row for row in found if not row.tried]
    assert all(row.seen.startswith("not tried: ") for row in untried)
    if untried:
        pytest.skip("nothing was lost; " + "; ".join(f"{row.what}: {row.seen}" for row in untried))
