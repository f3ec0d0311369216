"""Which rows run where: each in both index modes and on both products, few of them in the fast tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

__all__ = ["alternating", "matrix", "products"]

PRODUCTS = ("elasticsearch", "opensearch")
MODES = ("data_stream", "pattern")


def matrix(fast: str = "", *, modes: tuple[str, ...] = MODES) -> pytest.MarkDecorator:
    """Return the parameters `product` and `mode`; all are slow but those named, e.g. `elasticsearch-pattern`."""
    cells = [(product, mode) for product in PRODUCTS for mode in modes]
    return pytest.mark.parametrize(
        ("product", "mode"),
        [pytest.param(*cell, marks=() if "-".join(cell) in fast.split() else pytest.mark.slow) for cell in cells],
    )


def products() -> pytest.MarkDecorator:
    """Return the parameter `product`: one after the other through a module, whose engine is its own."""
    return pytest.mark.parametrize("product", PRODUCTS, scope="module")


def alternating(names: Iterable[str], fast: Mapping[str, str]) -> pytest.MarkDecorator:
    """Return the parameters `name`, `product` and `mode` of faults that the proxy makes alone.

    Whose answer it spoils does not matter much, so each fault meets one product in one mode and the other in the other.

    Args:
        names: of the faults.
        fast: the mode in which a fault is among the fast tests.
    """
    cells: list[object] = []
    for place, name in enumerate(names):
        for at, mode in enumerate(MODES):
            product = PRODUCTS[(place + at) % 2]
            marks = () if fast.get(name) == mode else pytest.mark.slow
            cells.append(pytest.param(name, product, mode, marks=marks, id=f"{name}-{product}-{mode}"))
    return pytest.mark.parametrize(("name", "product", "mode"), cells)
