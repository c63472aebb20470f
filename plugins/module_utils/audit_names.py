# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which container a document means when it says "PostgreSQL", "NEUROS Advanced" or "`auren-redis`". Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from ansible_collections.auren.stack.plugins.module_utils.audit_model import Facts

SAME = {"postgresql": "postgres", "timescaledb": "postgres", "timescale": "postgres", "pg": "postgres"}  # other words for it
NOISE = {  # words that say what something is and not who
    *("the", "a", "container", "containers", "service", "server", "api", "db", "database", "cache", "broker", "instance", "app", "docker"),
    *("application", "ui", "dashboard", "dashboards", "backend", "frontend", "message", "queue", "bus", "time", "series", "store", "our"),
    *("reverse", "proxy", "metrics", "web", "main", "production", "event", "streaming", "stream", "reasoning", "engine", "in", "memory"),
}
LONGEST = 100  # characters of a name
MACHINE = re.compile(r"[a-z0-9][a-z0-9_.-]*[a-z0-9]")


def words(text: str) -> list[str]:
    """The words of a name, each in the form that is compared."""
    return [SAME.get(word, word) for word in re.findall(r"[a-z0-9]+", text.lower())]


def plain(text: str) -> str:
    return " ".join(words(text))


class Names:
    """The names of a host's containers, and of declared services that have none."""

    def __init__(self, facts: Facts) -> None:
        self.own = list(dict.fromkeys([*(one.name for one in facts.containers), *facts.services]))
        self.exact: dict[str, set[str]] = {name.lower(): {name} for name in self.own}  # as machines write them
        self.spoken: dict[str, set[str]] = {}  # as people say them
        for one in facts.containers:
            for alias in {alias for place in one.endpoints for alias in place.aliases}:
                self.exact.setdefault(alias.lower(), set()).add(one.name)
        for known in facts.services.values():
            for alias in known.aliases:
                self.exact.setdefault(alias.lower(), set()).add(known.name)
        for name in self.own:
            for form in self._forms(name, facts):
                self.spoken.setdefault(form, set()).add(name)

    def _forms(self, name: str, facts: Facts) -> Iterable[str]:
        """A name without what many share, and the role's name."""
        parts = words(name)
        yield " ".join(parts)
        if len(parts) > 1 and sum(words(other)[:1] == parts[:1] for other in self.own) > 1:
            yield " ".join(parts[1:])
        if name in facts.services and facts.services[name].role:
            yield plain(facts.services[name].role)

    def called(self, name: str) -> str:
        """The one container that answers to exactly this name or alias; empty when none or several do."""
        found = self.exact.get(name.strip().lower(), set())
        return next(iter(found)) if len(found) == 1 else ""

    def resolve(self, text: str) -> str:
        """The one container that is meant; empty when none is, or it is not clear which."""
        exact = self.called(text.strip("` *_"))
        if exact or len(text) > LONGEST:
            return exact
        bare = re.sub(r"\(.*?\)", " ", text)
        for said in (words(bare), [word for word in words(bare) if word not in NOISE]):
            found = self.spoken.get(" ".join(said), set()) | self.exact.get(" ".join(said), set())
            if said and len(found) == 1:
                return next(iter(found))
        inside = re.search(r"\(\s*`?([\w.-]+)`?\s*\)", text)
        return (self.called(inside[1]) if inside else "") or self._alike([word for word in words(bare) if word not in NOISE])

    def _alike(self, said: list[str]) -> str:
        """The one whose name has all of these words and the fewest others."""
        fits = {form: holders for form, holders in self.spoken.items() if said and set(said) <= set(form.split())}
        if not fits:
            return ""
        fewest = min(len(form.split()) for form in fits)
        found = {name for form, holders in fits.items() if len(form.split()) == fewest for name in holders}
        return next(iter(found)) if len(found) == 1 else ""

    @cached_property
    def _mention(self) -> re.Pattern[str]:
        forms = {*self.exact, *(form for form in self.spoken if len(form) > 2)} | {
            other for other, same in SAME.items() if same in self.spoken and len(other) > 2
        }
        ordered = sorted(forms, key=len, reverse=True)
        either = "|".join(re.escape(form).replace(r"\ ", r"[-_ ]").replace(" ", r"[-_ ]") for form in ordered) or r"(?!)"
        return re.compile(rf"(?<![\w./@-])(?:{either})(?![\w/@-]|\.\w)", re.IGNORECASE)

    def masked(self, text: str) -> str:
        """A text of the same length without the names, which may be words like any other: my-stopped-app."""
        return self._mention.sub(lambda match: "_" * len(match.group()), text)

    def mentions(self, text: str) -> list[tuple[int, str]]:
        """Where a text names containers: position → container, each place once, in order."""
        found = [(match.start(), self.resolve(match.group())) for match in self._mention.finditer(text)]
        return [(place, name) for place, name in found if name]


def is_machine_name(text: str) -> bool:
    """Whether it looks like the name of a container and not like words."""
    return bool(MACHINE.fullmatch(text)) and ("-" in text or "_" in text)
