"""The origin of a caption, and the models trained on an image."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipeline.core.environment import Home
from pipeline.core.errors import ModelNotFound, SettingsError
from pipeline.model.model_uri import ModelUri
from pipeline.registry.journal import Entry, Journal
from pipeline.registry.lineage import ACCEPTED_TAG, Exposed, Lineage
from pipeline.registry.promotions import GATE_TAG, JUDGED_AGAINST_TAG, VERDICT_DIGEST_TAG, VERDICT_TAG
from pipeline.registry.versions import Registry, Version
from pipeline.storage.name_matching import match_names
from pipeline.storage.stage_outputs import Store
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import CORRECTED
from pipeline.storage.tables.schema import one_of
from pipeline.storage.tables.usage import usage_of, written_by

Row = dict[str, Any]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_COLUMNS = [
    *("image", "etag", "sha256", "status", "reason", "caption", "score", "source", "withdrawn", "captioned_at"),
    *("model_name", "model_version", "engine", "night", "run", "who"),
]
_VERDICT = {"gate": GATE_TAG, "reason": VERDICT_TAG, "digest": VERDICT_DIGEST_TAG, "against": JUDGED_AGAINST_TAG}


@dataclass(frozen=True)
class Tracer:
    """Follows images through a table of captions, the outputs of trainings and the registry."""

    home: Home
    table: CaptionTable

    def trace(self, image: str) -> dict[str, Any]:
        """The captions of an image, and the models trained on it; SettingsError if the image is nowhere.

        It is given by its address or name, as the table or a training has it, or by the SHA-256 of its bytes.

        Returns:
            JSON: `image`; `captions`, its rows of the table, the newest first, each with the `model` that wrote it (MLflow
            run, snapshot, verdict, promotions), null for a person; `trained`, the models whose snapshot lists it, or that
            continue such a model (`through`), each with its `splits` there, whether validation `accepted` it (null if not
            known any more), and the number of captions that the model published, by `nights`.
        """
        names = frozenset({image} if "://" in image else {image, str(Path(image).absolute())})
        rows = self._rows(image, names)
        digests = {row["sha256"] for row in rows if row["sha256"]} | ({image} if _DIGEST.fullmatch(image) else set())
        listed = self._listed(names, digests)
        if not rows and not listed:
            matched = match_names([image], self.table.images(), (self.home.input,))
            if image in matched.found:
                return self.trace(matched.found[image])
            raise SettingsError(
                f"nothing is known of {matched.unknown_named()}: it is in no row of table {self.table.uri}, and in none of the "
                f"{len(self._snapshots)} snapshots in {self.home.store}; name it as one of them does, or by its SHA-256"
            )
        return {"image": image, "captions": [self._with_model(row) for row in rows], "trained": self._trained(listed)}

    def captions_of(self, traced: dict[str, Any]) -> Iterator[Row]:
        """Every published caption of the models trained on a traced image, night by night."""
        models = [(each["name"], each["version"]) for each in traced["trained"] if each["nights"]]
        for batch in self.table.batches(written_by(models), _COLUMNS) if models else ():
            yield from map(_plain, batch.to_pylist())

    def _rows(self, image: str, names: Collection[str]) -> list[Row]:
        wanted = pc.field("sha256") == image if _DIGEST.fullmatch(image) else one_of("image", names)
        return list(self.table.newest_first(wanted, _COLUMNS).to_pylist())

    def _with_model(self, row: Row) -> Row:
        name, number = row["model_name"], row["model_version"]
        if not name or not number:
            return _plain(row) | {"model": None}
        try:
            return _plain(row) | {"model": self._model(self._registry.version(str(ModelUri(name, number))))}
        except ModelNotFound:
            return _plain(row) | {"model": {"name": name, "version": number, "registered": False}}

    def _model(self, version: Version) -> dict[str, Any]:
        snapshot, number = self._lineage.trained_on(version), version.version
        entries = (each for each in self._entries if each.model == version.name)
        return {
            "name": version.name,
            "version": number,
            "registered": True,
            "aliases": list(version.aliases),
            "bundle": version.digest,
            "mlflow_run": version.run_id or None,
            "snapshot": str(snapshot) if snapshot else None,
            "verdict": {key: version.tags[tag] for key, tag in _VERDICT.items() if tag in version.tags} or None,
            "promotions": [_entry(each) for each in entries if number in {each.origin, each.target}],
        }

    def _trained(self, listed: dict[Path, list[Row]]) -> list[dict[str, Any]]:
        """The versions that come from some snapshots, or continue one that does."""
        versions = self._registry.versions() if listed else []
        splits = {folder: {row["split"] for row in rows} for folder, rows in listed.items()}
        exposed = self._lineage.exposed(versions, splits)
        usage = usage_of(self.table, [(each.version.name, each.version.version) for each in exposed])
        return [
            self._model(each.version)
            | {
                "splits": sorted(each.splits),
                "through": [str(before.uri) for before in each.through],
                "accepted": self._is_accepted(each, listed),
                "nights": usage[each.version.name, each.version.version],
            }
            for each in exposed
        ]

    def _listed(self, names: Collection[str], digests: Collection[str]) -> dict[Path, list[Row]]:
        """The rows of an image in each snapshot that lists it."""
        addresses = {*names, *(f"{CORRECTED}{name}" for name in names)}
        wanted = one_of("image", addresses) | one_of("uri", addresses) | one_of("sha256", digests)
        return {folder: rows for folder in self._snapshots if (rows := _read(folder, wanted))}

    def _is_accepted(self, exposed: Exposed, listed: dict[Path, list[Row]]) -> bool | None:
        """Whether validation accepted the image for the version, or for one that it continues."""
        answers = [
            self._accepts(each, rows)
            for each in (exposed.version, *exposed.through)
            if (rows := listed.get(self._lineage.trained_on(each) or Path()))
        ]
        return next((answer for answer in (True, None) if answer in answers), False)

    def _accepts(self, version: Version, listed: list[Row]) -> bool | None:
        folder = self._lineage.trained_on(version, ACCEPTED_TAG)
        if folder is None or not folder.is_dir():
            return None
        return bool(_read(folder, one_of("image", {row["image"] for row in listed})))

    @cached_property
    def _registry(self) -> Registry:
        return Registry(self.home)

    @cached_property
    def _entries(self) -> list[Entry]:
        return list(Journal.of(self.home).entries())

    @cached_property
    def _lineage(self) -> Lineage:
        return Lineage(Store(self.home.store))

    @cached_property
    def _snapshots(self) -> list[Path]:
        return [folder for folder in self._lineage.inputs if folder.parent.name == "snapshot"]


def _read(folder: Path, wanted: ds.Expression) -> list[Row]:
    """Rows of some images in a snapshot, or in its accepted data."""
    columns = ["image", "uri", "sha256", "split"]
    return list(pq.read_table(folder / "images.parquet", columns=columns, filters=wanted).to_pylist())


def _plain(row: Row) -> Row:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def _entry(entry: Entry) -> dict[str, Any]:
    shown = {"number", "action", "origin", "target", "who", "why", "when", "verdict"}
    return entry.model_dump(mode="json", by_alias=True, include=shown)
