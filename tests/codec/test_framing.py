"""gzip members, with isal and with the standard library: the same contents, the same refusals."""

from __future__ import annotations

import gzip
import importlib.util
import random
import sys
import tracemalloc
import zlib
from contextlib import suppress
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vpcflow.codec.framing as shipped
from vpcflow.types import Reason

LIMIT = 1_000_000


@pytest.fixture(scope="module", params=["isal", "zlib"])
def framing(request: pytest.FixtureRequest) -> ModuleType:
    """The module loaded anew, as it comes out where isal is installed and where it is not."""
    spec = importlib.util.spec_from_file_location(f"framing_{request.param}", shipped.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "zlib":
            patch.setitem(sys.modules, "isal.isal_zlib", None)
        spec.loader.exec_module(module)
    assert (module._zlib is zlib) is (request.param == "zlib")
    return module


def refused(framing: ModuleType, data: bytes, limit: int = LIMIT) -> tuple[list[bytes], Reason]:
    found = list[bytes]()  # keeps what came before the error
    with pytest.raises(framing.FramingError) as caught:
        found.extend(framing.members(data, limit))
    reason = caught.value.reason
    assert isinstance(reason, Reason)
    return found, reason


@given(st.lists(st.binary(max_size=5000).filter(lambda one: one[:2] != b"\x1f\x8b"), min_size=1, max_size=6))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_members_come_out_as_they_went_in(framing: ModuleType, contents: list[bytes]) -> None:
    data = b"".join(map(gzip.compress, contents))
    assert list(framing.members(data, LIMIT)) == contents
    assert list(framing.members(gzip.compress(data), LIMIT)) == contents
    assert list(framing.members(data + b"\0" * 512, LIMIT)) == contents


def test_what_is_no_gzip_passes_as_it_is(framing: ModuleType) -> None:
    assert list(framing.members(b"2 123", LIMIT)) == [b"2 123"]
    assert list(framing.members(b"", LIMIT)) == [b""]


def test_a_member_of_incompressible_megabytes(framing: ModuleType) -> None:
    content = random.Random(1).randbytes(900_000)
    assert list(framing.members(gzip.compress(b"a") + gzip.compress(content), LIMIT)) == [b"a", content]


def test_every_cut_is_noticed(framing: ModuleType) -> None:
    first, second = gzip.compress(b"first line\n" * 9), gzip.compress(b"second line\n" * 9)
    data = first + second
    for cut in range(2, len(data)):
        if cut == len(first):
            continue
        found, reason = refused(framing, data[:cut])
        assert reason is Reason.GZIP
        assert found == ([b"first line\n" * 9] if cut > len(first) else [])


def test_no_flipped_byte_changes_the_contents(framing: ModuleType) -> None:
    content = b"2 123456789010 eni-1 10.0.0.1\n" * 20
    data = gzip.compress(content)
    for at in range(2, len(data)):
        damaged = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        with suppress(framing.FramingError):
            # Some bytes of the header say nothing about the contents.
            assert list(framing.members(damaged, LIMIT)) == [content]


def test_the_limit_is_for_all_members_together(framing: ModuleType) -> None:
    data = gzip.compress(b"a" * 600) + gzip.compress(b"b" * 400)
    assert len(list(framing.members(data, 1000))) == 2
    assert refused(framing, data, 999) == ([b"a" * 600], Reason.TOO_LARGE)
    assert len(list(framing.members(gzip.compress(data), 1000 + len(data)))) == 2
    assert refused(framing, gzip.compress(data), 999) == ([b"a" * 600], Reason.TOO_LARGE)


@pytest.mark.parametrize(
    "content",
    [b"\n" * 8_000_000, b'{"logEvents":[' + b"{}," * 2_700_000 + b"{}]}", b"[" * 8_000_000, b"1," * 16_000_001],
    ids=["lines", "objects", "lists", "values"],
)
def test_what_is_almost_empty_is_refused_before_it_is_read(framing: ModuleType, content: bytes) -> None:
    """Each line or value would be an object of Python, many times as large."""
    for data in (content, gzip.compress(content, 1)):
        with pytest.raises(framing.FramingError, match="lines or objects, one for each 64 bytes"):
            list(framing.members(data, 128_000_000))


def test_flows_are_no_crowd(framing: ModuleType) -> None:
    line = b"2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA\n"
    content = line * (4 * LIMIT // len(line))
    assert list(framing.members(content, 4 * LIMIT)) == [content]


def test_a_bomb_is_refused_before_it_is_unpacked(framing: ModuleType) -> None:
    bomb = gzip.compress(gzip.compress(b"\0" * 200_000_000))
    tracemalloc.start()
    try:
        assert refused(framing, bomb)[1] is Reason.TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
