# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A certificate that signs itself, with its key."""

from __future__ import annotations

DOCUMENTATION = r"""
name: self_signed
author: The auren.stack authors (@auren)
version_added: 0.1.0
short_description: A self-signed certificate with its private key
description:
  - Makes a new private key (P-256) and a certificate for it, valid for 825 days, the longest that browsers take, and returns both as one
    PEM text, the certificate first.
  - Browsers warn of it until somebody tells them to trust it; for a service worker it has to be trusted.
options:
  _terms:
    description: Host names and addresses that the certificate is for. The first is its common name.
    required: true
requirements: [cryptography]
"""

EXAMPLES = r"""
- name: Offer a certificate
  ansible.builtin.set_fact:
    offered: "{{ lookup('auren.stack.self_signed', 'auren.example', 'localhost', '127.0.0.1') }}"
"""

RETURN = r"""
_raw:
  description: One PEM text.
  type: list
  elements: str
"""

import datetime
import ipaddress
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    MISSING = False
except ImportError:  # ansible-core needs it, too
    MISSING = True

DAYS = 825


def name_of(term: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(term))
    except ValueError:
        return x509.DNSName(term)


def certificate(names: list[str]) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
    made = made.not_valid_after(now + datetime.timedelta(days=DAYS))
    made = made.add_extension(x509.SubjectAlternativeName([name_of(one) for one in dict.fromkeys(names)]), critical=False)
    made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    signed = made.sign(key, hashes.SHA256())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return signed.public_bytes(serialization.Encoding.PEM).decode() + key.private_bytes(*form).decode()


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        del variables, kwargs
        if MISSING:
            raise AnsibleError("the Python package cryptography is missing on the controller; install it, or set pwa_tls to files or off")
        return [certificate([str(term) for term in terms])]
