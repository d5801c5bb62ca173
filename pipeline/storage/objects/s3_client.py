"""A boto3 client, and what its errors mean."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any, Literal
from urllib.parse import urlsplit

from pipeline.core.errors import BadInput, ObjectUnavailable, SettingsError, SourceChanged
from pipeline.core.reasons import ARCHIVED, FORBIDDEN, UNAVAILABLE, UNSAFE_NAME
from pipeline.storage.objects.retry import MIN_SECONDS, TransientError

PART_BYTES = 8 << 20
_CHUNK = 4096  # bytes; a read waits for all of them, however slowly they arrive

Access = Literal["list", "read", "write"]

_TRIES = 3
_LONGEST_PAUSES_S = 3.0  # of botocore's standard mode between three tries
_CREDENTIALS = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidSecurity", "NotSignedUp",
    "AuthorizationHeaderMalformed", "RequestTimeTooSkewed", "MissingSecurityHeader", "Unauthorized",
}  # fmt: skip
_NO_SUCH_NAME = {"KeyTooLongError", "InvalidURI", "InvalidObjectName", "XMinioInvalidObjectName"}
_MAY_PASS = {
    "RequestTimeout", "RequestTimeoutException", "SlowDown", "Throttling", "OperationAborted",
    "ConditionalRequestConflict",
}  # fmt: skip


class BadBody(TransientError):
    """The body of an answer does not fit its length or its checksum."""


class BadAnswer(TransientError):
    """The store answers one request with a fault of its own, which may be about one object."""


class Busy(BadAnswer):
    """The store asks for fewer requests; MinIO also says so of one object whose disks are lost."""


class KeyRefused(BadInput):
    """The store refuses one object; of the store itself, if it refuses all."""

    def __init__(self, message: str, of_the_store: ObjectUnavailable) -> None:
        super().__init__(UNAVAILABLE, message)
        self.of_the_store = of_the_store


def connect(patience_s: float, connections: int) -> Any:
    """A client for the endpoint, region and credentials of the AWS environment.

    botocore's standard retries cover short failures; `RetryDeadline` repeats the calls that they give up. Raises
    SettingsError if the environment names a profile or endpoint that cannot be used.
    """
    import boto3
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    if patience_s < MIN_SECONDS:
        raise SettingsError(f"the patience with an object store is {patience_s:g} s; allow it at least {MIN_SECONDS}")
    core = botocore.session.Session()
    # Its own parsing of a million dates takes a minute; a listing's are ISO 8601, which Python reads.
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    config = Config(
        connect_timeout=_timeout(patience_s),
        read_timeout=_timeout(patience_s),
        retries={"mode": "standard", "total_max_attempts": _TRIES},
        max_pool_connections=max(connections, 10),
    )
    try:
        region = core.get_config_variable("region") or "us-east-1"
        client = boto3.Session(botocore_session=core, region_name=region).client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(f"the AWS settings in the environment cannot be used: {error}") from error
    _refuse_link_local(endpoint_of(client))
    return client


def longest_try(patience_s: float) -> float:
    """Seconds that one call of the client may take when nothing answers."""
    return _TRIES * _timeout(patience_s) + _LONGEST_PAUSES_S


def endpoint_of(client: Any) -> str:
    """The endpoint without user and password."""
    parts = urlsplit(client.meta.endpoint_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def read_body(body: Any, end: float, most: float = inf) -> bytes:
    """A body's first bytes, `most` at most, whatever its headers say; they must arrive before the end, however slowly."""
    pieces, count = list[bytes](), 0
    while count < most and (piece := body.read(min(_CHUNK, most - count))):
        pieces.append(piece)
        count += len(piece)
        if time.monotonic() > end:
            raise TransientError("it comes too slowly")
    return b"".join(pieces)


def plain_etag(etag: str) -> str:
    """An ETag without quotation marks, and without the mark of a gateway that compresses answers."""
    return etag.removeprefix("W/").strip('"')


