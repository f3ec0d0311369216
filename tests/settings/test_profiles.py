"""Inputs and outputs: what holds for a pair of them, which input a source has, and what is said when something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpcflow.errors import EX_CONFIG, ConfigError
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings
from vpcflow.settings.routes import Route, Routes

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:flows"
BASE = """
[elasticsearch]
hosts = ["https://base:9200"]
[bulk]
max_actions = 7
"""
TWO = """
[inputs.s3-prod]
match = ["arn:aws:sqs:*:*:prod-*"]
outputs = ["search"]

[inputs.all]
match = ["*"]

[outputs.search.elasticsearch]
hosts = ["https://search:9200"]

[outputs.archive.elasticsearch]
hosts = ["https://archive:9200"]
"""


def routes(folder: Path, text: str, environ: dict[str, str] | None = None) -> Routes:
    path = folder / "vpcflow.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environ or {}).routes


def named(routes: Routes) -> dict[str, Route]:
    return {route.input: route for route in routes}


def source(found: Routes, arn: str) -> str | None:
    route = found.for_source(arn)
    return route.input if route else None


def test_without_inputs_there_is_one_that_takes_everything() -> None:
    (route,) = load(None, {"VPCFLOW_BULK__MAX_ACTIONS": "7"}).routes
    assert route.input == "default"
    assert list(route.outputs) == ["default"]
    assert route.settings.bulk.max_actions == route.outputs["default"].bulk.max_actions == 7
    assert Routes([route]).for_source("anything at all") is route


def test_outputs_alone_have_one_input_that_goes_to_all_of_them(tmp_path: Path) -> None:
    (route,) = routes(tmp_path, BASE + TWO[TWO.index("[outputs.search") :])
    assert route.input == "default"
    assert {name: one.elasticsearch.hosts for name, one in route.outputs.items()} == {
        "search": ["https://search:9200"],
        "archive": ["https://archive:9200"],
    }


def test_inputs_alone_go_to_the_base(tmp_path: Path) -> None:
    (route,) = routes(tmp_path, BASE + '[inputs.a]\nmatch = ["*"]\n[inputs.a.document]\ntags = ["a"]\n')
    assert list(route.outputs) == ["default"]
    assert route.outputs["default"].elasticsearch.hosts == ["https://base:9200"]
    assert route.outputs["default"].document.tags == ["a"]


def test_an_output_stands_over_an_input_and_an_input_over_the_base(tmp_path: Path) -> None:
    text = """
[document]
tags = ["base"]
namespace = "base"
shape = "raw"
[inputs.a]
match = ["*"]
[inputs.a.document]
tags = ["input"]
namespace = "input"
[outputs.x.document]
tags = ["output"]
[outputs.y.elasticsearch]
hosts = ["http://y:9200"]
"""
    loaded = routes(tmp_path, text)
    (route,) = loaded
    x, y = route.outputs["x"].document, route.outputs["y"].document
    assert (x.tags, x.namespace, x.shape) == (["output"], "input", "raw")
    assert (y.tags, y.namespace, y.shape) == (["input"], "input", "raw")
    assert (route.settings.document.tags, route.settings.document.namespace) == (["input"], "input")
    assert load(tmp_path / "vpcflow.toml", {}).settings.document.tags == ["base"]


def test_an_input_goes_to_the_outputs_that_it_names_else_to_all(tmp_path: Path) -> None:
    found = named(routes(tmp_path, BASE + TWO))
    assert list(found["s3-prod"].outputs) == ["search"]
    assert list(found["all"].outputs) == ["search", "archive"]
    assert found["all"].outputs["archive"].bulk.max_actions == 7


def test_the_environment_stands_over_the_file_in_each_table(tmp_path: Path) -> None:
    environ = {
        "VPCFLOW_INPUTS__S3_PROD__MATCH": f"{QUEUE}, arn:aws:s3:::bucket/*",
        "VPCFLOW_INPUTS__S3_PROD__OUTPUTS": "archive",
        "VPCFLOW_INPUTS__S3_PROD__FILTER__INCLUDE": '["srcaddr in 10.0.0.0/8"]',
        "VPCFLOW_OUTPUTS__ARCHIVE__ELASTICSEARCH__HOSTS": "https://other:9200",
        "VPCFLOW_OUTPUTS__ARCHIVE__BULK__MAX_ACTIONS": "9",
        "VPCFLOW_BULK__MAX_ACTIONS": "8",
    }
    found = named(routes(tmp_path, BASE + TWO, environ))
    assert list(found) == ["s3-prod", "all"]
    prod = found["s3-prod"]
    assert prod.match == (QUEUE, "arn:aws:s3:::bucket/*")
    assert list(prod.outputs) == ["archive"]
    archive = prod.outputs["archive"]
    assert (archive.elasticsearch.hosts, archive.bulk.max_actions) == (["https://other:9200"], 9)
    assert archive.filter.include == ["srcaddr in 10.0.0.0/8"]
    assert found["all"].outputs["search"].bulk.max_actions == 8
    assert found["all"].outputs["search"].filter.include == []


def test_inputs_and_outputs_may_stand_in_the_environment_alone() -> None:
    environ = {
        "VPCFLOW_INPUTS__QUEUE__MATCH": QUEUE,
        "VPCFLOW_OUTPUTS__A__ELASTICSEARCH__HOSTS": "https://a:9200",
        "VPCFLOW_OUTPUTS__B__ELASTICSEARCH__HOSTS": "https://b:9200",
    }
    (route,) = load(None, environ).routes
    assert (route.input, list(route.outputs)) == ("queue", ["a", "b"])


def test_secrets_of_outputs_come_by_reference_and_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("of-a-file\n", encoding="utf-8")
    text = f"""
