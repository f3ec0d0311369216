"""Write the parts of the documentation that are made of code:  python docs/build.py [--check]

--check writes nothing and exits with 1 when a page is stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from vpcflow.codec.reference import field_table, preset_table
from vpcflow.metrics.reference import metric_table
from vpcflow.settings.reference import configuration_page

DOCS = Path(__file__).parent


def _filled(page: Path, parts: dict[str, Callable[[], str]]) -> str:
    text = page.read_text(encoding="utf-8")
    for name, make in parts.items():
        block = f"<!-- {name} -->\n{make()}<!-- end of {name} -->"
        text, count = re.subn(rf"<!-- {name} -->.*?<!-- end of {name} -->", lambda _, b=block: b, text, flags=re.DOTALL)
        if count != 1:
            sys.exit(f"docs/{page.name}: the part {name!r} stands there {count} times, not once")
    return text


def pages() -> dict[Path, str]:
    """Return each page that is made of code, with what it should hold."""
    mapping, metrics = DOCS / "mapping.md", DOCS / "metrics.md"
    return {
        DOCS / "configuration.md": configuration_page(),
        mapping: _filled(mapping, {"field table": field_table, "preset table": preset_table}),
        metrics: _filled(metrics, {"metric table": metric_table}),
    }


def main() -> int:
    """Write or check."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--check" in sys.argv:
            sys.stderr.write(f"{path.relative_to(DOCS.parent)} is stale: run python docs/build.py\n")
        else:
            path.write_text(pages()[path], encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
