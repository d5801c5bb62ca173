"""MLflow's client: its preparation, and its errors as ours."""

from __future__ import annotations

import http.client
import logging
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import RegistryUnavailable, SettingsError
from pipeline.core.redaction import masked, without_user
from pipeline.core.uri_paths import plain_path

HEALTH_TIMEOUT_S = 5.0


def prepare_client(home: Home) -> None:
    """Refuse at once an address on which MLflow's client would retry for minutes, and switch off its telemetry."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if home.tracking_uri.startswith("http"):
        try:
            urllib.request.urlopen(f"{home.tracking_uri.rstrip('/')}/health", timeout=HEALTH_TIMEOUT_S).close()  # noqa: S310
        except urllib.error.HTTPError:
            return  # it answers; the call itself will show whether it lets us in
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise _unavailable(home, error) from error
    elif home.tracking_uri.startswith("sqlite:///"):
        try:
            file = plain_path(home.tracking_uri.removeprefix("sqlite:///"))
        except ValueError as error:
            raise SettingsError(f"MLFLOW_TRACKING_URI is {home.tracking_uri!r}: {error}") from error
        with answering(home):
            Path(file).parent.mkdir(parents=True, exist_ok=True)
    elif re.match(r"file:|(?!databricks)[^:]*$", home.tracking_uri):
        raise SettingsError(
            f"MLFLOW_TRACKING_URI is {home.tracking_uri!r}; MLflow no longer keeps runs in a folder: "
            "name a server (http://..) or a database (sqlite:////absolute/path.db)"
        )


@contextmanager
def answering(home: Home) -> Iterator[None]:
    """Turn MLflow's, the database's and the network's errors into ours."""
    try:
        yield
    except (OSError, ImportError) as error:  # ImportError: the driver of a database is not installed
        raise _unavailable(home, error) from error
    except Exception as error:
        if type(error).__module__.split(".")[0] in ("mlflow", "sqlalchemy", "requests", "urllib3"):
            raise _unavailable(home, error) from error
        raise


def _unavailable(home: Home, error: Exception) -> RegistryUnavailable:
    reason = masked(" ".join(str(getattr(error, "reason", error)).split()))[:200]
    if getattr(error, "error_code", None) in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        problem = f"refuses ({reason}); check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    else:
        problem = f"does not answer ({reason}); check MLFLOW_TRACKING_URI"
    return RegistryUnavailable(f"MLflow at {shown_uri(home)} {problem}")


def shown_uri(home: Home) -> str:
    """The tracking URI without the name and password it may hold."""
    return masked(without_user(home.tracking_uri))
