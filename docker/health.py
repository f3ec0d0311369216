"""Health check of the consumer's image: does the consumer's own endpoint say that it is healthy?

It asks at the address that the consumer was told to listen at, `VPCFLOW_METRICS__LISTEN`. Exit code 0: healthy; 1: not, with
the reason on stdout, where `docker inspect` shows it.
"""

# ruff: noqa: INP001, T201 - a script, for people who look at a container

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

_SECONDS = 5.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - what others listen at
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback is never behind a proxy


def main() -> int:
    """Ask, and tell by the exit code."""
    listen = os.environ.get("VPCFLOW_METRICS__LISTEN", "")
    host, colon, port = listen.rpartition(":")
    if not colon:
        print("VPCFLOW_METRICS__LISTEN is empty: nobody can be asked; run the container with --no-healthcheck")
        return 1
    url = f"http://{_EVERYWHERE.get(host, host)}:{port}/healthz"
    try:
        with _DIRECT.open(url, timeout=_SECONDS) as answer:
            print(answer.read().decode(errors="replace").strip())
    except urllib.error.HTTPError as error:
        with error:
            print(error.read().decode(errors="replace").strip())
        return 1
    except (OSError, ValueError) as error:
        print(f"{url}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