[elasticsearch]
api_key = "env:BASE"
[outputs.a.elasticsearch]
hosts = ["https://a:9200"]
api_key = "file:{tmp_path}/key"
[outputs.b.elasticsearch]
hosts = ["https://b:9200"]
[outputs.c.elasticsearch]
hosts = ["https://c:9200"]
"""
    environ = {"BASE": "of-the-base", "MINE": "of-c", "VPCFLOW_OUTPUTS__C__ELASTICSEARCH__API_KEY": "env:MINE"}
    (route,) = routes(tmp_path, text, environ)
    revealed = {name: one.elasticsearch.api_key.reveal() for name, one in route.outputs.items()}
    assert revealed == {"a": "of-a-file", "b": "of-the-base", "c": "of-c"}
    assert not any(secret in repr(route) for secret in revealed.values())


WRONG = [
    ("[outputs.a.elasticsearch]\nhost = ['x']", "outputs.a.elasticsearch.host: unknown key ({}); did you mean hosts?"),
    ("[outputs.a.bulk]\nmax_actions = 'many'", "outputs.a.bulk.max_actions: expected `int`, got `str` ({})"),
    ("[outputs.a.bulk]\nmax_actions = 0", "outputs.a.bulk.max_actions: expected `int` >= 1 ({})"),
    (
        "[outputs.a.document]\nshape = 'flat'",
        "outputs.a.document.shape: invalid enum value 'flat', not one of ecs, raw ({})",
    ),
    ("[outputs.a.kinesis]\nstream = 'x'", "outputs.a.kinesis: not for outputs ({}); known are bulk,"),
    ("[outputs.a.objects]\nregion = 'x'", "outputs.a.objects: not for outputs ({}); known are bulk,"),
    ("[outputs.a]\nmatch = ['*']", "outputs.a.match: not for outputs ({}); "),
    ("[outputs.a]\nbulk = 3", "outputs.a.bulk: must be a table, [outputs.a.bulk] ({})"),
    ("[outputs]\na = 3", "outputs.a: must be a table, [outputs.a] ({})"),
    ("outputs = 3", "outputs: must be a table, [outputs] ({})"),
    (
        "[outputs.a.elasticsearch]\nusername = 'x'",
        "outputs.a.elasticsearch.username: there is no elasticsearch.password;",
    ),
    ("[outputs.a.elasticsearch]\npassword = 'env:NONE'", "outputs.a.elasticsearch.password: the variable that it names"),
    (
        "[[outputs.a.codec.formats]]\nformat = 'version'\nlog_grup = 'x'",
        "outputs.a.codec.formats[0].log_grup: unknown key; did you mean log_group?",
    ),
    ("[inputs.a]\nmatch = ['*']\n[inputs.a.bulk]\nmax_actions = 1", "inputs.a.bulk: not for inputs ({}); "),
    ("[inputs.a]\nmatch = ['*']\n[inputs.a.filter]\ninclud = []", "inputs.a.filter.includ: unknown key ({}); did you"),
    ("[inputs.a]\nmatch = ['*']\n[inputs.a.limits]\nmax_line_bytes = 'x'", "inputs.a.limits.max_line_bytes: expected `int`"),
    ("[inputs.a]\nmatch = '*'", "inputs.a.match: a list of texts is wanted ({})"),
    ("[inputs.a]\nmatch = ['']", "inputs.a.match: a list of texts is wanted ({})"),
    ("[inputs.a]\nmatch = []", "inputs.a.match: no pattern ({}); give the ARN of a source"),
    ("[inputs.a.document]\ntags = []", "inputs.a.match: no pattern ({}); give the ARN of a source"),
    ("[inputs.a]\nmach = ['*']", "inputs.a.mach: not for inputs ({}); did you mean match?"),
    ("[inputs.a]\nmatch = ['*']\noutputs = ['x']", "inputs.a.outputs: there are no [outputs]"),
    (
        "[inputs.a]\nmatch = ['*']\noutputs = ['serch']\n[outputs.search.bulk]\nmax_actions = 1",
        "inputs.a.outputs: there is no [outputs.serch]; did you mean search?",
    ),
    (
        "[inputs.a]\nmatch = ['*']\noutputs = []\n[outputs.search.bulk]\nmax_actions = 1",
        "inputs.a.outputs: empty; name at least one of search",
    ),
    (
        "[inputs.a]\nmatch = ['x', '*']\n[inputs.b]\nmatch = ['*']",
        "inputs.b.match: * is one of inputs.a already; give it to one",
    ),
    ("[input.a]\nmatch = ['*']", "input: unknown section ({}); did you mean inputs?"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said.partition(":")[0] for _, said in WRONG])
def test_27_what_is_wrong_in_a_table_is_named_with_its_whole_path(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        routes(tmp_path, text)
    assert str(caught.value).startswith(said.format(f"file {tmp_path}/vpcflow.toml"))
    assert caught.value.exit_code == EX_CONFIG
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("VPCFLOW_OUTPUTS__ARCHIVE__BULK__MAX_ACTIONS", "many", "outputs.archive.bulk.max_actions: a whole number is"),
        ("VPCFLOW_OUTPUTS__ARCHIVE__BULK__MAX_ACTIONS", "0", "outputs.archive.bulk.max_actions: expected `int` >= 1 (V"),
        ("VPCFLOW_OUTPUTS__ARCHIVE__BULK", "x", "VPCFLOW_OUTPUTS__ARCHIVE__BULK: unknown setting in the environment; "),
        ("VPCFLOW_OUTPUTS__ARCHIVE__BULK__X", "1", "VPCFLOW_OUTPUTS__ARCHIVE__BULK__X: unknown setting in the envir"),
        ("VPCFLOW_OUTPUTS__ARCHIVE__MATCH", "*", "VPCFLOW_OUTPUTS__ARCHIVE__MATCH: unknown setting in the environ"),
        ("VPCFLOW_INPUTS__ALL__BULK__MAX_ACTIONS", "1", "VPCFLOW_INPUTS__ALL__BULK__MAX_ACTIONS: unknown setting in"),
        ("VPCFLOW_INPUTS__ALL__MATCH", "[1]", "inputs.all.match: a list of texts is wanted (VPCFLOW_INPUTS__ALL__MATCH)"),
        ("VPCFLOW_INPUTS__ALL__MATCH", "[", "inputs.all.match: a list with commas between, or a JSON list, is wanted (VPC"),
        ("VPCFLOW_INPUTS__ALL__OUTPUTS", "serch", "inputs.all.outputs: there is no [outputs.serch]; did you mean search?"),
    ],
)  # fmt: skip
def test_27_what_is_wrong_in_a_variable_is_named(tmp_path: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        routes(tmp_path, BASE + TWO, {name: value})
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", ""),
        ('[outputs.x.elasticsearch]\nhosts = ["http://a:9200/"]', '[outputs.y.elasticsearch]\nhosts = ["http://A:9200"]'),
        ('[outputs.x.index]\nname = "flows"', '[outputs.y.index]\nname = "flows"'),
        ('[outputs.x.index]\nname = "logs-aws.vpcflow-default"', ""),
        ("[outputs.x.document]\nnamespace = 'n'", "[outputs.y.index]\nname = 'logs-aws.vpcflow-n'"),
        ("[outputs.x.elasticsearch]\ncloud_id = 'c:d'", "[outputs.y.elasticsearch]\ncloud_id = 'c:d'"),
    ],
)  # fmt: skip
def test_26_an_input_goes_to_one_index_of_a_cluster_once(tmp_path: Path, one: str, other: str) -> None:
    text = f"[outputs.x.bulk]\nmax_actions = 1\n[outputs.y.bulk]\nmax_actions = 2\n{one}\n{other}\n"
    with pytest.raises(
        ConfigError, match=r"^outputs\.y: goes to the same cluster and index as outputs\.x; leave one out"
    ):
        routes(tmp_path, text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[outputs.x.document]\nnamespace = 'a'", "[outputs.y.document]\nnamespace = 'b'"),
        ("[outputs.x.index]\nname = 'flows'", ""),
        ("[outputs.x.elasticsearch]\nhosts = ['http://a:9200']", "[outputs.y.elasticsearch]\nhosts = ['http://b:9200']"),
        ("[outputs.x.index]\nmode = 'pattern'", ""),
    ],
)  # fmt: skip
def test_26_two_indices_of_one_cluster_are_two_outputs(tmp_path: Path, one: str, other: str) -> None:
    (route,) = routes(tmp_path, f"[outputs.x.bulk]\n[outputs.y.bulk]\n{one}\n{other}\n")
    assert list(route.outputs) == ["x", "y"]


def test_26_two_inputs_may_have_an_index_of_a_cluster_each(tmp_path: Path) -> None:
    text = """
