"""MLflow: runs, versions and aliases."""

from __future__ import annotations

import io
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected, ModelNotFound
from pipeline.model.interface import EXTERNAL, PinnedModel
from pipeline.model.model_uri import ModelUri
from pipeline.registry.connection import answering, prepare_client, shown_uri
from pipeline.registry.last_known import forget
from pipeline.registry.sqlite import create_database
from pipeline.storage.files import creating_folder

log = logging.getLogger(__name__)

CHAMPION, CHALLENGER = "champion", "challenger"
DIGEST_TAG, ENGINE_TAG, CIDER_TAG, TEST_TAG = "bundle_digest", "engine", "test_cider_d", "test_digest"
REMOVED_TAG = "files_removed"  # when; what is known of the version stays
NOTE_TAG = "mlflow.note.content"  # what MLflow shows as a run's description
_NOTE = "registered_model_meta"  # MLflow adds it to what it downloads
_MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")

_T = TypeVar("_T")


@dataclass(frozen=True)
class Version:
    """A registered version.

    Attributes:
        name: the registered model.
        version: a number, as a string.
        run_id: the MLflow run that made it.
        aliases: such as `champion`.
        tags: digest, engine and scores.
        created_ms: milliseconds since 1970, UTC.
    """

    name: str
    version: str
    run_id: str
    aliases: tuple[str, ...]
    tags: dict[str, str]
    created_ms: int

    @property
    def uri(self) -> ModelUri:
        """Its address by number."""
        return ModelUri(self.name, self.version)

    @property
    def digest(self) -> str | None:
        """SHA-256 of its bundle or files; None if Nightcap neither registered nor checked it."""
        return self.tags.get(DIGEST_TAG)

    @property
    def is_external(self) -> bool:
        """Whether others made it, and a person named it as a captioner."""
        return self.tags.get(ENGINE_TAG) == EXTERNAL


