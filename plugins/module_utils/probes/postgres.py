# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Log in to PostgreSQL over TCP with nothing but Python.

Source: PostgreSQL documentation, "Frontend/Backend Protocol" (3.0), "SASL Authentication" (SCRAM-SHA-256, RFC 7677) and
"PostgreSQL Error Codes". Options of the probe: user, database, password (what the client holds); extension: one that must be
installed; tables: name → columns that must be there.
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

AUTHENTICATION, ERROR, READY, ROW = b"R", b"E", b"Z", b"D"
OK, CLEARTEXT, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 10, 11, 12
LONGEST = 1 << 20  # bytes of a message
LOGIN = ("28", "3D", "53", "57")  # classes of SQLSTATE that a login ends with
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
        self.rows(sql)

    def rows(self, sql: str) -> list[list[str]]:
        """Run one statement; its rows as text, NULL as empty. Raises LoginError with the server's words."""
        self._connection.send(b"Q", sql.encode() + b"\0")
        found: list[list[str]] = []
        while True:
            kind, body = self._connection.receive()
            if kind == ROW:
                found.append(_row(body))
            elif kind == READY:
                return found

    def leave(self) -> None:
        self._connection.send(b"X", b"")


def _row(body: bytes) -> list[str]:
    """DataRow: for each column a length, -1 for NULL, and the value."""
    at, columns = 2, []
    for _column in range(struct.unpack_from("!H", body)[0]):
        length = struct.unpack_from("!i", body, at)[0]
        columns.append(body[at + 4 : at + 4 + length].decode(errors="replace") if length > 0 else "")
        at += 4 + max(length, 0)
    return columns


def quoted(text: str) -> str:
    """A string constant of SQL."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


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
    try:
        logged_in = over(connected, user, password, database)
        yield logged_in
        logged_in.leave()
    except OSError as error:
        raise LoginError(f"{host}:{port} stopped answering: {error}") from error
    finally:
        connected.close()


def login(host: str, port: int, user: str, password: str, database: str, timeout: float = 5.0) -> str:
    """Log in and leave; returns the method the server asked for. Raises LoginError with the server's words."""
    with session(host, port, user, password, database, timeout) as logged_in:
        return logged_in.method


@contextlib.contextmanager
def opened(target: Target, options: Mapping[str, Any], timeout: float) -> Iterator[Session]:
    """A session as a probe has it. options: user, database, password. Raises ProbeError, also for what is asked in it."""
    user, password = str(options["user"]), str(options.get("password") or "")
    address = target.resolve(target.host, timeout)[0]
    try:
        with session(address, target.port, user, password, str(options.get("database") or user), timeout) as logged_in:
            yield logged_in
    except LoginError as error:
        raise _refused(target, user, password, error) from error


def probe(target: Target, options: Mapping[str, Any], timeout: float) -> str:
    user = str(options["user"])
    database = str(options.get("database") or user)
    with opened(target, options, timeout) as logged_in:
        lacking = _lacking(logged_in, options)
    if lacking:
        raise ProbeError("missing", f"{database} on {target} has no {', no '.join(lacking)}")
    how = "it asks for no password" if logged_in.method == "trust" else logged_in.method
    has = f", with {', '.join(_wanted(options))}" if _wanted(options) else ""
    return f"{target} lets {user} into {database} ({how}){has}"


def _refused(target: Target, user: str, password: str, error: LoginError) -> ProbeError:
    if isinstance(error.__cause__, OSError):
        return said(target, error.__cause__)
    if error.code in WRONG and not password:
        return ProbeError("no_password", f"{target} asks for a password and the client holds none: {error}")
    if error.code in WRONG:
        return ProbeError("auth", f"{target} does not accept the password that the client holds: {error}")
    if error.code and error.code[:2] not in LOGIN:
        return ProbeError("status", f"{target} refuses what {user} asks: {error}")
    return ProbeError("status" if error.code else "protocol", f"{target} does not let {user} in: {error}")


def _wanted(options: Mapping[str, Any]) -> list[str]:
    extension = [f"extension {options['extension']}"] if options.get("extension") else []
    return extension + [f"table {table}" for table in options.get("tables") or {}]


def _lacking(logged_in: Session, options: Mapping[str, Any]) -> list[str]:
    """The extension, tables and columns that are not there, in words."""
    lacking = []
    extension = str(options.get("extension") or "")
    if extension and not logged_in.rows(f"SELECT 1 FROM pg_extension WHERE extname = {quoted(extension)}"):
        lacking.append(f"extension {extension}")
    for table, columns in (options.get("tables") or {}).items():
        sql = f"SELECT attname FROM pg_attribute WHERE attrelid = to_regclass({quoted(table)}) AND attnum > 0 AND NOT attisdropped"
        there = {row[0] for row in logged_in.rows(sql)}
        lacking += [f"column {column} in table {table}" for column in columns or [] if column not in there] if there else [f"table {table}"]
    return lacking
