"""Which requests a rule takes, and what a script may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vpcflow.errors import ConfigError
from vpcflow.faults import load_script, parse_script
from vpcflow.faults.exchange import Exchange, Upstream
from vpcflow.faults.messages import Request
from vpcflow.faults.rules import Schedule
from vpcflow.faults.script import ACTIONS


def taken(script: str, count: int = 10, *, seed: int = 0) -> list[int]:
    """Return which of so many requests, from 1, are taken by a rule."""
    schedule = Schedule(parse_script(script), seed)
    one = Request(method="POST", target="/t/_bulk?x=1", headers=(("X-Amz-Target", "D.PutItem"),))
    return [n for n in range(1, count + 1) if schedule.choose(exchange(one)) is not None]


def exchange(request: Request) -> Exchange:
    nothing: Any = None
    return Exchange(
        request=request, number=1, client=nothing, upstream=Upstream("x", 1), journal=nothing, clock=nothing
    )


def rule(more: str) -> str:
    return f'[[rule]]\naction = "reset_before"\n{more}\n'


@pytest.mark.parametrize(
    ("more", "numbers"),
    [
        ("", list(range(1, 11))),
        ("nth = 3", [3]),
        ("first = 9", [9, 10]),
        ("last = 2", [1, 2]),
        ("first = 4\nlast = 6", [4, 5, 6]),
        ("every = 4", [1, 5, 9]),
        ("first = 2\nlast = 6\nevery = 2", [2, 4, 6]),
        ("probability = 0.0", []),
        ('method = "post"', list(range(1, 11))),
        ('method = "GET"', []),
        ('path = "^/t/_bulk"', list(range(1, 11))),
        ('path = "^/_bulk"', []),
        ('headers = { x-amz-target = "PutItem$" }', list(range(1, 11))),
        ('headers = { x-amz-target = "GetItem" }', []),
        ('headers = { x-other = "." }', []),
    ],
)
def test_which_requests(more: str, numbers: list[int]) -> None:
    assert taken(rule(more)) == numbers


def test_chance_follows_the_seed() -> None:
    script = rule("probability = 0.5")
    draws = {seed: taken(script, 200, seed=seed) for seed in range(4)}
    assert draws == {seed: taken(script, 200, seed=seed) for seed in range(4)}
    assert len({tuple(numbers) for numbers in draws.values()}) == 4
    assert all(60 < len(numbers) < 140 for numbers in draws.values())


def test_the_first_rule_acts_and_each_counts() -> None:
    schedule = Schedule(parse_script(rule("nth = 2") + rule('name = "two"\nfirst = 2\nlast = 3')), 0)
    named = []
    for _ in range(4):
        one = exchange(Request(method="GET", target="/", headers=()))
        schedule.choose(one)
        named.append(one.rule)
    assert named == ["", "1", "two", ""]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("rule = 1", "Expected `array`"),
        ("[[rule]]\nname = 'x'", "missing required field `action`"),
        ("[[rule]]\naction = 'explode'", "Invalid value 'explode'"),
        (rule("nht = 1"), "`nht`"),
        (rule("nth = 'two'"), "Expected `int`"),
        (rule("nth = 1\nfirst = 2"), "nth goes with none of"),
        (rule("first = 0"), "counted from 1"),
        (rule("path = '('"), "not a regular expression"),
        (rule("headers = { a = '(' }"), "not a regular expression"),
        ("[[rule]]\naction = 'delay'", "missing required field `seconds`"),
        ("[[rule]]\naction = 'drip'\nseconds = 1\nbytes = 0", "at least 1"),
        ("[[rule]]\naction = 'failure_store_used'\ncontaining = '('", "containing: not a regular expression"),
        ("[[rule]", "TOML|Expected"),
        ("[rules]", "`rules`"),
    ],
)
def test_wrong_scripts(script: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        parse_script(script, source="faults.toml")
    assert str(caught.value).startswith("faults.toml: ")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 78


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    with pytest.raises(ConfigError, match="No such file"):
        load_script(file)
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_script(file)
    file.write_text(rule("nth = 1"))
    assert [each.kind for each in load_script(file)] == ["reset_before"]


def test_every_action_has_a_name_and_a_sentence() -> None:
    assert len({action.__struct_config__.tag for action in ACTIONS}) == len(ACTIONS) == 15
    assert all((action.__doc__ or "").partition("\n")[0].endswith(".") for action in ACTIONS)
