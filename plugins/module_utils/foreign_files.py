# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of somebody else where the project would write its own, as of an older Compose project. Reads files; changes nothing.

What a run of ours wrote before it was cut off is no such thing, though nothing is declared yet: definitions begin with our header, and the
journal of a run names the services that it makes before their first file is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils import guards
from ansible_collections.auren.stack.plugins.module_utils.definition import HEADER, House, Service, master_file
from ansible_collections.auren.stack.plugins.module_utils.errors import UNTOUCHED, StackError
from ansible_collections.auren.stack.plugins.module_utils.journal import read_runs
from ansible_collections.auren.stack.plugins.module_utils.model import Snapshot

MADE = HEADER.partition(";")[0].encode()
MAKING = ("create", "recreate", "take over")  # operations that write a service's files


def is_ours(path: Path) -> bool:
    """Whether a definition was written by a run of ours. What cannot be read as a file was not."""
    try:
        with path.open("rb") as file:
            return file.read(len(MADE)) == MADE
    except OSError:
        return False


def begun(directory: Path) -> set[str]:
    """The services that runs of ours have made, or began to make, as far as journals tell."""
    return {str(one.get("target")) for run in read_runs(directory) for one in run.planned if one.get("kind") in MAKING}


def foreign(house: House, called: Mapping[str, Service], declared: Collection[str], snapshot: Snapshot) -> Iterator[StackError]:
    """What a run would write over, and the way back of it remove.

    declared: the services of the project so far. Theirs is put back as declared, whoever has edited it.
    """
    new = [service for name, service in called.items() if name not in declared]
    definitions = [] if declared else [master_file(house, ()).path]
    definitions += [service.fragment_path for service in new]
    yield from (_refusal(path) for path in definitions if path.exists() and not is_ours(path))
    unknown = [service for service in new if guards.holds_data(str(service.config_path(""))) and not is_ours(service.fragment_path)]
    known = begun(house.directory) if unknown else set[str]()
    for service in unknown:
        container = snapshot.container(service.name)
        if service.name not in known and not (container and container.belongs(house.project)):
            yield _refusal(service.config_path(""))


def _refusal(path: Path) -> StackError:
    said = f"{path} was not made by auren.stack, which would write over it, and remove it on the way back"
    return StackError(f"{said}. Move it away, or set auren_project_dir to a directory of its own. {UNTOUCHED}", "foreign_file", str(path))
