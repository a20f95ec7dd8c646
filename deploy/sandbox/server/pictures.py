"""Pictures as a store of objects serves them: by URLs that are signed and last, or only if they changed."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response

from deploy.sandbox.server.exports import S3_TIME

if TYPE_CHECKING:
    from starlette.requests import Request

    from deploy.sandbox.server.exports import Exports


def check_signature(request: Request, exports: Exports) -> None:
    """Refuse, as S3 does, a URL whose signature is wrong or has ended, and where pictures are private one without."""
    query, separator, signature = request.url.query.partition("&X-Amz-Signature=")
    if not separator:
        if exports.settings.image_seconds is not None:
            raise HTTPException(HTTPStatus.FORBIDDEN, "AccessDenied")
        return
    if not hmac.compare_digest(signature, exports.signature(f"{request.url.path}?{query}")):
        raise HTTPException(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch")
    begins = datetime.strptime(request.query_params["X-Amz-Date"], S3_TIME).replace(tzinfo=UTC)
    if datetime.now(UTC) >= begins + timedelta(seconds=int(request.query_params["X-Amz-Expires"])):
        raise HTTPException(HTTPStatus.FORBIDDEN, "AccessDenied: Request has expired")


def answered(request: Request, body: bytes, media_type: str, modified: datetime) -> Response:
    """The picture with its ETag and the time since when it is there, or 304 where the request names either."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    modified = modified.replace(microsecond=0)
    headers = {"ETag": etag, "Last-Modified": format_datetime(modified, usegmt=True)}
    if (known := request.headers.get("if-none-match")) is not None:
        stands = known == etag
    else:
        since = request.headers.get("if-modified-since")
        stands = since is not None and modified <= parsedate_to_datetime(since)
    if stands:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
