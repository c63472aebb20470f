# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log in to PostgreSQL over TCP with nothing but Python.

Source: PostgreSQL documentation, "Frontend/Backend Protocol" (3.0), "SASL Authentication" (SCRAM-SHA-256, RFC 7677) and
"PostgreSQL Error Codes". Options of the probe: user, database, password (what the client holds).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import socket
import struct
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.auren.stack.plugins.module_utils.probes.contract import ProbeError, Target, said

AUTHENTICATION, ERROR, READY = b"R", b"E", b"Z"
OK, CLEARTEXT, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 10, 11, 12
LONGEST = 1 << 20  # bytes of a message
WRONG = ("28000", "28P01")  # SQLSTATE: invalid authorization, invalid password


class LoginError(Exception):
    """The server answered and said no, or could not be reached; the text says which.

    code: the server's SQLSTATE, empty when it did not say one.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class _Connection:
    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected

    def send(self, kind: bytes, body: bytes) -> None:
        self.socket.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            chunk = self.socket.recv(count - len(data))
            if not chunk:
                raise LoginError("the server closed the connection")
            data += chunk
        return data

    def receive(self) -> tuple[bytes, bytes]:
        """One message; an ErrorResponse is raised with the server's own words."""
        kind, length = struct.unpack("!cI", self._exactly(5))
        if not 4 <= length <= LONGEST:
            raise LoginError("it does not speak the protocol of PostgreSQL")
        body = self._exactly(length - 4)
        if kind == ERROR:
            fields = {f[:1]: f[1:].decode(errors="replace") for f in body.split(b"\0") if f}
            raise LoginError(fields.get(b"M", "refused"), fields.get(b"C", ""))
        return kind, body


def _prepared(password: str) -> bytes:
    """The password as SCRAM takes it: normalised (RFC 4013), which changes nothing in ASCII."""
    return unicodedata.normalize("NFKC", password).encode()


class Scram:
    """The client's half of SCRAM-SHA-256 without channel binding."""

    def __init__(self, password: str) -> None:
        self.password = _prepared(password)
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.bare = f"n=,r={self.nonce}"  # PostgreSQL takes the user from the startup message

    def first(self) -> bytes:
        return f"n,,{self.bare}".encode()

    def final(self, challenge: bytes) -> bytes:
        """The answer to the server's first message. Raises LoginError when it is not one for our nonce."""
        fields = _fields(challenge)
        if not fields["r"].startswith(self.nonce):
            raise LoginError("the server's SCRAM nonce is not ours")
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(fields["s"]), int(fields["i"]))
        unproved = f"c=biws,r={fields['r']}"
        transcript = ",".join([self.bare, challenge.decode(), unproved]).encode()
        key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
        signature = hmac.new(hashlib.sha256(key).digest(), transcript, hashlib.sha256).digest()
        server_key = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
        self.expected = hmac.new(server_key, transcript, hashlib.sha256).digest()
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        return f"{unproved},p={proof}".encode()

    def check(self, final: bytes) -> None:
        """The server must know the password too. Raises LoginError when it does not."""
        if base64.b64decode(_fields(final)["v"]) != self.expected:
            raise LoginError("the server does not know the password it accepted")


def verifier(password: str) -> str:
    """What PostgreSQL stores for a password, made here so that the password itself is in no statement and no server log.

    Source: PostgreSQL documentation, "pg_authid" (SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>), RFC 5802.
    """
    salt, iterations = os.urandom(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password), salt, iterations)
    stored = hashlib.sha256(hmac.new(salted, b"Client Key", hashlib.sha256).digest()).digest()
    server = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
    salt_text, stored_text, server_text = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${iterations}:{salt_text}${stored_text}:{server_text}"


def _fields(message: bytes) -> dict[str, str]:
    return dict(part.split("=", 1) for part in message.decode().split(","))


def _md5(user: str, password: str, salt: bytes) -> bytes:
    inner = hashlib.md5((password + user).encode()).hexdigest().encode()
    return b"md5" + hashlib.md5(inner + salt).hexdigest().encode() + b"\0"


