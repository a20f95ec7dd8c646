"""Webhook deliveries as Labelbox sends them, signed over the raw body."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import requests

from deploy.sandbox.project.identifiers import uuid

if TYPE_CHECKING:
    from deploy.sandbox.project.rows import Row

_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery; sent again it keeps its id, its body and its signatures."""

    headers: dict[str, str]
    body: bytes

    def send(self, url: str) -> int:
        """POSTs it once and returns the receiver's status."""
        return requests.post(url, data=self.body, headers=self.headers, timeout=_TIMEOUT_SECONDS).status_code


def delivery(payload: dict[str, Any], *, secret: str, event: str, delivery_id: str) -> Delivery:
    """A delivery of ``payload`` signed with HMAC-SHA1 (``X-Hub-Signature``) and HMAC-SHA256 (``…-256``)."""
    body = json.dumps(payload, ensure_ascii=False).encode()
    signatures = {algorithm: hmac.new(secret.encode(), body, algorithm).hexdigest() for algorithm in ("sha1", "sha256")}
    headers = {
        "Content-Type": "application/json",
        "X-Hub-Signature": f"sha1={signatures['sha1']}",
        "X-Hub-Signature-256": f"sha256={signatures['sha256']}",
        "X-Labelbox-Id": delivery_id,
        "X-Labelbox-Event": event,
    }
    return Delivery(headers, body)


def row_event(row: Row, *, secret: str, event: str = "WORKFLOW_ACTION", number: int = 0) -> Delivery:
    """The delivery for something that happened to ``row``; the payload's shape is the sandbox's own invention."""
    payload = {
        "eventType": "MOVE" if event == "WORKFLOW_ACTION" else event,
        "project": {"id": row.project.id},
        "dataRow": {"id": row.id, "externalId": row.external_id},
        "workflowStatus": row.status,
        "sentAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    identifier = uuid(row.project.seed, f"delivery {event}", row.index, number)
    return delivery(payload, secret=secret, event=event, delivery_id=identifier)