class Registry:
    """The model registry that `home.tracking_uri` names.

    Every method raises `RegistryUnavailable` when MLflow does not answer.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        prepare_client(home)
        with answering(home):
            import mlflow

            create_database(home.tracking_uri, home.artifacts)
            mlflow.set_tracking_uri(home.tracking_uri)
            self._client = mlflow.MlflowClient(home.tracking_uri)

    def answering(self) -> AbstractContextManager[None]:
        """Around other calls of MLflow: what goes wrong there becomes `RegistryUnavailable`."""
        return answering(self._home)

    def resolve(self, uri: str) -> PinnedModel:
        """Pin `models:/name@alias` or `models:/name/version` to one version.

        Raises:
            SettingsError: the URI has another form.
            ModelNotFound: there is no such version, or its files were removed.
            BundleRejected: the version carries no digest, so Nightcap did not register it.
        """
        version = self.version(uri)
        if REMOVED_TAG in version.tags:
            raise ModelNotFound(f"the files of {uri} were removed on {version.tags[REMOVED_TAG]}; train it again")
        if version.digest is None:
            raise BundleRejected(
                f"{uri} is version {version.version} without a {DIGEST_TAG} tag; Nightcap did not register it. If it is an "
                f"external captioner that you trust to run here, name it: nightcap models external {uri}"
            )
        engine = version.tags.get(ENGINE_TAG, "")
        return PinnedModel(version.name, version.version, version.digest, engine, str(version.uri))

    def version(self, uri: str) -> Version:
        """What `models:/name@alias` or `models:/name/version` stands for, whoever registered it.

        Raises:
            SettingsError: the URI has another form.
            ModelNotFound: there is no such version.
        """
        address = ModelUri.parse(uri)
        if address.alias:
            return _version(
                self._find(address, lambda: self._client.get_model_version_by_alias(address.name, address.alias))
            )
        return _version(self._find(address, lambda: self._client.get_model_version(address.name, address.version)))

    def champion(self, name: str) -> PinnedModel | None:
        """The version that the alias names, or None; which one captions is for `pipeline.registry.promotions` to say."""
        try:
            return self.resolve(str(ModelUri(name, alias=CHAMPION)))
        except ModelNotFound:
            return None

    def aliased(self, name: str, alias: str) -> str | None:
        """The number of the version that an alias names, if any."""
        try:
            return self.version(str(ModelUri(name, alias=alias))).version
        except ModelNotFound:
            return None

    def download(self, uri: str, part: str, target: Path) -> None:
        """Copy a folder of what a version holds, or `.` for all of it, to `target`, atomically.

        Raises:
            BundleRejected: the version holds no such folder.
        """
        with tempfile.TemporaryDirectory() as scratch, self.answering():
            import mlflow

            model = Path(mlflow.artifacts.download_artifacts(uri, dst_path=scratch))
            (model / _NOTE).unlink(missing_ok=True)
            if not (model / part).is_dir():
                raise BundleRejected(f"{uri} holds no folder {part}; register it anew")
            with creating_folder(target) as folder:
                shutil.copytree(model / part, folder, dirs_exist_ok=True, symlinks=True)

    def versions(self, name: str | None = None) -> list[Version]:
        """Registered versions, the newest first, of one model or of all."""
        with self.answering():
            query = f"name='{name}'" if name else ""
            found = list(_pages(lambda token: self._client.search_model_versions(query, page_token=token)))
            # A search leaves aliases out, so each is asked for by itself.
            whole = [self._client.get_model_version(item.name, item.version) for item in found]
        versions = [_version(item) for item in whole]
        return sorted(versions, key=lambda item: (item.name, -int(item.version)))

    def with_digest(self, name: str, digest: str) -> Version | None:
        """The version that already holds this bundle, if any."""
        held = (each for each in reversed(self.versions(name)) if REMOVED_TAG not in each.tags)
        return next((each for each in held if each.digest == digest), None)

    def create(self, name: str, model_uri: str, tags: dict[str, str], description: str) -> Version:
        """Register a logged model, its tags with it, so that no version ever lacks its digest; then describe it."""
        with self.answering(), redirect_stderr(io.StringIO()):  # it prints that it succeeded
            import mlflow

            created = mlflow.register_model(model_uri, name, tags=tags)
            self._client.update_model_version(name, created.version, description)
            return _version(self._client.get_model_version(name, created.version))

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version; what it stood for before is no night's last known version any more."""
        forget(self._home, str(ModelUri(name, alias=alias)))
        with self.answering():
            self._client.set_registered_model_alias(name, alias, version)

    def tag(self, name: str, version: str, tags: dict[str, str]) -> None:
        """Put tags on a version."""
        with self.answering():
            for key, value in tags.items():
                self._client.set_model_version_tag(name, version, key, value)

    def tags(self, pinned: PinnedModel) -> dict[str, str]:
        """The tags of a version."""
        return dict(
            self._find(
                ModelUri.parse(pinned.uri), lambda: self._client.get_model_version(pinned.name, pinned.version)
            ).tags
        )

    def tag_model(self, name: str, tags: dict[str, str]) -> None:
        """Put tags on a registered model, all its versions together."""
        with self.answering():
            for key, value in tags.items():
                self._client.set_registered_model_tag(name, key, value)

    def model_tags(self, name: str) -> dict[str, str]:
        """The tags of a registered model; none where there is no such model."""
        try:
            return dict(self._find(ModelUri(name), lambda: self._client.get_registered_model(name)).tags)
        except ModelNotFound:
            return {}

    def log_files(self, pinned: PinnedModel, folder: Path, place: str) -> None:
        """Add the files of a folder to the run that made a version."""
        with self.answering():
            self._client.log_artifacts(self._run_of(pinned), str(folder), place)

    def page(self, pinned: PinnedModel, artifact: str = "") -> str | None:
        """The address in a browser of the run that made a version, or of a file there; None where no server shows it."""
        if not self._home.mlflow_page:
            return None
        with self.answering():
            run_id = self._run_of(pinned)
        return self.run_page(run_id, artifact)

    def run_page(self, run_id: str, artifact: str = "") -> str | None:
        """The address in a browser of a run, or of a file there; None where no server shows it."""
        if not self._home.mlflow_page:
            return None
        with self.answering():
            run = self._client.get_run(run_id).info
        path = f"/artifactPath/{artifact}" if artifact else ""
        return f"{self._home.mlflow_page}/#/experiments/{run.experiment_id}/runs/{run.run_id}{path}"

    def read_file(self, pinned: PinnedModel, path: str) -> str | None:
        """A text file of the run that made a version, if it has it."""
        with tempfile.TemporaryDirectory() as scratch, self.answering():
            run = self._run_of(pinned)
            there = {item.path for item in self._client.list_artifacts(run, str(Path(path).parent))}
            if path not in there:
                return None
            return Path(self._client.download_artifacts(run, path, scratch)).read_text(encoding="utf-8")

    def _run_of(self, pinned: PinnedModel) -> str:
        return str(self._client.get_model_version(pinned.name, pinned.version).run_id)

    def experiment(self, name: str) -> str:
        """The id of an experiment, made if it is missing.

        Without a server the artifacts lie in the store; with one, where the server puts them.
        """
        with self.answering():
            found = self._client.get_experiment_by_name(name)
            if found is not None:
                return str(found.experiment_id)
            location = None if self._home.tracking_uri.startswith("http") else self._home.artifacts.as_uri()
            return str(self._client.create_experiment(name, artifact_location=location))

    def runs_tagged(self, tag: str) -> list[str]:
        """The ids of the runs of all experiments that have a tag."""
        with self.answering():
            client = self._client
            experiments = [
                found.experiment_id for found in _pages(lambda token: client.search_experiments(page_token=token))
            ]
            found = _pages(lambda token: client.search_runs(experiments, f"tags.{tag} != ''", page_token=token))
            return [str(run.info.run_id) for run in found]

    def _find(self, uri: ModelUri, find: Callable[[], Any]) -> Any:
        from mlflow.exceptions import MlflowException

        with self.answering():
            try:
                return find()
            except MlflowException as error:
                refused = error.error_code == "PERMISSION_DENIED"
                if error.error_code in _MISSING or (refused and not self._is_registered(uri.name)):
                    known = ", ".join(f"{item.name}/{item.version}" for item in self.versions()[:5])
                    advice = f"registered: {known}" if known else "make one with `nightcap train` or `make run`"
                    raise ModelNotFound(f"no model at {uri} in {shown_uri(self._home)}; {advice}") from error
                raise

    def _is_registered(self, name: str) -> bool:
        """An MLflow with accounts does not say that a model is missing: it refuses."""
        return bool(self._client.search_registered_models(f"name='{name}'", max_results=1))


def _version(item: Any) -> Version:
    tags = {str(key): str(value) for key, value in item.tags.items()}
    return Version(
        item.name, str(item.version), item.run_id or "", tuple(item.aliases), tags, int(item.creation_timestamp)
    )


def _pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    token: str | None = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return
