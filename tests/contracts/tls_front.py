"""TLS in front of a plain server, with a certificate of its own: botocore behaves in another way over https."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from select import select
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "labelsnap test")])


def write_certificate(path):
    """Write a key and a certificate for 127.0.0.1 that signs itself, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def _exchange(client, server):
    """Pass bytes both ways until one side ends, in one thread: two may not use one TLS connection at a time."""
    while True:
        ready, _, _ = select([client, server], [], [])
        for source, target in ((client, server), (server, client)):
            if source in ready:
                block = source.recv(1 << 16)
                if not block:
                    return
                target.sendall(block)
        while client.pending():
            server.sendall(client.recv(1 << 16))


@contextmanager
def tls_front(backend, certificate):
    """Serve the backend over https on a free port; give the end point."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    address = urlsplit(backend)

    class Front(BaseRequestHandler):
        def handle(self):
            with (
                suppress(ssl.SSLError, ConnectionError),
                context.wrap_socket(self.request, server_side=True) as client,
                socket.create_connection((address.hostname, address.port)) as server,
            ):
                _exchange(client, server)

    with ThreadingTCPServer(("127.0.0.1", 0), Front) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
