#!/usr/bin/env python3
"""Is a service well? `healthcheck URL` wants an answer; `healthcheck URL COMPONENT` wants it healthy in Airflow's report."""

import json
import sys
import urllib.request


def main(url: str, component: str = "") -> None:
    """End with 0 when well; any other end means unwell."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
        body = answer.read()
    if component and (status := json.loads(body)[component]["status"]) != "healthy":
        raise SystemExit(f"{component} is {status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
