"""Downloading and preparing a TensorFlow dataset once, which `TfdsSource` itself never does."""

from __future__ import annotations

import logging
import shutil
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.core.errors import ObjectUnavailable, SettingsError
from pipeline.data.sources.tfds import data_root, prepared_folder

log = logging.getLogger(__name__)

_NETWORK_TIMEOUT_S = 30.0  # for a host's first answer


def is_prepared(dataset: str, data_dir: Path | None) -> bool:
    """Whether a version of `name[/config][:version]` lies prepared below a data folder."""
    try:
        return prepared_folder(dataset, data_dir).is_dir()
    except SettingsError:
        return False


def check_download(dataset: str, data_dir: Path | None, disk_bytes: float) -> None:
    """Check that a download of `name[/config][:version]` can begin, before anybody waits for it.

    `disk_bytes` are for the archives, their contents and the prepared files.
    """
    import tensorflow_datasets as tfds

    root = data_root(data_dir)
    try:
        builder = tfds.builder(dataset, data_dir=root)
    except ValueError as error:
        raise SettingsError(f"source.dataset is {dataset!r}, which TensorFlow Datasets does not know") from error
    for host, url in sorted({urlsplit(url).netloc: url for url in builder.url_infos}.items()):
        _require_host(host, url, dataset, root)
    _require_disk(root, disk_bytes)


def prepare_dataset(dataset: str, data_dir: Path | None) -> Path:
    """Download and prepare a dataset unless it is prepared; the folder of its version."""
    import tensorflow_datasets as tfds

    if not is_prepared(dataset, data_dir):
        root = data_root(data_dir)
        log.info("downloading and preparing %s in %s", dataset, root)
        try:
            tfds.builder(dataset, data_dir=root).download_and_prepare()
        except Exception as error:  # TFDS raises whatever its parts raise
            raise ObjectUnavailable(
                f"preparing {dataset} in {root} failed: {' '.join(str(error).split())[:300]}; "
                "run it again, which keeps what was downloaded"
            ) from error
    return prepared_folder(dataset, data_dir)


def _require_host(host: str, url: str, dataset: str, root: Path) -> None:
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 TFDS' own addresses
    try:
        with urllib.request.urlopen(request, timeout=_NETWORK_TIMEOUT_S):  # noqa: S310
            return
    except OSError as error:
        raise ObjectUnavailable(
            f"{dataset} is not prepared in {root}, and {host} cannot be reached to download it ({error}); "
            "connect this machine to the network, or name a folder with the prepared dataset with --data-dir"
        ) from error


def _require_disk(root: Path, needed: float) -> None:
    there = next(folder for folder in (root, *root.parents) if folder.is_dir())
    begun = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    free = shutil.disk_usage(there).free
    if free + begun < needed:
        raise SettingsError(
            f"{there} has {free / 1e9:.0f} GB free, and the download with all it is unpacked to needs "
            f"{needed / 1e9:.0f} GB; name a larger disk with --data-dir"
        )
