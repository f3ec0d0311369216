"""Bodies are within the bounds, and no item is lost on the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vpcflow.pipeline.batch import BatchBounds, pieces
from vpcflow.types import Bulk


@given(sizes=st.lists(st.integers(0, 60), max_size=40), max_bytes=st.integers(1, 200), max_actions=st.integers(1, 10))
def test_pieces(sizes: list[int], max_bytes: int, max_actions: int) -> None:
    items = [b'{"create":{}}\n%b\n' % (b"x" * size) for size in sizes]
    bulk = Bulk(b"".join(items), len(items))
    cut = list(pieces(bulk, BatchBounds(max_bytes=max_bytes, max_actions=max_actions)))
    assert b"".join(piece.body for piece in cut) == bulk.body
    assert [item for piece in cut for item in piece.items()] == items
    for piece in cut:
        assert piece.count <= max_actions
        assert len(piece.body) <= max_bytes or piece.count == 1


def test_what_fits_is_not_copied() -> None:
    bulk = Bulk(b"{}\n{}\n", 1)
    assert next(iter(pieces(bulk, BatchBounds()))) is bulk
