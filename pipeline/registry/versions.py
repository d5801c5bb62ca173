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
from pipeline.core.imports import lean_import
from pipeline.model.interface import EXTERNAL, PinnedModel
from pipeline.model.model_uri import ModelUri
from pipeline.registry.artifact_hosts import keep_to_own_hosts
from pipeline.registry.connection import answering, prepare_client, shown_uri
from pipeline.registry.last_known import forget
from pipeline.registry.sqlite import create_database
from pipeline.storage.files import creating_folder

log = logging.getLogger(__name__)

CHAMPION, CHALLENGER = "champion", "challenger"
DIGEST_TAG, ENGINE_TAG, CIDER_TAG, TEST_TAG = "bundle_digest", "engine", "test_cider_d", "test_digest"
REVIEWS_TAG = "reviews"
REMOVED_TAG = "files_removed"  # when; what is known of the version stays
NOTE_TAG = "mlflow.note.content"  # what MLflow shows as the description of a run or an experiment
_MACHINE_LEARNING = {"mlflow.experimentKind": "custom_model_development"}  # else MLflow may show pages for chatbots
TRAININGS_NOTE = (
    "Trainings of Nightcap: a run for each registered version, with its scores (fractions; pages show them times 100), "
    "samples, Data Docs and the gate's verdict. Data that were rejected are failed runs."
)
_MODEL = (
    "Captions photographs. The alias `champion` is the version that nights caption with, `challenger` the last one that "
    "was trained. The promotion journal decides, not the alias: `nightcap models journal`."
)
_NOTE = "registered_model_meta"  # MLflow adds it to what it downloads
_MISSING = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")

_T = TypeVar("_T")


@dataclass(frozen=True)
class Version:
    """A registered version."""

    name: str
    version: str  # a number
    run_id: str  # the MLflow run that made it; may be empty
    aliases: tuple[str, ...]
    tags: dict[str, str]
    created_ms: int  # milliseconds since 1970, UTC

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

    def holds(self, digest: str) -> bool:
        """Whether its files are there and, as far as its tag says, have this digest."""
        return self.digest in {None, digest} and REMOVED_TAG not in self.tags

    def pinned(self, uri: str) -> PinnedModel:
        """Pin it, for who named it by `uri`; ModelNotFound if its files were removed, BundleRejected without a digest."""
        if REMOVED_TAG in self.tags:
            raise ModelNotFound(f"the files of {uri} were removed on {self.tags[REMOVED_TAG]}; train it again")
        if self.digest is None:
            raise BundleRejected(
                f"{uri} is version {self.version} without a {DIGEST_TAG} tag; Nightcap did not register it. If it is an "
                f"external captioner that you trust to run here, name it: nightcap models external {uri}"
            )
        return PinnedModel(self.name, self.version, self.digest, self.tags.get(ENGINE_TAG, ""), str(self.uri))


