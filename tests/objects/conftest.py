from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.objects.stores import Store, running


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with running() as given:
        yield given