@contextmanager
def translated(what: str, endpoint: str, access: Access) -> Iterator[None]:
    """Translate the errors of a call, such as `list s3://bucket/in`; those that may pass become TransientError."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise _refusal(error.response, what, endpoint, access) from error
    except ResponseParserError as error:
        raise TransientError(f"{endpoint} answers something else than S3 does") from error
    except BotoCoreError as error:
        raise _failure(error, what, endpoint) from error


def _refusal(response: dict[str, Any], what: str, endpoint: str, access: Access) -> Exception:
    """The error of an answer that is no success."""
    code = response.get("Error", {}).get("Code", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = f"cannot {what}: {endpoint} answers {status} {code}".rstrip()
    if status >= 500 or status == 429 or code in _MAY_PASS:
        kind = Busy if status in {429, 503} or code in _MAY_PASS else BadAnswer
        return kind(f"{endpoint} answers {status} {code}".rstrip())
    if code == "NoSuchBucket":
        return SettingsError(f"cannot {what}: {endpoint} has no such bucket; create it or name another")
    if code in _CREDENTIALS or status == 401 or (status == 403 and access != "read"):
        return SettingsError(f"{message}; check the AWS credentials, their rights, the region and the clock")
    store_error = ObjectUnavailable(f"{message}; check AWS_ENDPOINT_URL and the region")
    bad_object = _bad_object(message, status, code, access)
    if bad_object is None and access == "read" and 300 <= status < 500:
        return KeyRefused(f"{message}{_advice(code, response)}; mend it, then replay {UNAVAILABLE}", store_error)
    return bad_object or store_error


def _advice(code: str, response: dict[str, Any]) -> str:
    """What an answer about one object says of it."""
    told = " ".join(str(response.get("Error", {}).get("Message", "")).split())[:200]
    words = f" ({told})" if told else ""
    if code.startswith("KMS"):
        return f"{words}: its KMS key is gone, disabled or not for these credentials"
    if "encrypt" in told.lower() or "sse" in told.lower():
        return (
            f"{words}: it is encrypted with a customer's key (SSE-C), which Nightcap is not given; copy it without one"
        )
    return f"{words}, although other objects come"


def _bad_object(message: str, status: int, code: str, access: Access) -> BadInput | None:
    """An error of only the named object; None if the answer concerns the whole store."""
    if access != "list" and code in _NO_SUCH_NAME:
        return BadInput(UNSAFE_NAME, f"{message}; the store does not take that name")
    if access == "read" and status in {404, 412}:
        return SourceChanged(f"{message}: it was deleted or changed after it was listed")
    if access == "read" and code == "InvalidObjectState":
        return BadInput(ARCHIVED, f"{message}: it lies in an archive class; restore it, then replay {ARCHIVED}")
    if access == "read" and status == 403 and not code.startswith("KMS"):
        return BadInput(FORBIDDEN, f"{message}; check the rights of these AWS credentials")
    return None


def _failure(error: Exception, what: str, endpoint: str) -> Exception:
    """The error of a call without an answer."""
    from botocore import exceptions as aws

    kind = type(error).__name__
    no_credentials = (
        aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError, aws.TokenRetrievalError,
        aws.SSOError, aws.UnauthorizedSSOTokenError,
    )  # fmt: skip
    if isinstance(error, no_credentials):
        return SettingsError(f"cannot {what}: no usable AWS credentials ({kind}); set them as boto3 reads them")
    if isinstance(error, aws.ParamValidationError):
        return BadInput(UNSAFE_NAME, f"cannot {what}: the name cannot be sent")
    if isinstance(error, (aws.IncompleteReadError, aws.FlexibleChecksumError, aws.ResponseStreamingError)):
        return BadBody(f"{endpoint} sends other bytes than the length or checksum says ({kind})")
    if isinstance(error, aws.HTTPClientError):
        return TransientError(f"{endpoint}: {kind}")
    return ObjectUnavailable(f"cannot {what}: {kind} from the AWS client")


def _timeout(patience_s: float) -> float:
    return min(20.0, patience_s / 10)


def _refuse_link_local(endpoint: str) -> None:
    host = (urlsplit(endpoint).hostname or "").partition("%")[0]
    try:
        local = ipaddress.ip_address(host).is_link_local
    except ValueError:
        return
    if local:
        raise SettingsError(f"AWS_ENDPOINT_URL is {endpoint}, a link-local address; name an object store")
