from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

LINE = "2 123456789010 eni-0a 10.0.0.5 10.0.0.9 49152 443 6 20 4249 1418530010 {end} ACCEPT OK"


def lines(count: int) -> bytes:
    return "".join(LINE.format(end=1418530070 + number) + "\n" for number in range(count)).encode()


def payload(*messages: str, group: str = "flows") -> bytes:
    events = [{"id": str(number), "timestamp": 1, "message": text} for number, text in enumerate(messages)]
    value = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": group, "logStream": "s", "logEvents": events}
    return gzip.compress(json.dumps(value).encode())


def test_a_document_a_line_in_input_order(run: Run) -> None:
    ran = run("decode", "-", stdin=lines(1500))
    assert ran.code == 0
    assert len(ran.documents) == 1500
    ends = [document["event"]["end"] for document in ran.documents]
    assert ends == sorted(ends)
    assert ran.documents[0]["source"]["ip"] == "10.0.0.5"
    assert ran.err.splitlines() == [
        "note: stdin: format guessed as v2",
        "1,500 lines, 1,500 documents, 0 control messages, 0 headers, 0 undecodable",
    ]


def test_no_file_means_standard_input(run: Run) -> None:
    assert run("decode", stdin=lines(2)).out == run("decode", "-", stdin=lines(2)).out != ""


def test_old_flows_are_decoded(run: Run) -> None:
    assert run("decode", stdin=lines(1)).documents[0]["@timestamp"].startswith("2014-12-14")


def test_bulk_is_the_body_as_it_is(run: Run) -> None:
    ran = run("decode", "--output", "bulk", stdin=lines(3))
    assert len(ran.documents) == 6
    assert [list(action) for action in ran.documents[0::2]] == [["create"]] * 3
    assert ran.documents[1::2] == run("decode", stdin=lines(3)).documents


def test_payloads_of_all_kinds_from_files(run: Run, tmp_path: Path) -> None:
    control = json.dumps({"messageType": "CONTROL_MESSAGE", "logEvents": []}).encode()
    files = {
        "a.gz": payload(LINE.format(end=1418530070), LINE.format(end=1418530071)),
        "b.json": control,
        "c.log": b"version srcaddr dstaddr end\n2 10.0.0.1 10.0.0.2 1418530070\n",
        "d.ndjson": json.dumps({"message": LINE.format(end=1418530072)}).encode(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    ran = run("decode", *(tmp_path / name for name in files))
    assert ran.code == 0
    assert "6 lines, 4 documents, 1 control message, 1 header, 0 undecodable" in ran.err
    assert ran.documents[2]["source"]["ip"] == "10.0.0.1"


def test_undecodables_are_told_with_their_place(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "flows.log"
    path.write_bytes(
        lines(1) + b"2 1 eni-0a 10.0.0.500 10.0.0.9 1 2 6 1 1 1418530010 1418530070 ACCEPT OK\n" + b"x y\n" * 7
    )
    ran = run("decode", path)
    assert ran.code == 0
    assert len(ran.documents) == 1
    told = ran.err.splitlines()[1:]
    assert told[0] == "9 lines, 1 document, 0 control messages, 0 headers, 8 undecodable"
    assert told[1].startswith(f"  {path}:2: value: column 4, srcaddr: '10.0.0.500' is not")
    assert told[2].startswith(f"  {path}:3: format: 2 columns fit no known format")
    assert told[6] == "  … and 3 more"


def test_strict_is_65_where_something_was_undecodable(run: Run) -> None:
    assert run("decode", "--strict", stdin=lines(2)).code == 0
    ran = run("decode", "--strict", stdin=lines(2) + b"x y z\n")
    assert (ran.code, len(ran.documents)) == (65, 2)


def test_damaged_gzip_is_told_of_the_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(payload(LINE.format(end=1418530070))[:-9])
    ran = run("decode", "--strict", path)
    assert ran.code == 65
    assert f"  {path}: gzip: gzip member 1 is cut off" in ran.err


@pytest.mark.parametrize("form", ["${version} ${srcaddr} ${dstaddr} ${end}", "version srcaddr dstaddr end"])
def test_a_format_of_ones_own(run: Run, form: str) -> None:
    ran = run("decode", "--format", form, stdin=b"3 10.0.0.1 10.0.0.2 1418530070\n")
    assert ran.documents[0]["destination"]["ip"] == "10.0.0.2"
    assert "guessed" not in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "version srcadr"], "--format: unknown field 'srcadr' in the format\n"),
        (["--format", ""], "--format: the format is empty\n"),
        (["--format", "version version"], "--format: the format names version more than once\n"),
    ],
)
def test_bad_formats_are_one_line_and_64(run: Run, arguments: list[str], message: str) -> None:
    ran = run("decode", *arguments)
    assert (ran.code, ran.out, ran.err) == (64, "", f"vpcflow: {message}")


def test_two_formats_are_wrong_usage(run: Run) -> None:
    ran = run("decode", "--format", "v2", "--format", "v5")
    assert (ran.code, ran.out, ran.err.count("\n")) == (64, "", 1)
    assert "--format: given more than once" in ran.err


def test_a_missing_file_is_66_before_anything_is_written(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "flows.log"
    path.write_bytes(lines(1))
    ran = run("decode", path, tmp_path / "none.log")
    said = (
        f"vpcflow: {tmp_path}/none.log: No such file or directory; give the path of a file, or - for standard input\n"
    )
    assert (ran.code, ran.out, ran.err) == (66, "", said)


def test_a_folder_is_66(run: Run, tmp_path: Path) -> None:
    ran = run("decode", tmp_path)
    assert (ran.code, ran.err.count("\n")) == (66, 1)


def test_shape_and_original(run: Run) -> None:
    (raw,) = run("decode", "--document", "raw", stdin=lines(1)).documents
    assert raw["message"] == LINE.format(end=1418530070)
    assert "source" not in raw
    (ecs,) = run("decode", "--event-original", stdin=lines(1)).documents
    assert ecs["event"]["original"] == LINE.format(end=1418530070)


def test_settings_are_used(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[document]\nnamespace = "prod"\n[codec]\nexclude_log_groups = ["other"]\n')
    (document,) = run("decode", "--settings", path, stdin=lines(1)).documents
    assert document["data_stream"]["namespace"] == "prod"
    ran = run("decode", "--settings", path, stdin=payload(LINE.format(end=1), group="other"))
    assert ran.out == ""
    assert "1 skipped" in ran.err
    assert run("decode", stdin=lines(1), VPCFLOW_SETTINGS=str(path)).documents == [document]


def test_nothing_in_nothing_out(run: Run) -> None:
    ran = run("decode")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "0 lines, 0 documents, 0 control messages, 0 headers, 0 undecodable\n"