def _answer(connection: _Connection, code: int, body: bytes, user: str, password: str) -> None:
    """One authentication request of the server, answered."""
    if code == CLEARTEXT:
        connection.send(b"p", password.encode() + b"\0")
    elif code == MD5:
        connection.send(b"p", _md5(user, password, body))
    elif code == SASL:
        scram = Scram(password)
        first = scram.first()
        connection.send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first)
        message = connection.receive()[1]
        connection.send(b"p", scram.final(message[4:]))
        message = connection.receive()[1]
        scram.check(message[4:])
    else:
        raise LoginError(f"the server asks for authentication method {code}, which is not known here")


class Session:
    """A logged-in connection. method: what the server asked for (scram, md5, cleartext, or trust when it asked for nothing)."""

    def __init__(self, connection: _Connection, method: str) -> None:
        self._connection, self.method = connection, method

    def execute(self, sql: str) -> None:
        """Run one statement and wait for its end. Raises LoginError with the server's words."""
        self._connection.send(b"Q", sql.encode() + b"\0")
        while self._connection.receive()[0] != READY:
            pass

    def leave(self) -> None:
        self._connection.send(b"X", b"")


def over(connected: socket.socket, user: str, password: str, database: str) -> Session:
    """Log in over a connection that is there already. Raises LoginError, and OSError when the connection breaks."""
    connection = _Connection(connected)
    parameters = f"user\0{user}\0database\0{database}\0\0".encode()
    connection.send(b"", struct.pack("!I", 196608) + parameters)  # protocol 3.0
    return Session(connection, _authenticate(connection, user, password))


def _authenticate(connection: _Connection, user: str, password: str) -> str:
    """Answer the server until it is ready; returns the method it asked for."""
    method = "trust"
    while True:
        kind, body = connection.receive()
        if kind == READY:
            return method
        code = struct.unpack("!I", body[:4])[0] if kind == AUTHENTICATION else OK
        if code not in (OK, SASL_FINAL):
            method = {CLEARTEXT: "cleartext", MD5: "md5", SASL: "scram"}.get(code, "unknown")
            _answer(connection, code, body[4:], user, password)


@contextlib.contextmanager
def session(host: str, port: int, user: str, password: str, database: str, timeout: float = 5.0) -> Iterator[Session]:
    """Connect and log in; closed at the end. timeout: seconds for each step. Raises LoginError with the server's words."""
    try:
        connected = socket.create_connection((host, port), timeout=timeout)
    except OSError as error:
        raise LoginError(f"{host}:{port} cannot be reached: {error}") from error
    with connected:
        try:
            logged_in = over(connected, user, password, database)
            yield logged_in
            logged_in.leave()
        except OSError as error:
            raise LoginError(f"{host}:{port} stopped answering: {error}") from error


def login(host: str, port: int, user: str, password: str, database: str, timeout: float = 5.0) -> str:
    """Log in and leave; returns the method the server asked for. Raises LoginError with the server's words."""
    with session(host, port, user, password, database, timeout) as logged_in:
        return logged_in.method


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    user, password = str(options["user"]), str(options.get("password") or "")
    database = str(options.get("database") or user)
    address = target.resolve(target.host, timeout)[0]
    try:
        method = login(address, target.port, user, password, database, timeout)
    except LoginError as error:
        if isinstance(error.__cause__, OSError):
            raise said(target, error.__cause__) from error
        if error.code in WRONG and not password:
            raise ProbeError("no_password", f"{target} asks for a password and the client holds none: {error}") from error
        if error.code in WRONG:
            raise ProbeError("auth", f"{target} does not accept the password that the client holds: {error}") from error
        raise ProbeError("status" if error.code else "protocol", f"{target} does not let {user} in: {error}") from error
    return f"{target} lets {user} into {database} ({'it asks for no password' if method == 'trust' else method})"
