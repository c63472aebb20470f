"""A self-signed certificate is for the names that were asked for, with the key that belongs to it."""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path

from ansible_collections.auren.stack.plugins.lookup.self_signed import certificate
from cryptography import x509


def test_names_and_key(tmp_path: Path) -> None:
    text = certificate(["auren.example", "localhost", "127.0.0.1", "localhost"])
    names = x509.load_pem_x509_certificate(text.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["auren.example", "localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]
    (tmp_path / "both.pem").write_text(text)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "both.pem")


def test_never_the_same_key() -> None:
    assert certificate(["a"]).partition("PRIVATE KEY")[2] != certificate(["a"]).partition("PRIVATE KEY")[2]
