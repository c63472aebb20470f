# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Switches off what `starters.find` found, and on again: afterwards every file is what it was, with owner and mode.

Both can be done again without harm, so a run that was killed in between is finished by the next one.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.files import WantedFile, write
from ansible_collections.auren.stack.plugins.module_utils.host_tree import HostTree
from ansible_collections.auren.stack.plugins.module_utils.starters import LINE, LINK, Run, Starter, is_unit_link, line_digest, systemd_runs

PREFIX = b"#auren.stack-takeover# "
EXECUTABLE = 0o111


def disable(starter: Starter, root: Path = Path("/"), run: Run | None = None) -> None:
    """Switch a starter off. One that is off, or gone, stays as it is.

    run: for ``systemctl daemon-reload`` where systemd runs. Raises StackError when a file cannot be changed, or a link leads elsewhere
    now: then it would go on starting what it is called after.
    """
    tree = HostTree(root)
    if starter.kind == LINK:
        _remove_link(starter, tree, run)
    elif starter.kind == LINE:
        _change_line(starter, tree, off=True)
    elif mode := tree.mode(starter.path):
        _set_mode(starter, tree, mode & ~EXECUTABLE)


def enable(starter: Starter, root: Path = Path("/"), run: Run | None = None) -> bool:
    """Switch a starter on again. False, with nothing changed, when what was switched off is gone or was changed by somebody since.

    run, raises: as for `disable`.
    """
    tree = HostTree(root)
    if starter.kind == LINK:
        return _make_link(starter, tree, run)
    if starter.kind == LINE:
        return _change_line(starter, tree, off=False)
    mode, before = tree.mode(starter.path), int(starter.before, 8)
    if mode & EXECUTABLE:
        return True
    if mode != before & ~EXECUTABLE or not tree.actual(starter.path).is_file():
        return False
    _set_mode(starter, tree, before)
    return True


def is_disabled(starter: Starter, root: Path = Path("/")) -> bool:
    """Whether what was switched off is still there, and off."""
    tree = HostTree(root)
    if starter.kind == LINK:
        return not tree.link(starter.path)
    if starter.kind == LINE:
        rows = tree.actual(starter.path).read_bytes().split(b"\n") if tree.mode(starter.path) else []
        return any(row.startswith(PREFIX) and line_digest(row[len(PREFIX) :]) == starter.mark for row in rows)
    mode = tree.mode(starter.path)
    return bool(mode) and not mode & EXECUTABLE


# --- links ------------------------------------------------------------------------------------------------------------


def _remove_link(starter: Starter, tree: HostTree, run: Run | None) -> None:
    entry = tree.entry(starter.path)
    if not os.path.lexists(entry):
        return
    if tree.link(starter.path) != starter.before:
        said = f"{starter.path} leads elsewhere than when the plan was made: plan again"
        raise StackError(said, "starter_changed", starter.path)
    try:
        entry.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _cannot("remove the link", starter, error) from error
    _reload(starter, tree, run)


def _make_link(starter: Starter, tree: HostTree, run: Run | None) -> bool:
    """The link gets the owner of the folder that it is in: a user's own is the user's again."""
    entry = tree.entry(starter.path)
    if os.path.lexists(entry):
        return tree.link(starter.path) == starter.before
    if not _leads_somewhere(starter, tree):
        return False
    try:
        with contextlib.suppress(FileExistsError):  # systemctl removes a folder when its last link goes
            os.mkdir(entry.parent, 0o755)
            above = os.stat(entry.parent.parent)
            os.chown(entry.parent, above.st_uid, above.st_gid)
            os.chmod(entry.parent, 0o755)
        entry.symlink_to(starter.before)
        folder = os.stat(entry.parent)
        os.chown(entry, folder.st_uid, folder.st_gid, follow_symlinks=False)
    except OSError as error:
        raise _cannot("make the link", starter, error) from error
    _reload(starter, tree, run)
    return True


def _leads_somewhere(starter: Starter, tree: HostTree) -> bool:
    """Whether there is still something to start. systemd looks for the unit that a link is called after, wherever the link leads."""
    folder, name = os.path.split(starter.path)
    if os.path.lexists(tree.actual(os.path.join(folder, starter.before))):
        return True
    beside = os.path.dirname(folder)
    return is_unit_link(starter.path) and os.path.lexists(tree.entry(f"{beside}/{name}"))


def _reload(starter: Starter, tree: HostTree, run: Run | None) -> None:
    if run is not None and is_unit_link(starter.path) and systemd_runs(tree.root):
        status, out = run(["systemctl", "daemon-reload"])
        if status:
            said = f"systemd did not take the change of {starter.path}: systemctl daemon-reload ended with {status}; run it by hand"
            raise StackError(said, "systemd", starter.path, out)


# --- lines of crontabs ------------------------------------------------------------------------------------------------


def _change_line(starter: Starter, tree: HostTree, off: bool) -> bool:
    """Put the prefix before the line or take it away; True when the line is as it shall be. Other lines may have come or gone."""
    actual = tree.actual(starter.path)
    try:
        found, content = os.stat(actual), actual.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _cannot("read", starter, error) from error
    lines = content.split(b"\n")
    plain = [n for n, line in enumerate(lines, 1) if line_digest(line) == starter.mark]
    disabled = [n for n, line in enumerate(lines, 1) if line.startswith(PREFIX) and line_digest(line[len(PREFIX) :]) == starter.mark]
    present, wanted = (plain, disabled) if off else (disabled, plain)
    if starter.line in wanted or not present:
        return bool(wanted)
    number = _nearest(present, starter.line)
    lines[number - 1] = PREFIX + lines[number - 1] if off else lines[number - 1][len(PREFIX) :]
    write(WantedFile(actual, b"\n".join(lines), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid))
    return True


def _nearest(numbers: Sequence[int], line: int) -> int:
    return min(numbers, key=lambda number: (abs(number - line), number))


# --- scripts ----------------------------------------------------------------------------------------------------------


def _set_mode(starter: Starter, tree: HostTree, mode: int) -> None:
    try:
        os.chmod(tree.actual(starter.path), mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _cannot("change the mode of", starter, error) from error


def _cannot(what: str, starter: Starter, error: OSError) -> StackError:
    return StackError(f"cannot {what} {starter.path}: {error.strerror}", "write", starter.path, str(error))
