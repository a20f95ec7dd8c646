"""The sandbox as a service: environment, dataset file, S3 store, webhooks, command line."""

from __future__ import annotations

import hashlib
import http.server
import json
from threading import Event, Thread
from typing import TYPE_CHECKING

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError

from deploy.sandbox import Sandbox
from deploy.sandbox.__main__ import main, serve
from deploy.sandbox.server.webhooks import delivery

if TYPE_CHECKING:
    from pathlib import Path


def test_store_is_an_s3_store_with_conditional_writes(tmp_path: Path) -> None:
    """The bucket is there, and the second conditional create of a key is refused; objects outlive the sandbox."""
    with Sandbox(1, directory=tmp_path) as sandbox:
        environment = sandbox.environment()
        client = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
            region_name=environment["AWS_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )
        client.put_object(Bucket="datasets", Key="a", Body=b"first", IfNoneMatch="*")
        with pytest.raises(ClientError, match="Precondition"):
            client.put_object(Bucket="datasets", Key="a", Body=b"second", IfNoneMatch="*")
        client.close()
    assert (tmp_path / "s3" / "datasets" / "a").read_bytes() == b"first"
    assert not list(tmp_path.glob("exports-*"))


def test_environment_names_what_the_product_reads() -> None:
    """The environment holds the variables of the contract, each leading to this machine."""
    with Sandbox(1) as sandbox:
        environment = sandbox.environment()
        assert environment["LABELBOX_GRAPHQL_ENDPOINT"] == f"{sandbox.url}/graphql"
        assert environment["LABELBOX_REST_ENDPOINT"] == f"{sandbox.url}/api/v1"
        assert environment["LABELBOX_API_KEY"] == "sandbox-key-0"
        assert environment["LABELSNAP_ALLOW_HOSTS"] == "127.0.0.1"


@pytest.mark.parametrize("model_run", [False, True])
def test_dataset_file_names_the_sources_id(tmp_path: Path, model_run: bool) -> None:
    """The dataset file is YAML with the project or the model run as its source, and a bucket that is there."""
    with Sandbox(1) as sandbox:
        content = yaml.safe_load(
            sandbox.write_dataset_file(tmp_path / "a.yaml", model_run=model_run).read_text("utf-8")
        )
        expected = {"model_run": sandbox.model_run_id} if model_run else {"project": sandbox.project_id}
        assert content["source"] == expected
        assert content["store"] == "s3://datasets/labelsnap"
        assert ("filters" in content) is not model_run


def test_signature_is_rfc_2202s() -> None:
    """Signed with the key and body of a published HMAC example, the headers carry the published digests."""
    signed = delivery({}, secret="Jefe", event="LABEL_CREATED", delivery_id="1")
    pads = [bytes(byte ^ value for byte in b"Jefe".ljust(64, b"\0")) for value in (0x36, 0x5C)]
    for header, algorithm in (("X-Hub-Signature", "sha1"), ("X-Hub-Signature-256", "sha256")):
        inner = hashlib.new(algorithm, pads[0] + signed.body).digest()
        assert signed.headers[header] == f"{algorithm}={hashlib.new(algorithm, pads[1] + inner).hexdigest()}"


def test_delivery_is_the_same_when_sent_again() -> None:
    """A receiver sees two posts with one delivery id, one body and one signature."""
    seen: list[tuple[str | None, str | None, bytes]] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.headers["X-Labelbox-Id"], self.headers["X-Hub-Signature"], body))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with Sandbox(4) as sandbox, http.server.HTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        thread = Thread(target=receiver.serve_forever)
        thread.start()
        event = sandbox.delivery(3, secret="secret")
        url = f"http://127.0.0.1:{receiver.server_port}/labelbox"
        assert [event.send(url), event.send(url)] == [202, 202]
        other = sandbox.delivery(3, secret="secret", number=1)
        row_id = sandbox.row(3).id
        receiver.shutdown()
        thread.join()
    assert seen[0] == seen[1]
    assert json.loads(seen[0][2])["dataRow"]["id"] == row_id
    assert other.headers["X-Labelbox-Id"] != seen[0][0]


def test_same_seed_is_the_same_project_after_a_restart(tmp_path: Path) -> None:
    """Ids depend on the seed alone."""
    with Sandbox(1, seed=7, directory=tmp_path) as first:
        ids = first.project_id, first.model_run_id, first.row(0).id, first.api_key
    with Sandbox(9, seed=7, directory=tmp_path) as second:
        assert ids == (second.project_id, second.model_run_id, second.row(0).id, second.api_key)


def test_serve_prints_what_to_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints one export line per variable and writes the dataset file; it ends when told to."""
    ended = Event()
    ended.set()
    serve(2, tmp_path, until=ended)
    printed = capsys.readouterr().out
    assert "export LABELBOX_API_KEY=sandbox-key-0\n" in printed
    assert printed.count("export ") == 9
    assert (tmp_path / "street-scenes.yaml").exists()


def test_command_line_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` names the options and leaves with status 0."""
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "--rows" in capsys.readouterr().out
