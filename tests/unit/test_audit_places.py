"""Who follows a URL, and how wide a port is open: planted errors, and the same statement when it is right."""

from __future__ import annotations

import pytest

from tests.unit.audit_host import verdicts

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
