"""Who follows a URL, and how wide a port is open: planted errors, and the same statement when it is right."""

from __future__ import annotations

import pytest
from ansible_collections.auren.stack.plugins.module_utils.model import Binding

from tests.unit.audit_host import facts, judged, verdicts, with_container

GRAFANA = "- Grafana: http://auren-grafana:3000\n- PWA: http://203.0.113.7:8080\n"
READ = ["false", "true"]
ALWAYS = ["true", "true"]


def of_urls(text: str) -> list[str]:
    return [verdict for kind, verdict in verdicts(text) if kind == "url"]


@pytest.mark.parametrize(
    ("heading", "wanted"),
    [
        ("## Access URLs", READ),
        ("## Access", READ),
        ("## 3. URLs", READ),
        ("## 🌐 Web interfaces", READ),
        ("## Dashboards", READ),
        ("## Access\n\n### Monitoring", READ),
        ("## Access & URLs", READ),
        ("**Access:**", READ),
        ("## Internal URLs", ALWAYS),
        ("## Access from containers", ALWAYS),
        ("## Access\n\n### Between containers", ALWAYS),
        ("## Access\n\nContainers use these:", ALWAYS),
        ("## Access\n\nContainers use these:\n\n- x\n\nBut browsers do not.", READ),
        ("## Services", ALWAYS),
        ("## Access control", ALWAYS),
        ("## Network interfaces", ALWAYS),
    ],
)
def test_a_heading_says_who_follows_the_urls_below_it(heading: str, wanted: list[str]) -> None:
    assert of_urls(f"{heading}\n\n{GRAFANA}") == wanted


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        ("- Grafana: http://auren-grafana:3000 (internal)", ["true"]),
        ("- Internal URL: http://auren-grafana:3000", ["true"]),
        ("- Prometheus scrapes http://neuros-advanced:8000/metrics", ["true"]),
        ("| Service | Endpoint |\n|---|---|\n| Grafana | http://auren-grafana:3000 |", ["false"]),
        ("- Data source: http://auren-grafana:3000", ["true"]),
        ("- Prometheus target: http://auren-grafana:3000", ["true"]),
        ("- Prometheus connects to http://auren-grafana:3000", ["true"]),
        ("- http://auren-grafana:3000 (Grafana)", ["false"]),
        ("Grafana is http://auren-grafana:3000.", ["true"]),
        ("| Dashboard | Data source |\n|---|---|\n| Overview | http://auren-grafana:3000 |", ["true"]),
        ("| Service | Internal endpoint |\n|---|---|\n| Grafana | http://auren-grafana:3000 |", ["true"]),
    ],
)
def test_words_that_mean_inside_win(item: str, wanted: list[str]) -> None:
    assert of_urls(f"## Access URLs\n\n{item}\n") == wanted


@pytest.mark.parametrize("key", ["VITE_API_URL", "REACT_APP_API_URL", "NEXT_PUBLIC_API_URL"])
@pytest.mark.parametrize("form", ["```env\n{}\n```", "```yaml\nservices:\n  pwa:\n    environment:\n      - {}\n```", "Set `{}`."])
def test_what_is_built_into_a_page_is_a_browsers(key: str, form: str) -> None:
    assert of_urls(form.format(f"{key}=http://neuros-advanced:8000")) == ["false"]
    assert of_urls(form.format(f"{key}=http://203.0.113.7:8080")) == ["true"]
    assert "false" not in of_urls(form.format("API_URL=http://neuros-advanced:8000"))


OPEN = with_container("auren-postgres", bindings=(Binding("0.0.0.0", 5432, "5432/tcp"),))
ADDRESS = with_container("auren-postgres", bindings=(Binding("203.0.113.7", 5432, "5432/tcp"),))


@pytest.mark.parametrize(
    ("text", "loopback", "everywhere"),
    [
        ("PostgreSQL is exposed on port 5432 to the internet.", "false", "unprovable"),
        ("PostgreSQL is publicly reachable on port 5432.", "false", "unprovable"),
        ("PostgreSQL is published on port 5432 on all interfaces.", "false", "true"),
        ("PostgreSQL is publicly exposed on port 5432.", "false", "true"),
        ("| Service | Public port |\n|---|---|\n| auren-postgres | 5432 |", "false", "true"),
        ("PostgreSQL is published on 0.0.0.0:5432.", "false", "true"),
        ("PostgreSQL is published on `0.0.0.0:5432`", "false", "true"),
        ("PostgreSQL is published on 127.0.0.1:5432.", "true", "false"),
        ("PostgreSQL is reached on 127.0.0.1:5432.", "true", "true"),
        ("PostgreSQL is published on port 5432.", "true", "true"),
        ("PostgreSQL listens on port 5432.", "true", "true"),
        ("PostgreSQL uses port 5432, and the PWA is reachable from the internet.", "true", "true"),
        ("The PWA is published on all interfaces; port 5432 of PostgreSQL is local.", "true", "true"),
        ("The internet reaches PostgreSQL only through the proxy, on port 5432.", "true", "true"),
        ("| Service | Host port |\n|---|---|\n| auren-postgres | 5432 |", "true", "true"),
    ],
)
def test_how_wide_a_port_is_published(text: str, loopback: str, everywhere: str) -> None:
    for host, wanted in ((facts(), loopback), (facts(containers=OPEN), everywhere)):
        found = [one for one in judged(text, host) if one.kind == "port"]
        assert [one.verdict for one in found] == [wanted], found
        assert found[0].verdict != "false" or "auren-postgres publishes" in found[0].evidence


