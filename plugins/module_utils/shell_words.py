# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the words of a command say: the command inside of ``sudo``, ``flock`` or ``xargs``, what is printed, which containers are listed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

UNKNOWN = "\1"  # a value that cannot be known; no text file holds it
EVERY = "\2"  # the names or ids of all containers; key=value after it when they are narrowed
SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh", "rbash")
ENGINES = ("docker", "podman", "nerdctl", "docker.io")
COMPOSES = ("docker-compose", "podman-compose")
ENGINE_VALUES = (
    "-H",
    "--host",
    "-c",
    "--context",
    "--config",
    "-l",
    "--log-level",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
    "-n",
    "--namespace",
)

# Options with a value of their own (manual pages of each), and how many words stand before the command.
WRAPPERS: dict[str, tuple[tuple[str, ...], int]] = {
    "sudo": (("-u", "-g", "-h", "-p", "-C", "-D", "-R", "-T", "-U", "--user", "--group", "--chdir"), 0),
    "doas": (("-u", "-C"), 0),
    "nice": (("-n", "--adjustment"), 0),
    "ionice": (("-c", "-n", "--class", "--classdata"), 0),
    "chrt": (("-T", "-P", "-D"), 1),
    "timeout": (("-k", "-s", "--kill-after", "--signal"), 1),
    "flock": (("-w", "-E", "--timeout", "--wait", "--conflict-exit-code"), 1),
    "lckdo": (("-W",), 1),
    "env": (("-u", "-C", "--unset", "--chdir"), 0),
    "nohup": ((), 0),
    "setsid": ((), 0),
    "exec": (("-a",), 0),
    "command": ((), 0),
    "builtin": ((), 0),
    "time": (("-f", "-o"), 0),
    "stdbuf": (("-i", "-o", "-e"), 0),
    "chronic": ((), 0),
    "cronic": ((), 0),
    "unbuffer": ((), 0),
    "systemd-cat": (("-t", "-p", "--identifier", "--priority"), 0),
    "systemd-inhibit": ((), 0),
    "systemd-run": (("-p", "-u", "-E", "--property", "--unit", "--setenv", "--on-boot", "--on-active", "--on-calendar"), 0),
    "watch": (("-n", "--interval"), 0),
    "runuser": (("-u", "-g", "-G", "--user", "--group"), 0),
    "su": (("-g", "-G", "-s", "--shell", "--group"), 1),
    "chpst": (("-u", "-U", "-b", "-e", "-/", "-n", "-l", "-L"), 0),
    "busybox": ((), 0),
    "screen": (("-S", "-dmS", "-c", "-t"), 0),
    "xargs": (("-I", "-n", "-P", "-L", "-d", "-a", "-E", "-s", "--max-args", "--max-procs", "--delimiter", "--replace", "--arg-file"), 0),
    "parallel": (("-j", "--jobs"), 0),
}
FILTERS = ("grep", "egrep", "fgrep", "awk", "sed", "sort", "uniq", "head", "tail", "tr", "cut", "tac", "tee")
LISTING = re.compile(r"\b(?:docker|podman|nerdctl)\s+((?:container\s+)?(?:ps|ls|list)\b[^|;&)`\n]*)")
LOOSE = re.compile(r"(?<![\w.-])(?:[\w.-]*/)*(?:docker-compose|podman-compose|docker|podman|nerdctl)(?![\w./-])")
GOES_ON = re.compile(r"(?:[^\n;]|(?<=[,\[(\\])\s*\n)*")


def inner_command(words: Sequence[str], around: str) -> Sequence[str] | str | None:
    """The command that a command runs: its words, or a text for a shell; None when it is none of WRAPPERS.

    around: the text that it is in, which tells what ``xargs`` may be handed.
    """
    name = os.path.basename(words[0])
    if name == "start-stop-daemon":
        return _daemon(words)
    if name not in WRAPPERS:
        return None
    if name in ("su", "runuser", "flock") and (text := option_value(words, "-c", "--command")):
        return text
    valued, before = WRAPPERS[name]
    rest = list(words[1:])
    while rest and rest[0].startswith("-") and (name != "su" or rest[0] != "-"):
        rest = rest[2:] if rest[0] in valued else rest[1:]
    if name in ("xargs", "parallel"):
        return [*(rest or ["echo"]), every(around) or UNKNOWN]
    return " ".join(rest) if name == "watch" else rest[before:]


