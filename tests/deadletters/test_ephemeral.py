"""Which storage lasts, told from tables of mounts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from vpcflow.deadletters.ephemeral import check_storage, why_ephemeral
from vpcflow.errors import ConfigError

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 0:30 / / rw,relatime - {root} {root} rw,lowerdir=/a
28 27 0:31 / /dev/shm rw - tmpfs tmpfs rw
29 27 254:1 / /data rw,relatime shared:1 master:2 - ext4 /dev/vdb rw
30 29 0:40 / /data/in\\040memory rw - tmpfs tmpfs rw
31 27 254:2 / {temporary}/volume rw - xfs /dev/vdc rw
32 29 254:3 / /data/twice rw - tmpfs tmpfs rw
33 29 254:3 / /data/twice rw - ext4 /dev/vdd rw
torn line
"""


def mounts(folder: Path, root: str = "overlay") -> Path:
    path = folder / "mountinfo"
    path.write_text(MOUNTS.format(root=root, temporary=Path(tempfile.gettempdir()).resolve()))
    return path


@pytest.mark.parametrize(
    ("path", "root", "words"),
    [
        ("/srv/letters", "overlay", "in the container (overlay)"),
        ("/srv/letters", "aufs", "in the container (aufs)"),
        ("/srv/letters", "ext4", ""),
        ("/dev/shm/letters", "ext4", "in memory (tmpfs)"),  # noqa: S108 - a path in a table
        ("/data/letters", "overlay", ""),
        ("/database/letters", "overlay", "in the container (overlay)"),
        ("/data/in memory/x", "ext4", "in memory (tmpfs)"),
        ("/data/../srv", "overlay", "in the container (overlay)"),
        ("/data/twice/x", "overlay", ""),
        ("{temporary}/letters", "ext4", "in the temporary folder {temporary}"),
        ("{temporary}/volume/letters", "overlay", ""),
    ],
)
def test_why_it_does_not_last(path: str, root: str, words: str, tmp_path: Path) -> None:
    temporary = str(Path(tempfile.gettempdir()).resolve())
    found = why_ephemeral(Path(path.format(temporary=temporary)), mounts(tmp_path, root))
    assert found == words.format(temporary=temporary)


def test_a_link_leads_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/data")
    assert why_ephemeral(tmp_path / "link" / "letters", mounts(tmp_path)) == ""


def test_a_system_without_such_a_table(tmp_path: Path) -> None:
    assert why_ephemeral(Path("/srv"), tmp_path / "none") == ""


def test_the_refusal_names_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_storage(Path("/srv/letters"), {}, accept_loss=False, mounts=mounts(tmp_path))
    assert caught.value.exit_code == 78
    assert str(caught.value).startswith("deadletters.path: /srv/letters is in the container (overlay)")
    for way in ("a mounted volume", "deadletters.kind", "deadletters.accept_loss = true"):
        assert way in str(caught.value)
    check_storage(Path("/srv/letters"), {}, accept_loss=True, mounts=mounts(tmp_path))
    check_storage(Path("/data/letters"), {}, accept_loss=False, mounts=mounts(tmp_path))


def test_a_lambda_may_not_even_accept_the_loss(tmp_path: Path) -> None:
    environ = {"AWS_LAMBDA_FUNCTION_NAME": "forwarder"}
    with pytest.raises(ConfigError, match="a Lambda has no disk that stays"):
        check_storage(Path("/data/letters"), environ, accept_loss=True, mounts=mounts(tmp_path))
