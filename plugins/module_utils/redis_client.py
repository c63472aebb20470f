# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Redis in a running container, asked by its own redis-cli: where its program says that it listens, with the password that it accepts."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field

from ansible_collections.auren.stack.plugins.module_utils import container_io
from ansible_collections.auren.stack.plugins.module_utils.data_places import Program, redis_setting
from ansible_collections.auren.stack.plugins.module_utils.engine import Engine
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.takeover_read import program_of

PORT = "6379"
DENIED = re.compile(r"NOAUTH|NOPERM|WRONGPASS")
FAILED = re.compile(r"ERR |MISCONF|LOADING|\(error\)")


@dataclass(frozen=True)
class Redis:
    """A server that answers. words: how its client is called. environment: of the client alone; the password is in there."""

    engine: Engine
    id: str
    name: str
    words: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict, repr=False)

    def said(self, *words: str) -> tuple[str, str]:
        """The answer, also when it is a refusal, and what its client says when it cannot ask."""
        found = io.BytesIO()
        status, said = container_io.execute(self.engine, self.id, [*self.words, *words], self.environment, found)
        answer = found.getvalue().decode(errors="replace").replace("\r\n", "\n").strip("\n")
        return answer, (said or answer or f"exit status {status}") if status else ""

    def ask(self, *words: str) -> str:
        """The answer. Raises StackError for an error."""
        answer, why = self.said(*words)
        if DENIED.match(answer):
            raise StackError(f"the Redis in {self.name} does not accept the password for {words[0]}", "redis_password", self.name, answer)
        if why or FAILED.match(answer):
            raise StackError(
                f"the Redis in {self.name} answers {words[0]} with {(why or answer)[:200]!r}", "redis", self.name, why or answer
            )
        return answer

    def info(self) -> dict[str, str]:
        """The fields of INFO (Redis documentation, INFO)."""
        return {key: value for key, colon, value in (line.partition(":") for line in self.ask("INFO", "all").split("\n")) if colon}


def way(program: Program) -> tuple[str, ...]:
    """The options of redis-cli that lead to a server which is started so; none when it listens with TLS alone."""
    port, socket = redis_setting(program, "port") or PORT, redis_setting(program, "unixsocket")
    return ("-p", port) if port != "0" else ("-s", socket) if socket else ()


def reach(engine: Engine, container: str, password: str) -> Redis:
    """The Redis in a running container, given by id or name. password: one that it may have beside that in its own command or file.

    Raises StackError when it cannot be asked; of kind ``redis_password`` when it accepts neither.
    """
    raw = engine.inspect(container)
    if raw is None:
        raise StackError(f"there is no container {container} any more, so its Redis cannot be asked", "disappeared", container)
    name, program = raw["Name"].lstrip("/"), program_of(engine, raw)
    if not way(program):
        raise StackError(f"the Redis in {name} listens with TLS alone, so it cannot be asked", "redis", name)
    told = redis_setting(program, "requirepass")
    for one in dict.fromkeys((told, password)):
        found = Redis(engine, raw["Id"], name, ("redis-cli", *way(program)), {"REDISCLI_AUTH": one} if one else {})
        if not DENIED.match(found.said("PING")[0]):
            found.info()
            return found
    raise StackError(f"the Redis in {name} accepts no password that is known", "redis_password", name)