def _daemon(words: Sequence[str]) -> list[str]:
    program = option_value(words, "-x", "--exec") or option_value(words, "-a", "--startas")
    return [program, *words[words.index("--") + 1 :]] if program and "--" in words else []


def option_value(words: Sequence[str], *options: str) -> str:
    """The value of the first of these options, as ``-o value``, ``--option value`` or ``--option=value``; empty when it is not there."""
    for number, word in enumerate(words[1:], 1):
        if word in options:
            return words[number + 1] if number + 1 < len(words) else ""
        if word.startswith(tuple(f"{option}=" for option in options if option.startswith("--"))):
            return word.split("=", 1)[1]
    return ""


def option_text(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """What ``sh`` is handed with -c, or None; and the words after its options."""
    rest, text = list(words[1:]), False
    while rest and rest[0].startswith(("-", "+")) and rest[0] != "-":
        text = text or (not rest[0].startswith("--") and "c" in rest[0])
        rest = rest[2:] if rest[0] in ("-o", "+o", "-O", "--rcfile", "--init-file") else rest[1:]
    return (rest[0], rest[1:]) if text and rest else (None, rest)


def printed(name: str, words: Sequence[str], directory: str) -> list[str] | None:
    """What a command prints when that is known from its words; None for any other."""
    rest = [word for word in words[1:] if not word.startswith("-") or word == "-"]
    if name == "dirname":
        return [os.path.dirname(word) or "." for word in rest]
    if name == "basename":
        return [os.path.basename(word) for word in rest[:1]]
    if name == "pwd":
        return [directory]
    if name in ("echo", "readlink", "realpath", "which"):
        return rest
    if name == "printf":
        return rest[1:] or rest
    if name == "command" and len(words) > 2 and words[1] in ("-v", "-V"):
        return rest
    return None


# --- lists of containers ----------------------------------------------------------------------------------------------


def listed(words: Sequence[str]) -> list[str]:
    """What ``docker ps`` prints, when stopped containers are among it: [EVERY…]; else nothing."""
    if os.path.basename(words[0]) not in (*ENGINES, *COMPOSES):
        return []
    listing = next((n for n, word in enumerate(words) if word in ("ps", "ls", "list")), 0)
    if not listing or any(word in ("image", "images", "volume", "network") for word in words[:listing]):
        return []
    return _every(words[listing + 1 :])


def every(text: str) -> str:
    """EVERY when a text somewhere lists stopped containers; else empty."""
    found = [one for listing in LISTING.findall(text) for one in _every([word.strip("'\"") for word in listing.split()[1:]])]
    return found[0] if len(set(found)) == 1 else EVERY if found else ""


def _every(options: Sequence[str]) -> list[str]:
    """By the options of ``docker ps``. Without one that asks for more it shows running containers alone."""
    filters = [options[n + 1] for n, word in enumerate(options[:-1]) if word == "--filter" or re.fullmatch(r"-[a-z]*f", word)]
    filters += [word.split("=", 1)[1] for word in options if word.startswith(("--filter=", "-f="))]
    short = "".join(word[1:] for word in options if re.fullmatch(r"-[a-z]+\d*", word))
    more = set(short) & set("aln") or any(word.startswith(("--all", "--last", "--latest")) for word in options)
    if not more and not any(one.startswith("status=") for one in filters):
        return []
    for one in filters:
        key, _equals, value = one.partition("=")
        if key == "name":
            return [f"{EVERY}name={value}"]
        if one.startswith("label=com.docker.compose.project="):
            return [f"{EVERY}project={one.rsplit('=', 1)[1]}"]
    return [EVERY]


# --- other languages --------------------------------------------------------------------------------------------------


def loose_commands(text: str) -> Iterator[tuple[int, list[str]]]:
    """What looks like a command in a text of another language, as ``subprocess.run(["docker", "start", "x"])``, with its line.

    Its last word is UNKNOWN: the names may stand in variables.
    """
    text = re.sub(r"(?m)^\s*(?:#|//).*$", "", text)
    for found in LOOSE.finditer(text):
        goes_on = GOES_ON.match(text, found.start())
        words = re.split(r"[\s,\[\](){}\"'`\\]+", goes_on[0] if goes_on else "")
        yield text.count("\n", 0, found.start()) + 1, [*filter(None, words), UNKNOWN]
