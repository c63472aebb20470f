"""The nginx in front of a PWA's bundle and the two backends, for real: its configuration in the image, answers to requests."""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.harness import RUN, docker, image
from tests.integration.pwa_site import BIOMETRIC, BUNDLE, CSP, NEUROS, Lab, Site, configuration, reached, until

SECURITY = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(self), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "server": "nginx",
}
IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def lab(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    network = f"{RUN}-pwa"
    docker("network", "create", network)
    made = Lab(network, tmp_path_factory.mktemp("pwa"))
    try:
        made.backend(NEUROS, 8000)
        made.backend(BIOMETRIC, 8888)
        yield made
    finally:
        docker("rm", "-fv", *docker("ps", "-aq", "--filter", f"name=^/{RUN}-pwa-").split(), check=False)
        docker("network", "rm", network, check=False)


@pytest.fixture(scope="module")
def site(lab: Lab) -> Site:
    made = lab.site("plain", configuration())
    until("the backends answer", lambda: reached(made, "/api/neuros/health") and reached(made, "/api/biometric/health"))
    return made


@pytest.fixture(scope="module")
def secure(lab: Lab) -> Site:
    return lab.site("tls", configuration(pwa_tls="self_signed", pwa_tls_port="443", pwa_csp_report_only="true"))


@pytest.fixture(scope="module")
def troubled(lab: Lab) -> Site:
    """One backend is missing from the start; for the other one, time is short."""
    files = configuration(auren_biometric_host=f"{RUN}-nowhere")
    short = files["proxy.conf"].replace("65s", "1s")
    assert short.count(" 1s;") == 2
    return lab.site("troubled", {**files, "proxy.conf": short})


@pytest.mark.parametrize("variables", [{}, {"pwa_tls": "files", "pwa_csp": ""}, {"pwa_csp": "default-src 'self';\n  img-src data:\n"}])
def test_nginx_takes_the_configuration_without_a_warning(lab: Lab, variables: dict[str, Any]) -> None:
    words = lab.words(f"{RUN}-pwa-try", configuration(**variables))
    done = subprocess.run(["docker", "run", "--rm", *words, "-t"], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "[warn]" not in said


@pytest.mark.parametrize(("prefix", "name"), [("neuros", NEUROS), ("biometric", BIOMETRIC)], ids=["neuros", "biometric"])
def test_a_backend_gets_the_raw_path_without_the_prefix(site: Site, prefix: str, name: str) -> None:
    answer = site.ask(f"/api/{prefix}/a%2Fb/api/c%20d.js?q=%2F&x=1", "POST", "{}", X_Forwarded_For="9.9.9.9", Upgrade="h2c")
    assert answer.headers["cache-control"] == "no-store"
    seen = answer.json
    assert (seen["name"], seen["method"], seen["body"]) == (name, "POST", "{}")
    assert (seen["path"], seen["version"]) == ("/a%2Fb/api/c%20d.js?q=%2F&x=1", "HTTP/1.1")
    headers = seen["headers"]
    assert headers["x-forwarded-for"].startswith("9.9.9.9, ")
    assert (headers["host"], headers["x-forwarded-host"]) == ("127.0.0.1", f"127.0.0.1:{site.plain}")
    assert (headers["x-forwarded-proto"], headers["connection"]) == ("http", "close")
    assert len(headers["x-request-id"]) == 32
    assert "upgrade" not in headers


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_an_answer_arrives_as_it_comes(site: Site, encoding: str) -> None:
    connection = site.connect()
    connection.request("GET", "/api/neuros/chunks", headers={"Accept-Encoding": encoding})
    answer = connection.getresponse()
    start, first = time.monotonic(), answer.read1(65536)
    until_first, rest = time.monotonic() - start, answer.read()
    connection.close()
    assert until_first < 0.4 < time.monotonic() - start
    whole = gzip.decompress(first + rest) if encoding == "gzip" else first + rest
    assert whole == b"first" * 200 + b"last"


def test_a_websocket_passes(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.plain), timeout=5) as one, one.makefile("rwb") as stream:
        stream.write(b"GET /api/neuros/socket HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        stream.flush()
        assert stream.readline().split()[1] == b"101"
        while stream.readline().strip():
            pass
        stream.write(b"hello\n")
        stream.flush()
        assert stream.readline() == b"echo hello\n"


@pytest.mark.parametrize("status", [404, 422, 500, 502])
def test_a_backends_own_errors_and_headers_pass_unchanged(site: Site, status: int) -> None:
    answer = site.ask(f"/api/biometric/status/{status}", "POST", "{}")
    assert (answer.status, answer.json) == (status, {"detail": "mine"})
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("private", "nosniff")


def test_a_backends_redirect_stays_below_its_prefix(site: Site) -> None:
    answer = site.ask("/api/biometric/redirect")
    assert (answer.status, answer.headers["location"]) == (307, "/api/biometric/there/")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("path", "status"),
    [("/api", 404), ("/api/neuros", 404), ("/api/other", 404), ("/api/app.js", 404), ("//api/neuros/x", 400), ("/%61pi/neuros/x", 400)],
)
def test_what_is_no_backends_path_is_an_error_in_json(site: Site, path: str, status: int, method: str) -> None:
    answer = site.ask(path, method)
    assert (answer.status, answer.json["status"]) == (status, status)
    assert answer.headers["cache-control"] == "no-store"
    assert SECURITY.items() <= answer.headers.items()


def test_a_large_body_is_refused_and_one_below_the_limit_arrives(site: Site) -> None:
    refused = site.ask("/api/neuros/x", "POST", "x" * (1024 * 1024 + 1))
    assert (refused.status, refused.json["status"]) == (413, 413)
    assert len(site.ask("/api/neuros/x", "POST", "x" * 1024 * 1024).json["body"]) == 1024 * 1024


def test_a_missing_and_a_slow_backend_are_errors_in_json(troubled: Site) -> None:
    assert troubled.ask("/").status == 200
    for path, status in {"/api/biometric/health": 502, "/api/neuros/slow": 504}.items():
        answer = troubled.ask(path, "POST", "{}")
        assert (answer.status, answer.json["status"], answer.headers["cache-control"]) == (status, status, "no-store")


def test_a_backend_with_another_address_works_without_a_reload(lab: Lab, site: Site) -> None:
    before = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", BIOMETRIC)
    assert site.ask("/api/biometric/health").status == 200
    docker("rm", "-f", BIOMETRIC)
    docker("run", "-d", "--name", f"{RUN}-pwa-filler", "--network", lab.network, image("python"), "sleep", "60")
    assert site.ask("/api/biometric/health").json["status"] in (502, 504)
    assert lab.backend(BIOMETRIC, 8888) != before
    until("the recreated backend", lambda: reached(site, "/api/biometric/health"), 5)


@pytest.mark.parametrize("path", ["/", "/index.html", "/body", "/send/", "/users/7?tab=a.b", "/apiary"])
def test_a_page_of_the_app_is_the_index(site: Site, path: str) -> None:
    answer = site.ask(path)
    assert (answer.status, answer.body.decode()) == (200, BUNDLE["index.html"])
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("text/html", "no-store")
    assert SECURITY.items() <= answer.headers.items()


@pytest.mark.parametrize(
    "path", ["/assets/index-Missing1.js", "/assets/", "/assets/x", "/.well-known/x", "/a.js", "/a/b.css", "/a.png", "/a.js.map", "/.env"]
)
def test_a_missing_file_is_no_page(site: Site, path: str) -> None:
    answer = site.ask(path)
    assert (answer.status, answer.json) == (404, {"error": "not found", "status": 404})
    assert answer.headers["cache-control"] == "no-store"
    assert SECURITY.items() <= answer.headers.items()


@pytest.mark.parametrize(
    ("path", "kind", "cache"),
    [
        ("/assets/index-DiwrgTda.js", "application/javascript", IMMUTABLE),
        ("/assets/small.css", "text/css", IMMUTABLE),
        ("/workbox-1a2b3c4d.js", "application/javascript", IMMUTABLE),
        ("/sw.js", "application/javascript", "no-store"),
        ("/manifest.webmanifest", "application/manifest+json", "no-store"),
        ("/config.json", "application/json", "no-store"),
        ("/icon-1024x1024.png", "image/png", "no-cache"),
        ("/logo-background.svg", "image/svg+xml", "no-cache"),
        ("/module.mjs", "application/javascript", "no-cache"),
        ("/code.wasm", "application/wasm", "no-cache"),
    ],
)
def test_a_file_has_its_type_and_is_kept_as_long_as_its_name_allows(site: Site, path: str, kind: str, cache: str) -> None:
    answer = site.ask(path)
    assert (answer.status, answer.headers["content-type"], answer.headers["cache-control"]) == (200, kind, cache)
    assert SECURITY.items() <= answer.headers.items()


def test_text_is_compressed_unless_it_is_small(site: Site) -> None:
    large, small = (site.ask(f"/assets/{name}", Accept_Encoding="gzip") for name in ("index-DiwrgTda.js", "small.css"))
    assert (large.headers["content-encoding"], large.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(large.body).decode() == BUNDLE["assets/index-DiwrgTda.js"]
    assert "content-encoding" not in small.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/body", "/sw.js", "/config.json", "/assets/small.css"])
def test_the_bundle_can_only_be_read(site: Site, method: str, path: str) -> None:
    answer = site.ask(path, method, "{}")
    assert (answer.status, answer.json["status"], answer.headers["allow"]) == (405, 405, "GET, HEAD")
    assert SECURITY.items() <= answer.headers.items()


def test_it_runs_without_rights_and_logs_requests_but_no_health_checks(site: Site) -> None:
    status = docker("exec", site.name, "cat", "/proc/1/status")
    assert "Uid:\t101\t101\t101\t101" in status
    assert "CapEff:\t0000000000000000" in status
    assert docker("inspect", "-f", "{{.HostConfig.ReadonlyRootfs}}", site.name) == "true"
    assert (site.ask("/healthz").body, site.ask("/logged").status) == (b"ok", 200)
    until("the request is logged", lambda: '"GET /logged HTTP/1.1" 200' in docker("logs", site.name))
    assert "healthz" not in docker("logs", site.name)


@pytest.mark.parametrize("path", ["/", "/assets/small.css?a=%2F", "/api/neuros/x"])
def test_plain_http_leads_to_https_with_the_same_method(secure: Site, path: str) -> None:
    answer = secure.ask(path, "POST", "{}", Host="app.example:80")
    assert (answer.status, answer.headers["location"]) == (308, f"https://app.example{path}")
    assert answer.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in answer.headers
    assert secure.ask("/healthz").body == b"ok"


@pytest.mark.parametrize("head", ["HTTP/1.0\r\n", 'HTTP/1.1\r\nHost: a"b\r\n', "HTTP/1.1\r\nHost: x@y\r\n"])
def test_a_host_that_is_none_is_sent_nowhere(secure: Site, head: str) -> None:
    assert secure.says(f"GET / {head}\r\n").split()[1] == "400"


def test_the_public_port_443_is_not_named() -> None:
    assert "https://$host$request_uri" in configuration(pwa_tls="files", pwa_tls_port="443")["nginx.conf"]


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/healthz", 200), ("/a.js", 404), ("/api/neuros/x", 200)])
def test_https_serves_the_same_site_and_says_so_for_a_year(lab: Lab, secure: Site, path: str, status: int) -> None:
    answer = secure.ask(path, secure=True)
    assert (answer.status, answer.headers["strict-transport-security"]) == (status, "max-age=31536000")
    if path == "/api/neuros/x":
        assert answer.json["headers"]["x-forwarded-proto"] == "https"
    else:
        assert answer.headers["content-security-policy-report-only"] == CSP


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_https_speaks_http2_over_tls_1_2_and_1_3(secure: Site, version: ssl.TLSVersion) -> None:
    context = ssl._create_unverified_context()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", secure.tls), timeout=5) as one, context.wrap_socket(one) as wrapped:
        assert wrapped.selected_alpn_protocol() == "h2"


def test_what_is_no_http_is_an_error_in_json(site: Site) -> None:
    answer = site.says("GET / HTTP/1.1\r\n\r\n")
    assert answer.startswith("HTTP/1.1 400 ")
    assert answer.endswith('{"error":"bad request","status":400}')


def test_tls_on_another_port_is_named_and_never_remembered_by_a_browser() -> None:
    files = configuration(pwa_tls="files", pwa_tls_port=9443)
    assert "return 308 https://$host:9443$request_uri;" in files["nginx.conf"]
    assert "Strict-Transport-Security max-age" not in "".join(files.values())
