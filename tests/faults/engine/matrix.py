"""Which rows run where: each on both products in both index modes, few of them in the fast tests."""

from __future__ import annotations

import pytest

__all__ = ["matrix", "products"]

PRODUCTS = ("elasticsearch", "opensearch")
MODES = ("data_stream", "pattern")


def matrix(fast: str = "", *, modes: tuple[str, ...] = MODES) -> pytest.MarkDecorator:
    """Return the parameters `product` and `mode`; all are slow but those named, e.g. `elasticsearch-pattern`."""
    cells = [(product, mode) for product in PRODUCTS for mode in modes]
    return pytest.mark.parametrize(
        ("product", "mode"),
        [pytest.param(*cell, marks=() if "-".join(cell) in fast.split() else pytest.mark.slow) for cell in cells],
    )


def products(fast: str = "") -> pytest.MarkDecorator:
    """Return the parameter `product`; all are slow but those named."""
    return pytest.mark.parametrize(
        "product", [pytest.param(one, marks=() if one in fast.split() else pytest.mark.slow) for one in PRODUCTS]
    )
