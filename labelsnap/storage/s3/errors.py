"""What boto3 raises, in this project's terms: refused (do something) or unknown (nothing was answered)."""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING, Final

from boto3.exceptions import RetriesExceededError
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError, PaginationError, SSLError
from botocore.exceptions import ConnectionError as UnreachableError
from botocore.parsers import ResponseParserError

from labelsnap.errors import StorageOutcomeUnknownError, StorageRefusedError
from labelsnap.redaction import cut
from labelsnap.storage.interface import UNSUPPORTED
from labelsnap.storage.s3.pace import LEAST_SPEED, SlowAnswerError

if TYPE_CHECKING:
    from labelsnap.errors import StorageError

_RIGHTS: Final = (
    "Grant s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on the bucket to these credentials; for "
    "`snapshots gc` also s3:ListBucketMultipartUploads and s3:AbortMultipartUpload."
)
_CREDENTIALS: Final = "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_PROFILE."
_SETTINGS: Final = "Check AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_PROFILE and the files of settings that boto3 reads."
_NETWORK: Final = "Check the network and that AWS_ENDPOINT_URL_S3 leads to the store itself, then run it again."
_REGION: Final = "Set AWS_REGION to the bucket's region."
_REMEDIES: Final = {
    "NoSuchBucket": ("bucket_missing", "Create the bucket, or correct the store's URL."),
    "InvalidBucketName": ("bucket_missing", "Correct the store's URL."),
    "AccessDenied": ("access_denied", _RIGHTS),
    "403": ("access_denied", _RIGHTS),
    "InvalidAccessKeyId": ("credentials_wrong", _CREDENTIALS),
    "SignatureDoesNotMatch": ("credentials_wrong", _CREDENTIALS),
    "ExpiredToken": ("credentials_wrong", _CREDENTIALS),
    "InvalidToken": ("credentials_wrong", _CREDENTIALS),
    "PermanentRedirect": ("region_wrong", _REGION),
    "AuthorizationHeaderMalformed": ("region_wrong", _REGION),
    "301": ("region_wrong", _REGION),
    "RequestTimeTooSkewed": ("clock_wrong", "Set this machine's clock."),
    "NotImplemented": (UNSUPPORTED, "Use a store that has this operation."),
}
_TRANSIENT: Final = {
    "RequestTimeout",
    "SlowDown",
    "TooManyRequests",
    "OperationAborted",
    "NoSuchUpload",  # somebody aborted it, or the request before completed it, whose answer was lost
    "500",
    "502",
    "503",
    "504",
}
NO_ANSWER: Final = (LookupError, ValueError, TypeError, OverflowError, RecursionError)
"""What botocore and its callers raise for an answer that lacks something, is no number, or leads to itself."""
MAX_TOLD: Final = 300
"""Characters of what botocore says of an answer, which it repeats."""
_CERTIFICATE: Final = re.compile("CERTIFICATE_VERIFY_FAILED|doesn't match")
"""How OpenSSL and urllib3 say that a certificate is not that of the server."""
_AUTHORITIES: Final = re.compile(r"\[X509|\[PEM|\[Errno (?:2|13|20|21)\]")
"""How they say that the file of those whose certificates are trusted is missing, unreadable, or none."""
_SERVER_ERROR, _NOT_IMPLEMENTED, _TOO_MANY = 500, 501, 429


def error_code(error: ClientError) -> str:
    """Return S3's own code (``NoSuchKey``), or the status where the answer had no body."""
    return error.response.get("Error", {}).get("Code", "")


def translated(error: Exception, *, action: str, key: str, bucket: str) -> StorageError:
    """Return the error to raise. It names the machine, the bucket, the key and S3's code, never credentials."""
    expected = f"Expected to {action} {key!r} in bucket {bucket!r} from the machine {platform.node()}, found"
    if isinstance(error, ClientError) and not _is_transient(error):
        found = cut(error_code(error) or str(_status(error)))
        code, remedy = _REMEDIES.get(found, ("storage_refused", "See the store's documentation of this code."))
        return StorageRefusedError(f"{expected} the answer {found}.", remedy=remedy, code=code)
    if isinstance(error, SlowAnswerError):
        return StorageOutcomeUnknownError(
            f"{expected} less than {LEAST_SPEED} bytes a second of an answer.",
            remedy=_NETWORK,
            code="storage_slow",
        )
    if isinstance(error, SSLError) and (distrust := _of_certificates(str(error), expected)):
        return distrust
    if isinstance(error, ClientError | UnreachableError | HTTPClientError | IncompleteReadError | RetriesExceededError):
        found = cut(error_code(error)) if isinstance(error, ClientError) else type(error).__name__
        return StorageOutcomeUnknownError(
            f"{expected} no usable answer ({found}).",
            remedy="Check that the store runs and can be reached (AWS_ENDPOINT_URL_S3), then run the command again.",
            code="storage_unreachable",
        )
    if isinstance(error, (ResponseParserError, PaginationError, *NO_ANSWER)):
        told = cut(str(error), MAX_TOLD)
        return wrong_answer(f"{expected} an answer that S3 does not give ({type(error).__name__}: {told}).")
    needs = "Credential" in type(error).__name__
    return StorageRefusedError(
        f"{expected} that the client cannot ask for it ({type(error).__name__}).",
        remedy=_CREDENTIALS if needs else _SETTINGS,
        code="credentials_missing" if needs else "client_refused",
    )


def _of_certificates(told: str, expected: str) -> StorageError | None:
    """Return the error of a server that is not trusted, or of what says who is; None: TLS failed otherwise."""
    if _CERTIFICATE.search(told):
        return StorageOutcomeUnknownError(
            f"{expected} a server whose certificate is not to be trusted, or is for another name.",
            remedy="Correct AWS_ENDPOINT_URL_S3 to the certificate's name, or name your own authority's certificate in "
            "AWS_CA_BUNDLE.",
            code="storage_certificate",
        )
    if _AUTHORITIES.search(told):
        return StorageRefusedError(
            f"{expected} that the file of trusted certificates cannot be read.",
            remedy="Correct AWS_CA_BUNDLE (or ca_bundle in boto3's configuration): the path of a file in PEM's form.",
            code="storage_certificate",
        )
    return None


def wrong_answer(message: str) -> StorageRefusedError:
    """Return the error for a server that answers otherwise than S3 does."""
    return StorageRefusedError(
        message,
        remedy="Check that AWS_ENDPOINT_URL_S3 leads to the store itself, and use one that keeps to S3's protocol.",
        code="answer_wrong",
    )


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _is_transient(error: ClientError) -> bool:
    status = _status(error)
    failed = status >= _SERVER_ERROR and status != _NOT_IMPLEMENTED
    return failed or status == _TOO_MANY or error_code(error) in _TRANSIENT