class Registry:
    """The registry that `home.tracking_uri` names; without an answer of MLflow, methods raise RegistryUnavailable."""

    def __init__(self, home: Home) -> None:
        self._home = home
        prepare_client(home)
        with answering(home):
            with lean_import():
                import mlflow

            create_database(home.tracking_uri, home.artifacts)
            mlflow.set_tracking_uri(home.tracking_uri)
            keep_to_own_hosts()
            self._client = mlflow.MlflowClient(home.tracking_uri)

    def answering(self) -> AbstractContextManager[None]:
        """Around other calls of MLflow: their errors become `RegistryUnavailable`."""
        return answering(self._home)

    def resolve(self, uri: str) -> PinnedModel:
        """Pin a model URI to one version; raises as `Version.pinned`."""
        return self.version(uri).pinned(uri)

    def version(self, uri: str) -> Version:
        """The version behind `models:/name@alias` or `models:/name/version`, whoever registered it."""
        address, client = ModelUri.parse(uri), self._client
        find, key = (
            (client.get_model_version_by_alias, address.alias)
            if address.alias
            else (client.get_model_version, address.version)
        )
        return _version(self._find(address, lambda: find(address.name, key)))

    def aliased(self, name: str, alias: str) -> str | None:
        """The number of the version that an alias names, if any."""
        try:
            return self.version(str(ModelUri(name, alias=alias))).version
        except ModelNotFound:
            return None

    def download(self, uri: str, part: str, target: Path) -> None:
        """Copy a folder of a version's files, or `.` for all, to `target`, atomically; BundleRejected if absent."""
        with tempfile.TemporaryDirectory() as scratch, self.answering():
            import mlflow

            model = Path(mlflow.artifacts.download_artifacts(uri, dst_path=scratch))
            (model / _NOTE).unlink(missing_ok=True)
            if not (model / part).is_dir():
                raise BundleRejected(f"{uri} holds no folder {part}; register it anew")
            with creating_folder(target, is_synced=False) as folder:  # loading checks digests
                shutil.copytree(model / part, folder, dirs_exist_ok=True, symlinks=True)

    def versions(self, name: str | None = None) -> list[Version]:
        """Registered versions, the newest first, of one model or of all."""
        with self.answering():
            query, client = f"name='{name}'" if name else "", self._client
            items = list(_pages(lambda token: client.search_model_versions(query, page_token=token)))
            # A search leaves aliases out, so each version is requested by itself.
            versions = [_version(client.get_model_version(item.name, item.version)) for item in items]
        return sorted(versions, key=lambda item: (item.name, -int(item.version)))

    def with_digest(self, name: str, digest: str) -> Version | None:
        """The first version that holds this bundle, if any."""
        held = (each for each in reversed(self.versions(name)) if REMOVED_TAG not in each.tags)
        return next((each for each in held if each.digest == digest), None)

    def create(self, name: str, model_uri: str, tags: dict[str, str], description: str) -> Version:
        """Register a logged model together with its tags, so that no version lacks its digest; then describe both."""
        with self.answering(), redirect_stderr(io.StringIO()):  # MLflow prints success there
            import mlflow

            created = mlflow.register_model(model_uri, name, tags=tags)
            self._client.update_model_version(name, created.version, description)
            if not self._client.get_registered_model(name).description:
                self._client.update_registered_model(name, _MODEL)
            return _version(self._client.get_model_version(name, created.version))

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version, and remove its last known version."""
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
        return self.version(pinned.uri).tags

    def tag_model(self, name: str, tags: dict[str, str]) -> None:
        """Put tags on a registered model."""
        with self.answering():
            for key, value in tags.items():
                self._client.set_registered_model_tag(name, key, value)

    def model_tags(self, name: str) -> dict[str, str]:
        """The tags of a registered model; none if there is no such model."""
        try:
            return dict(self._find(ModelUri(name), lambda: self._client.get_registered_model(name)).tags)
        except ModelNotFound:
            return {}

    def name_run(self, version: Version, name: str) -> None:
        """Name the run that made a version."""
        with self.answering():
            self._client.update_run(version.run_id, name=name)

    def log_files(self, pinned: PinnedModel, folder: Path, place: str) -> None:
        """Add the files of a folder to the run that made a version."""
        with self.answering():
            self._client.log_artifacts(self._run_of(pinned), str(folder), place)

    def log_reviews(self, pinned: PinnedModel, text: str, metrics: dict[str, float]) -> None:
        """Tag a version with what people said of its captions; its run has that in numbers."""
        self.tag(pinned.name, pinned.version, {REVIEWS_TAG: text})
        with self.answering():
            if run := self._run_of(pinned):
                for key, value in metrics.items():
                    self._client.log_metric(run, key, value)

    def page(self, pinned: PinnedModel, artifact: str = "") -> str | None:
        """As `run_page`, of the run that made a version."""
        if not self._home.mlflow_page:
            return None
        with self.answering():
            run_id = self._run_of(pinned)
        return self.run_page(run_id, artifact)

    def run_page(self, run_id: str, artifact: str = "") -> str | None:
        """The URL of a run's page, or of one of its files; None without `home.mlflow_page`."""
        if not self._home.mlflow_page:
            return None
        with self.answering():
            run = self._client.get_run(run_id).info
        path = f"/artifactPath/{artifact}" if artifact else ""
        return f"{self._home.mlflow_page}/#/experiments/{run.experiment_id}/runs/{run.run_id}{path}"

    def read_file(self, pinned: PinnedModel, path: str) -> str | None:
        """A text file of the run that made a version; None if there is none."""
        with tempfile.TemporaryDirectory() as scratch, self.answering():
            run = self._run_of(pinned)
            if path not in {item.path for item in self._client.list_artifacts(run, str(Path(path).parent))}:
                return None
            return Path(self._client.download_artifacts(run, path, scratch)).read_text(encoding="utf-8")

    def _run_of(self, pinned: PinnedModel) -> str:
        return str(self._client.get_model_version(pinned.name, pinned.version).run_id)

    def experiment(self, name: str, description: str = "") -> str:
        """The id of an experiment, made if missing. Its artifacts lie in the store, or where a server puts them."""
        with self.answering():
            experiment = self._client.get_experiment_by_name(name)
            if experiment is not None:
                return str(experiment.experiment_id)
            location = None if self._home.tracking_uri.startswith("http") else self._home.artifacts.as_uri()
            tags = _MACHINE_LEARNING | ({NOTE_TAG: description} if description else {})
            return str(self._client.create_experiment(name, artifact_location=location, tags=tags))

    def runs_tagged(self, tag: str) -> list[str]:
        """The ids of the runs of all experiments that have a tag."""
        with self.answering():
            client = self._client
            experiments = _pages(lambda token: client.search_experiments(page_token=token))
            ids = [each.experiment_id for each in experiments]
            runs = _pages(lambda token: client.search_runs(ids, f"tags.{tag} != ''", page_token=token))
            return [str(run.info.run_id) for run in runs]

    def _find(self, uri: ModelUri, find: Callable[[], Any]) -> Any:
        from mlflow.exceptions import MlflowException

        with self.answering():
            try:
                return find()
            except MlflowException as error:
                refused = error.error_code == "PERMISSION_DENIED"
                if error.error_code not in _MISSING and not (refused and not self._is_registered(uri.name)):
                    raise
                names = ", ".join(f"{item.name}/{item.version}" for item in self.versions()[:5])
                advice = f"registered: {names}" if names else "make one with `nightcap train` or `make run`"
                raise ModelNotFound(f"no model at {uri} in {shown_uri(self._home)}; {advice}") from error

    def _is_registered(self, name: str) -> bool:
        """An MLflow with accounts does not say that a model is missing: it refuses."""
        return bool(self._client.search_registered_models(f"name='{name}'", max_results=1))


def _version(item: Any) -> Version:
    tags = {str(key): str(value) for key, value in item.tags.items()}
    created_ms = int(item.creation_timestamp)
    return Version(item.name, str(item.version), item.run_id or "", tuple(item.aliases), tags, created_ms)


def _pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    page = search(None)
    yield from page
    while page.token:
        page = search(page.token)
        yield from page
