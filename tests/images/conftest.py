"""One engine for all tests of images, and each image built once. What cannot be had is told loudly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.images import base
from tests.images.engine import Engine
from tests.required import skip_or_fail
from vpcflow.stack.errors import StackError

Build = Callable[[str], str]
_CONSUMER = "vpcflow-stream"


def _noted(what: str, begun: float, engine: Engine, tag: str) -> None:
    size = int(engine.docker("image", "inspect", "--format={{.Size}}", tag)) / 1e6
    print(f"{what}: {size:.0f} MB, built in {time.monotonic() - begun:.0f} s")


@pytest.fixture(scope="session")
def container_engine() -> Iterator[Engine]:
    """A container engine with the stand-in for Python's image."""
    engine = Engine()
    try:
        engine.start()
        base.make_python(engine)
    except StackError as error:
        engine.stop()
        skip_or_fail("images", f"no container engine, so no image is built or run: {error}")
    try:
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="session")
def consumer_image(container_engine: Engine) -> str:
    """Build the consumer's image; return its name."""
    begun = time.monotonic()
    given = [f"--build-arg=BASE={base.PYTHON}", "--build-arg=REVISION=of-a-test"]
    container_engine.build(
        base.ROOT / "docker" / "consumer.Dockerfile",
        base.ROOT,
        _CONSUMER,
        *given,
        secrets=base.secrets(container_engine),
    )
    _noted("consumer", begun, container_engine, _CONSUMER)
    return _CONSUMER


@pytest.fixture(scope="session")
def lambda_image(container_engine: Engine) -> Build:
    """Return what builds a Lambda's image by the name of its target, and gives the image's name."""
    base.make_lambda(container_engine)

    def build(target: str) -> str:
        begun, tag = time.monotonic(), f"vpcflow-{target}"
        given = [f"--build-arg=BASE={base.LAMBDA}", f"--target={target}"]
        container_engine.build(
            base.ROOT / "docker" / "lambda.Dockerfile", base.ROOT, tag, *given, secrets=base.secrets(container_engine)
        )
        _noted(target, begun, container_engine, tag)
        return tag

    return build
