"""Where MLflow's client may go for artifacts: whoever registers a version or makes a run writes their addresses."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from pipeline.core.errors import BundleRejected
from pipeline.core.redaction import masked, without_user

AZURE_DOMAINS = (".core.windows.net", ".core.chinacloudapi.cn", ".core.usgovcloudapi.net", ".fabric.microsoft.com")
REFUSED_SCHEMES = ("ftp", "sftp", "hdfs", "viewfs")


def keep_to_own_hosts() -> None:
    """Have MLflow's client refuse an address at another host, before it sends our password or token there.

    From then on, a use of such an address raises `BundleRejected`. HTTP is let through to the tracking server alone.
    """
    from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry as repositories
    from mlflow.store.artifact.azure_data_lake_artifact_repo import AzureDataLakeArtifactRepository
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    def of_server(uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> Any:
        _require_server(uri, tracking_uri)
        return HttpArtifactRepository(uri, tracking_uri, registry_uri)  # type: ignore[no-untyped-call]

    def through_server(uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> Any:
        if urlsplit(uri).netloc:
            _require_server(uri, tracking_uri)
        return MlflowArtifactsRepository(uri, tracking_uri, registry_uri)

    def of_azure(uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> Any:
        host = urlsplit(uri).netloc.lower()
        if not (host.endswith(AZURE_DOMAINS) and re.fullmatch(r"[\w$.@-]+", host)):
            raise _refused(uri, f"Azure's hosts end in {', '.join(AZURE_DOMAINS)}")
        return AzureDataLakeArtifactRepository(uri, tracking_uri, registry_uri)

    for scheme in ("http", "https"):
        repositories.register(scheme, of_server)  # type: ignore[no-untyped-call]
    repositories.register("mlflow-artifacts", through_server)  # type: ignore[no-untyped-call]
    repositories.register("abfss", of_azure)  # type: ignore[no-untyped-call]
    for scheme in REFUSED_SCHEMES:
        repositories.register(scheme, _refuse)  # type: ignore[no-untyped-call]


def _require_server(uri: str, tracking_uri: str | None) -> None:
    import mlflow

    address, server = urlsplit(uri), urlsplit(tracking_uri or mlflow.get_tracking_uri())
    # Compared as written: parsers disagree on the host of `https://evil\@server`.
    port = {"http": ":80", "https": ":443"}.get(server.scheme, "")
    hosts = {_host(server.netloc, port), _host(server.netloc.rpartition("@")[2], port)}
    if address.scheme not in ("mlflow-artifacts", server.scheme) or _host(address.netloc, port) not in hosts:
        raise _refused(uri, "files over HTTP are fetched from the tracking server alone")


def _host(written: str, usual_port: str) -> str:
    return written.lower().removesuffix(usual_port)


def _refuse(uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> Any:
    raise _refused(uri, f"addresses by {', '.join(REFUSED_SCHEMES)} are not used")


def _refused(uri: str, why: str) -> BundleRejected:
    return BundleRejected(
        f"MLflow names {masked(without_user(uri))!r} as the place of these files; {why}. "
        "Register the model anew, with its files in the artifact store of MLflow, or remove the run that names them; "
        "if MLflow has two names, set MLFLOW_TRACKING_URI to that which it names"
    )
