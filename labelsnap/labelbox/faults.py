"""What the SDK's exceptions stand for: a refusal, or what may pass. Messages never carry headers or the key."""

from __future__ import annotations

import platform
import re
from typing import Final

from labelbox import ExportTask
from lbox import exceptions as refusals
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

from labelsnap.errors import ConfigurationError, LabelboxAnswerError, LabelboxRefusedError, LabelsnapError
from labelsnap.labelbox.answers import NoAnswerError, first_line
from labelsnap.labelbox.patience import HiccupError

_LIMIT: Final = re.compile(
    r"too many (\w+ )?(exports?|requests?|tasks?)|rate.?limit|(concurrent|running|parallel) exports?", re.IGNORECASE
)
_SIZE: Final = re.compile(r"too (large|big)|too many (data ?)?rows|complexity limit", re.IGNORECASE)

RAISED: Final = (
    refusals.LabelboxError,
    refusals.MalformedQueryException,
    refusals.OperationNotAllowedException,
    ExportTask.ExportTaskException,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)
"""What the SDK raises: its own, and what it stumbles over in an answer of another shape than it knows."""


def fault_of(error: Exception, subject: str) -> LabelsnapError | HiccupError:
    """What an exception of the SDK says about ``subject``: an error that is final, or a hiccup that may pass."""
    match error:
        case refusals.NetworkError(cause=NoAnswerError() as cause):
            return _of_connection(cause, subject)
        case refusals.NetworkError(cause=InvalidURL() | InvalidSchema() | MissingSchema()):
            return ConfigurationError(
                "LABELBOX_GRAPHQL_ENDPOINT is no address that can be asked.",
                remedy="Correct or unset it: https://api.labelbox.com/graphql is the public one.",
                code="bad_setting",
            )
        case refusals.LabelboxError() | refusals.MalformedQueryException() | refusals.OperationNotAllowedException():
            return _of_answer(error, subject)
        case _:
            return HiccupError(
                LabelboxAnswerError(
                    f"Labelbox's SDK could make nothing of the answer about {subject} ({type(error).__name__}: "
                    f"{_first_line(error)}).",
                    remedy="Run again. If it stays so, check the dataset file's source and filters.",
                    code="labelbox_answer",
                )
            )


def _of_answer(error: Exception, subject: str) -> LabelsnapError | HiccupError:
    reason = _first_line(error)
    match error:
        case refusals.AuthenticationError() | refusals.AuthorizationError():
            return key_refused(subject)
        case refusals.ResourceNotFoundError():
            return LabelboxRefusedError(
                f"Labelbox knows no {subject}.",
                remedy="Check the id under `source` in the dataset file, and that the key's workspace holds it.",
                code="source_not_found",
            )
        case refusals.NetworkError() | refusals.TimeoutError() | refusals.InternalServerError():
            return HiccupError(_unreachable(subject, type(error).__name__))
        case refusals.ApiLimitError() | refusals.ResourceConflict():
            return _limit(subject, reason)
        case _:
            return _limit(subject, reason) if _LIMIT.search(reason) else _refused(error, subject)


def key_refused(subject: str) -> LabelboxRefusedError:
    """The key is wrong, or may not do this; the machine is named, because each has an environment of its own."""
    return LabelboxRefusedError(
        f"Labelbox refused the API key of the machine {platform.node()} for {subject}.",
        remedy="Check LABELBOX_API_KEY there, and that its user may read it.",
        code="key_refused",
    )


def _of_connection(cause: NoAnswerError, subject: str) -> LabelsnapError | HiccupError:
    match cause.kind:
        case "key":
            return key_refused(subject)
        case "certificate":
            return LabelboxRefusedError(
                f"{platform.node()} could not ask Labelbox about {subject}: {cause.reason}.",
                remedy="Check LABELBOX_GRAPHQL_ENDPOINT, and REQUESTS_CA_BUNDLE where a proxy has its own authority.",
                code="labelbox_certificate",
            )
        case "limit":
            return _limit(subject, cause.reason, cause.wait)
        case "failing":
            failing = LabelboxAnswerError(
                f"Labelbox failed when it was asked about {subject} ({cause.reason}).",
                remedy="Look at status.labelbox.com, and run again: what is finished is kept.",
                code="labelbox_failing",
            )
            return HiccupError(failing, wait=cause.wait)
        case "not_json":
            odd = LabelboxAnswerError(
                f"Labelbox's answer about {subject} cannot be read ({cause.reason}).",
                remedy="Check LABELBOX_GRAPHQL_ENDPOINT and what stands between it and this machine, then run again.",
                code="labelbox_answer",
            )
            return HiccupError(odd)
        case "unreachable":
            return HiccupError(_unreachable(subject, cause.reason), undone=cause.undone)


def _limit(subject: str, reason: str, wait: float | None = None) -> HiccupError:
    refused = LabelboxRefusedError(
        f"Labelbox allows no more requests or exports now ({subject}): {reason}.",
        remedy="Run again later, or stop other exports: 10 may run in a project and 20 in an organization.",
        code="labelbox_limit",
    )
    return HiccupError(refused, wait=wait, undone=True)


def _unreachable(subject: str, reason: str) -> LabelboxAnswerError:
    return LabelboxAnswerError(
        f"Labelbox did not answer about {subject} ({reason}).",
        remedy="Check the network and LABELBOX_GRAPHQL_ENDPOINT, then run again.",
        code="labelbox_unreachable",
    )


def _refused(error: Exception, subject: str) -> LabelboxRefusedError:
    reason = _first_line(error)
    too_large = _SIZE.search(reason) is not None
    return LabelboxRefusedError(
        f"Labelbox did not accept the request about {subject} ({type(error).__name__}: {reason}).",
        remedy="Narrow the filters, or backfill in windows."
        if too_large
        else "Check the dataset file's source, params and filters against what the workspace allows.",
        code="export_too_large" if too_large else "labelbox_refused",
    )


def _first_line(error: Exception) -> str:
    return first_line(str(getattr(error, "message", error) or ""))
