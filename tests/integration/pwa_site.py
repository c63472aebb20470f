"""The nginx of roles/pwa in its container, in front of two backends that tell what reached them."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.integration.harness import ROOT, RUN, docker, image

NGINX = "nginx:1.28-alpine"
NEUROS, BIOMETRIC = f"{RUN}-pwa-neuros", f"{RUN}-pwa-biometric"
CSP = "default-src 'self'; connect-src 'self'"
VARIABLES: dict[str, Any] = {
    "auren_neuros_host": NEUROS,
    "auren_neuros_port": 8000,
    "auren_biometric_host": BIOMETRIC,
    "auren_biometric_port": 8888,
    "auren_pwa_port": 8080,
    "auren_pwa_tls_port": 8443,
    "pwa_tls": "off",
    "pwa_tls_port": 443,
    "pwa_csp": CSP,
    "pwa_csp_report_only": False,
    "pwa_body_max": "1m",
}
BUNDLE = {
    "index.html": "<!doctype html><title>the app</title>" + "<!-- long enough to be compressed -->" * 20,
    "sw.js": "// worker",
    "manifest.webmanifest": "{}",
    "favicon.svg": "<svg/>",
    "icon-1024x1024.png": "png",
    "logo-background.svg": "<svg/>",
    "workbox-1a2b3c4d.js": "// hashed",
    "module.mjs": "// module",
    "code.wasm": "wasm",
    ".env": "hidden",
    "assets/index-DiwrgTda.js": "export const a = 1;\n" * 100,
    "assets/small.css": "a{}",
}
UPSTREAM = """
import json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def send(self, status, body, **headers):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def chunks(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in (b"first" * 200, b"last"):
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(part), part))
            time.sleep(0.7)
        self.wfile.write(b"0\\r\\n\\r\\n")

    def socket(self):
        self.send_response(101)
        self.send_header("Upgrade", self.headers["Upgrade"])
        self.send_header("Connection", self.headers["Connection"])
        self.end_headers()
        self.wfile.write(b"echo " + self.rfile.readline())
        self.close_connection = True

    def do_GET(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        path = self.path.partition("?")[0]
        if path == "/slow":
            time.sleep(3)
        if path.startswith("/status/"):
            self.send(int(path[8:]), b'{"detail":"mine"}', Cache_Control="private", X_Content_Type_Options="nosniff")
        elif path == "/redirect":
            self.send(307, b"", Location=f"http://{self.headers['Host']}/there/")
        elif path == "/chunks":
            self.chunks()
        elif path == "/socket":
            self.socket()
        else:
            seen = {"name": sys.argv[1], "method": self.command, "path": self.path, "version": self.request_version, "body": body}
            self.send(200, json.dumps({**seen, "headers": {k.lower(): v for k, v in self.headers.items()}}).encode())

    do_POST = do_PUT = do_DELETE = do_GET

ThreadingHTTPServer(("", int(sys.argv[2])), Handler).serve_forever()
"""


@dataclass(frozen=True)
class Answer:
    status: int
    pairs: list[tuple[str, str]]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name; a name that comes twice is a mistake of the configuration."""
        names = [name for name, _ in self.pairs]
        assert len(names) == len(set(names)), self.pairs
        return dict(self.pairs)

    @property
    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json", self.pairs
        return json.loads(self.body)


@dataclass(frozen=True)
class Site:
    """A running nginx and the ports under which this host reaches it."""

    name: str
    plain: int
    tls: int = 0

    def connect(self, secure: bool = False) -> http.client.HTTPConnection:
        if secure:
            return http.client.HTTPSConnection("127.0.0.1", self.tls, timeout=20, context=ssl._create_unverified_context())
        return http.client.HTTPConnection("127.0.0.1", self.plain, timeout=20)

    def ask(self, path: str, method: str = "GET", body: str | None = None, secure: bool = False, **headers: str) -> Answer:
        connection = self.connect(secure)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, [(name.lower(), value) for name, value in answer.getheaders()], answer.read())
        finally:
            connection.close()

    def says(self, raw: str) -> str:
        """The first bytes of the answer to a request of exactly these bytes."""
        with socket.create_connection(("127.0.0.1", self.plain), timeout=5) as one:
            one.sendall(raw.encode())
            return one.recv(65536).decode()


def until(what: str, condition: Callable[[], bool], seconds: float = 10) -> float:
    """Wait for a condition and return how long it took; fails naming `what` after so many seconds."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() < start + seconds, f"{what}: not within {seconds} s"
        time.sleep(0.1)
    return time.monotonic() - start


def certificate() -> str:
    """A chain of one and its key, in one text."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now()
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return (builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + private).decode()


def written(directory: Path, files: dict[str, str]) -> Path:
    """These files in this directory, readable for the container's user."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def configuration(**variables: Any) -> dict[str, str]:
    """The rendered templates, by file name."""
    loader = jinja2.FileSystemLoader(ROOT / "roles/pwa/templates")
    templates = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    templates.filters["bool"] = lambda value: str(value).lower() in ("true", "yes", "1")  # as Ansible's
    names = [name for name in templates.list_templates() if name.endswith(".conf.j2")]
    return {name[:-3]: templates.get_template(name).render({**VARIABLES, **variables}) for name in names}


@dataclass(frozen=True)
class Lab:
    """A network with the two backends, and what it takes to put an nginx on it."""

    network: str
    directory: Path

    def words(self, name: str, files: dict[str, str], *more: str) -> list[str]:
        """The arguments of `docker run`, as the role's service has them."""
        made = self.directory / name
        config = written(made / "config", {**files, "config.json": '{"flag": true}'})
        bundle = written(made / "bundle", BUNDLE)
        secret = written(made / "secrets", {"pwa_tls": certificate()})
        mounts = {config: "/etc/auren-pwa", bundle: "/usr/share/nginx/html", secret / "pwa_tls": "/run/secrets/pwa_certificate"}
        binds = [word for source, target in mounts.items() for word in ("-v", f"{source}:{target}:ro")]
        hard = ["--user", "101:101", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        return ["--name", name, "--network", self.network, *hard, *binds, *more, image("nginx"), "nginx", "-c", "/etc/auren-pwa/nginx.conf"]

    def site(self, short: str, files: dict[str, str]) -> Site:
        name = f"{RUN}-pwa-{short}"
        ports = ["-p", "127.0.0.1::8080", "-p", "127.0.0.1::8443"]
        docker("run", "-d", *self.words(name, files, *ports), "-g", "daemon off;")
        plain, tls = (int(docker("port", name, port).rpartition(":")[2]) for port in ("8080", "8443"))
        made = Site(name, plain, tls)
        until(f"{name} answers", lambda: reached(made, "/healthz"))
        return made

    def backend(self, name: str, port: int) -> str:
        """Start a backend that says `name` of itself; returns its address. Its script is its own: it may still be reading it when another
        one is written."""
        script = written(self.directory / name, {"server.py": UPSTREAM})
        command = ["python3", "-u", "/srv/server.py", name, str(port)]
        docker("run", "-d", "--name", name, "--network", self.network, "-v", f"{script}:/srv:ro", image("python"), *command)
        return docker("inspect", "-f", f'{{{{(index .NetworkSettings.Networks "{self.network}").IPAddress}}}}', name)


def reached(site: Site, path: str) -> bool:
    try:
        return site.ask(path).status == 200
    except (OSError, http.client.HTTPException):
        return False
