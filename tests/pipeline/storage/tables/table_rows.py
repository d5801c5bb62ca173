"""Rows of caption tables, and what tables hold."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

from pipeline.storage.tables import SCHEMA

START = datetime(2025, 1, 1, tzinfo=UTC)


def row(image, **values):
    return {
        "image": image,
        "etag": "e1",
        "status": "captioned",
        "caption": f"an image of {image}",
        "alternatives": [],
        "score": -1.0,
        "source": "model",
        "model_name": "captioner",
        "model_version": "1",
        "night": "n1",
        "run": "r1",
        "captioned_at": START,
        "withdrawn": False,
    } | values


def quarantined(image, reason, **values):
    return row(image, status="quarantined", reason=reason, caption=None) | values


def later(days=1, **values):
    return {"captioned_at": START + timedelta(days=days), **values}


def rows(*values):
    return pa.Table.from_pylist(list(values), schema=SCHEMA)


def images(table):
    return sorted(DeltaTable(table.uri).to_pyarrow_table()["image"].to_pylist())


def current(table):
    values = DeltaTable(table.current_uri).to_pyarrow_table().to_pylist()
    return {each["image"]: each["caption"] for each in values}


def files(uri):
    return sorted(path.name for path in Path(uri).glob("*.parquet"))


def keys(batches):
    return {tuple(key.values()) for batch in batches for key in batch.to_pylist()}
