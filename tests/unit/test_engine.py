"""What the Engine's answers mean, and its silence."""

from __future__ import annotations

from typing import Any

import docker.errors
import pytest
import requests
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.gate import Gate

from tests.unit.builders import service


class Away:
    """What the SDK raises while the Engine is being restarted, or says."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def inspect_container(self, _name: str) -> dict[str, Any]:
        raise self.error

    def logs(self, _name: str, **_options: Any) -> bytes:
        raise self.error

    def containers(self, **_options: Any) -> list[dict[str, Any]]:
        return [{"Id": "a", "Names": ["/one"], "Image": "img:1", "ImageID": "sha256:1", "State": "running"}]

    def volumes(self) -> dict[str, Any]:
        return {}


def engine(error: Exception) -> Engine:
    found = object.__new__(Engine)
    found.api, found.version = Away(error), (1, 45)
    return found


def answered(status: int) -> requests.Response:
    found = requests.Response()
    found.status_code = status
    return found


SILENT = [
    requests.exceptions.ConnectionError("Connection aborted", FileNotFoundError(2, "No such file or directory")),
    requests.exceptions.ReadTimeout("Read timed out"),
    docker.errors.APIError("starting", answered(503), "starting"),
    docker.errors.DockerException("no answer"),
]


@pytest.mark.parametrize("error", SILENT, ids=lambda error: type(error).__name__)
def test_an_engine_that_does_not_answer_is_told_as_an_error(error: Exception) -> None:
    """Also at a gate: what follows from a StackError is the way back."""
    away = engine(error)
    for ask in (lambda: away.container("one"), lambda: away.snapshot(["one"]), lambda: Gate(away, {"one": service()}).wait(["one"])):
        with pytest.raises(StackError, match="cannot inspect ") as caught:
            ask()
        assert caught.value.kind == "engine"


def test_a_container_that_is_not_there_is_none() -> None:
    answers = engine(docker.errors.NotFound("No such container: one", answered(404)))
    assert answers.container("one") is None
    assert answers.snapshot(["one"]).container("one") is not None  # as it was listed: it went meanwhile
    with pytest.raises(StackError, match="one did not pass the gate: it disappeared") as caught:
        Gate(answers, {"one": service()}).wait(["one"])
    assert caught.value.kind == "gate"
