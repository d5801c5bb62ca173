#!/usr/bin/env python3
"""Make the buckets that are missing, with the owner's account; `s3-buckets NAME...`, run at every start."""

import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def main(*names: str) -> None:
    """Make what is missing."""
    client = boto3.client("s3")
    try:
        there = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
        for name in (name for name in names if name not in there):
            client.create_bucket(Bucket=name)
    except (BotoCoreError, ClientError) as error:
        raise SystemExit(f"no buckets at {client.meta.endpoint_url}: {error}") from error


if __name__ == "__main__":
    main(*sys.argv[1:])
