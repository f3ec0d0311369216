from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

LINE = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"


def vpcflow(*arguments: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "vpcflow", *arguments], input=stdin, capture_output=True, check=False,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("VPCFLOW_")}, "NO_COLOR": "1", **environ},
    )  # fmt: skip


def test_decode_strict_exits_with_65() -> None:
    assert vpcflow("decode", "--strict", stdin=b"nonsense\n").returncode == 65
    assert vpcflow("decode", "--strict", stdin=LINE.encode()).returncode == 0


def test_decode_bulk_is_a_body_for_bulk(tmp_path: Path) -> None:
    path = tmp_path / "flows.log.gz"
    path.write_bytes(gzip.compress(f"{LINE}\n{LINE}\n".encode()))
    done = vpcflow("decode", "--output", "bulk", str(path))
    rows = [json.loads(one) for one in done.stdout.splitlines()]
    assert [sorted(row) for row in rows[::2]] == [["create"], ["create"]]
    assert rows[0]["create"]["_id"] != rows[2]["create"]["_id"]
    assert vpcflow("decode", "--output", "bulk", "-", stdin=path.read_bytes()).stdout == done.stdout


def test_decode_takes_a_format_and_a_shape() -> None:
    done = vpcflow(
        "decode", "--format", "${version} ${srcaddr} ${end}", "--document", "raw", stdin=b"2 10.0.0.1 1418530070\n"
    )
    [document] = map(json.loads, done.stdout.splitlines())
    assert document["message"] == "2 10.0.0.1 1418530070"
    assert document["@timestamp"] == "2014-12-14T04:07:50.000Z"


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m vpcflow generate --out - --output text --events 20000 | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"2 123456789012 eni-")


def test_settings_show_values_and_origins_and_hide_secrets(tmp_path: Path) -> None:
    path = tmp_path / "vpcflow.toml"
    path.write_text('[elasticsearch]\napi_key = "abcdef"\n', encoding="utf-8")
    done = vpcflow("settings", VPCFLOW_SETTINGS=str(path), VPCFLOW_BULK__MAX_ACTIONS="77")
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "abcdef" not in text
    [key] = [one for one in text.splitlines() if one.startswith("api_key")]
    assert '"***"' in key
    assert str(path) in key
    [most] = [one for one in text.splitlines() if one.startswith("max_actions")]
    assert "77" in most
    assert "VPCFLOW_BULK__MAX_ACTIONS" in most


def test_setup_prints_the_template_without_asking_anybody() -> None:
    body = json.loads(vpcflow("setup", "--template", "--dry-run").stdout)
    assert body["index_patterns"] == ["logs-aws.vpcflow-default"]
    assert body["data_stream"] == {}
    properties = body["template"]["mappings"]["properties"]
    assert properties["source"]["properties"]["ip"]["type"] == "ip"
    assert properties["network"]["properties"]["bytes"]["type"] == "long"


def test_setup_against_nobody_asks_to_try_again() -> None:
    done = vpcflow("setup", "--template", VPCFLOW_ELASTICSEARCH__HOSTS="http://127.0.0.1:9")
    assert done.returncode == 75
    assert b"127.0.0.1:9" in done.stderr


def test_doctor_says_what_is_wrong_and_what_to_do() -> None:
    done = vpcflow("doctor", VPCFLOW_ELASTICSEARCH__HOSTS="http://127.0.0.1:9")
    text = done.stdout.decode()
    assert done.returncode == 78
    assert "kinesis.stream is not set" in text
    assert "→ name the Kinesis data stream" in text
    assert "cluster: " in text


def test_help_shows_examples_and_starts_without_the_client() -> None:
    done = vpcflow("decode", "--help")
    assert b"vpcflow decode payload.gz" in done.stdout
    code = "import sys, vpcflow.cli.main; print(sorted({'boto3','elasticsearch','amazon_kclpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"


def test_generated_logs_decode_as_the_manifest_says(tmp_path: Path) -> None:
    assert vpcflow("generate", "--out", str(tmp_path), "--events", "800", "--broken", "0.02").returncode == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    files = sorted(str(one) for one in tmp_path.glob("payload-*.gz"))
    done = vpcflow("decode", "--output", "bulk", *files)
    ids = {json.loads(one)["create"]["_id"] for one in done.stdout.splitlines()[::2]}
    assert len(ids) == manifest["documents"]
    assert len(done.stdout.splitlines()) // 2 == manifest["documents"] + manifest["duplicates"]
    assert f"{len(manifest['broken_lines'])} undecodable" in done.stderr.decode()