def test_what_is_published_at_one_address_of_the_host_may_be_public() -> None:
    assert verdicts("PostgreSQL is publicly exposed on port 5432.", facts(containers=ADDRESS)) == [("port", "unprovable")]


@pytest.mark.parametrize("text", ["PostgreSQL is not publicly reachable on port 5432.", "PostgreSQL is exposed publicly via port 5432."])
def test_what_is_not_for_everybody_is_no_claim_of_a_port(text: str) -> None:
    assert verdicts(text, facts(containers=OPEN)) == []


@pytest.mark.parametrize("text", ["NEUROS asks for auren-pwa:8080.", "The PWA maps 80:8080."])
def test_a_port_at_the_end_of_a_sentence(text: str) -> None:
    assert verdicts(text) == [("port", "false")]
    assert verdicts(text.replace("auren-pwa:8080", "auren-pwa:80").replace("80:8080", "8080:80")) == [("port", "true")]


@pytest.mark.parametrize(
    ("link", "wrong", "right"),
    [
        ("postgresql://auren-postgres:{}/auren", 5433, 5432),
        ("postgresql+asyncpg://auren:****@auren-postgres:{}/auren", 5433, 5432),
        ("redis://auren-redis:{}/0", 6380, 6379),
        ("redis://:****@auren-redis:{}", 6380, 6379),
        ("kafka://auren-kafka:{}", 9093, 9092),
        ("amqp://auren-kafka:{}", 5672, 9092),
        ("postgres://localhost:{}/auren", 5433, 5432),
    ],
)
@pytest.mark.parametrize("form", ["NEUROS connects to {}.", "Users access `{}`.", "| Setting | Value |\n|---|---|\n| DATABASE_URL | {} |"])
def test_a_connection_is_judged_like_any_url(form: str, link: str, wrong: int, right: int) -> None:
    assert of_urls(form.format(link.format(wrong))) == ["false"]
    assert of_urls(form.format(link.format(right))) == ["true"]


def test_a_connection_without_a_port_and_one_in_a_variable() -> None:
    assert of_urls("NEUROS connects to redis://auren-redis/0, amqp://auren-kafka, and kafka://a:1,b:2.") == ["true", "false", "unprovable"]
    assert of_urls("```env\nA_URL=redis://auren-redis:6380\nB_URL=redis://auren-redis:6379\n```") == ["false", "true"]
    assert (
        of_urls("```env\nA_URL=redis://localhost:6380\nB_URL=http://203.0.113.7:3000\n```") == []
    )  # which place that is depends on who reads it
    assert of_urls("```bash\npsql postgresql://auren-postgres:5432/auren\n```") == ["false"]


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        ("neuros-advanced:8001", ("port", "false")),
        ("neuros-advanced:8000", ("port", "true")),
        ('"Grafana :3001"', ("port", "false")),
        ('"Grafana :3000"', ("port", "true")),
        ('"Grafana<br/>:3001"', ("port", "false")),
    ],
)
def test_a_port_in_the_line_of_a_nodes_name(node: str, wanted: tuple[str, str]) -> None:
    text = f"```mermaid\ngraph LR\n  a[{node}] --> b[auren-redis]\n```"
    assert [one for one in verdicts(text) if one[0] == "port"] == [wanted]
    assert verdicts(text).count(("container", "true")) == 2
    assert not [one for one in verdicts(text.replace(node, "redis:16")) if one[0] == "port"]


@pytest.mark.parametrize("heads", ["From | To | Port", "Source | Destination | Port", "Client | Server | Port"])
def test_a_table_of_who_asks_whom_has_the_ports_of_those_who_answer(heads: str) -> None:
    table = f"| {heads} |\n|---|---|---|\n"
    assert verdicts(f"{table}| NEUROS | Redis | 6379 |\n| NEUROS | PWA | 80 |\n| Users | PWA | 8080 |") == [("port", "true")] * 3
    assert verdicts(f"{table}| NEUROS | Redis | 6380 |\n| NEUROS | PWA | 8080 |\n| Users | PWA | 8081 |") == [("port", "false")] * 3
    assert verdicts(f"{table}| NEUROS | the office | 6380 |") == []