[inputs.a]
match = ["a"]
outputs = ["x"]
[inputs.b]
match = ["b"]
outputs = ["y"]
[outputs.x.bulk]
max_actions = 1
[outputs.y.bulk]
max_actions = 2
"""
    assert {route.input: list(route.outputs) for route in routes(tmp_path, text)} == {"a": ["x"], "b": ["y"]}


def test_an_output_that_is_named_twice_is_one(tmp_path: Path) -> None:
    text = "[inputs.a]\nmatch = ['*']\noutputs = ['x', 'x']\n[outputs.x.bulk]\nmax_actions = 1\n"
    (route,) = routes(tmp_path, text)
    assert list(route.outputs) == ["x"]


def test_the_first_input_that_matches_wins_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = routes(tmp_path, BASE + TWO)
    assert source(found, "arn:aws:sqs:eu-central-1:1:prod-flows") == "s3-prod"
    assert source(found, "arn:aws:sqs:eu-central-1:1:test-flows") == "all"
    turned = TWO[TWO.index("[inputs.all") : TWO.index("[outputs")] + TWO[: TWO.index("[inputs.all")]
    found = routes(tmp_path, BASE + turned + TWO[TWO.index("[outputs") :])
    assert source(found, "arn:aws:sqs:eu-central-1:1:prod-flows") == "all"


@pytest.mark.parametrize(
    ("pattern", "arn", "matches"),
    [
        (QUEUE, QUEUE, True),
        (QUEUE, f"{QUEUE}-dlq", False),
        ("arn:aws:sqs:*:*:flows", QUEUE, True),
        ("arn:*:sqs:*", "arn:aws-cn:sqs:cn-north-1:123456789012:flows", True),
        ("arn:aws:sqs:*", "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:flows", False),
        ("arn:aws-us-gov:sqs:*", "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:flows", True),
        ("arn:aws-cn:s3:::flows/*", "arn:aws-cn:s3:::flows/AWSLogs/1/x.log.gz", True),
        ("arn:aws:s3:::bucket/AWSLogs/123456789012/*", "arn:aws:s3:::bucket/AWSLogs/123456789012/a/b.gz", True),
        ("arn:aws:s3:::bucket/prefix*", "arn:aws:s3:::other/prefix", False),
        ("arn:aws:logs:*:*:log-group:prod-*", "arn:aws:logs:eu-west-1:1:log-group:prod-a", True),
        ("arn:aws:kinesis:*:*:stream/flow?", "arn:aws:kinesis:eu-west-1:1:stream/flows", True),
        ("arn:aws:kinesis:*:*:stream/flow?", "arn:aws:kinesis:eu-west-1:1:stream/flow", False),
        ("arn:aws:s3:::bucket/[a]/*", "arn:aws:s3:::bucket/[a]/x", True),
        ("arn:aws:s3:::bucket/[a]/*", "arn:aws:s3:::bucket/a/x", False),
        ("arn:aws:sqs:*:*:FLOWS", QUEUE, False),
    ],
)
def test_28_a_source_is_told_by_its_arn(tmp_path: Path, pattern: str, arn: str, matches: bool) -> None:  # noqa: FBT001
    found = routes(tmp_path, f"[inputs.a]\nmatch = ['{pattern}']\n")
    assert source(found, arn) == ("a" if matches else None)


def test_routes_are_equal_when_all_is(tmp_path: Path) -> None:
    one, same = routes(tmp_path, BASE + TWO), routes(tmp_path, BASE + TWO)
    assert one == same
    assert one != routes(tmp_path, BASE + TWO + "[outputs.archive.document]\ntags = ['x']\n")
    assert one != "routes"


def test_other_settings_may_stand_in_all_of_them(tmp_path: Path) -> None:
    found = routes(tmp_path, BASE + TWO).changed(lambda _: Settings())
    assert all(one == Settings() for route in found for one in (route.settings, *route.outputs.values()))
    assert [route.input for route in found] == ["s3-prod", "all"]


def test_28_the_first_input_that_names_an_object_or_its_queue_wins(tmp_path: Path) -> None:
    text = """
[inputs.production]
match = ["arn:aws:sqs:*:*:prod-flows"]
[inputs.others]
match = ["*"]
"""
    found = routes(tmp_path, text)
    for queue, wanted in (("prod-flows", "production"), ("elsewhere", "others")):
        route = found.for_source("arn:aws:s3:::bucket/key", f"arn:aws:sqs:eu-west-1:1:{queue}")
        assert route is not None
        assert route.input == wanted
