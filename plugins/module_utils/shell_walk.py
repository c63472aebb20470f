# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which commands a shell text may run, and the scripts that it calls. Nothing is executed.

Every branch is taken, but those of a ``case`` whose subject is known. Variables, positional parameters, loops over words, functions,
``cd``, and what scripts commonly ask a subshell for (their own directory, a list of containers) are followed as far as they can be
known. A value that cannot be known contains UNKNOWN; a list of containers is EVERY and what it is narrowed to.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from ansible_collections.auren.stack.plugins.module_utils.host_tree import HostTree
from ansible_collections.auren.stack.plugins.module_utils.shell_syntax import CLOSING, OPENING, Case, array_at, cut, function_at, index_of
from ansible_collections.auren.stack.plugins.module_utils.shell_text import Part, Token, tokens
from ansible_collections.auren.stack.plugins.module_utils.shell_words import (
    EVERY,
    FILTERS,
    SHELLS,
    UNKNOWN,
    every,
    inner_command,
    listed,
    loose_commands,
    option_text,
    printed,
)

DEPTH = 3  # scripts that call scripts
NESTING = 12  # subshells, functions and texts for sh -c within one another
MOST_VALUES = 64  # of one word
MOST_CALLS = 5000  # of one text with all it calls: what is longer was not written by hand
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\+?=")
DEFAULT = re.compile(r"(\w+):?[-=](.*)", re.DOTALL)
CUT = re.compile(r"(\w+|BASH_SOURCE\[0\])(%%?|##?)(.*)", re.DOTALL)
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Call:
    """A command that may run. words: its name and arguments. directory: where; UNKNOWN when it cannot be known. variables: every value
    that each may have. via: the places that lead to it, outermost first, as ``path:line``. around: the text that it is in."""

    words: tuple[str, ...]
    directory: str
    variables: dict[str, list[str]] = field(repr=False)
    via: tuple[str, ...]
    around: str = field(repr=False)


@dataclass
class Shell:
    """What a shell knows while it reads a text. path: of the text. arguments: $1 and so on. via: the places that lead to the text."""

    tree: HostTree
    path: str
    directory: str = "/"
    variables: dict[str, list[str]] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    via: tuple[str, ...] = ()
    text: str = ""
    scripts: tuple[tuple[str, ...], ...] = ()  # that are being read, with their arguments
    nesting: int = 0
    functions: dict[str, Sequence[Token]] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)  # what the last command prints
    budget: list[int] = field(default_factory=lambda: [MOST_CALLS])
    uncertain: int = 0  # how many branches it is in
    asked: bool = False  # only for what it prints; what it runs is told elsewhere
    conditional: bool = False  # whether && or || came before the command

    def calls(self, text: str, line: int = 1) -> Iterator[Call]:
        """The commands of a text, in order. line: the number of the text's first line."""
        self.text = self.text or text
        with contextlib.suppress(RecursionError):  # nested a hundred deep: nobody wrote that
            yield from self._walk(tokens(text, line))

    # --- lists of commands ---------------------------------------------------------------------------------------------

    def _walk(self, found: Sequence[Token]) -> Iterator[Call]:
        at, outside, cases = 0, [], []  # type: int, list[str], list[Case]
        while at < len(found) and self.budget[0] > 0:
            token = found[at]
            if token.kind == "op":
                at = self._operator(found, at, outside, cases)
            elif token.plain in (*OPENING, *CLOSING):
                self.uncertain += (token.plain == "if") - (token.plain == "fi")
                at += 1
            elif token.plain == "esac":
                cases = cases[:-1]
                at += 1
            elif token.plain == "case" and at + 2 < len(found):
                cases.append(Case(self.values(found[at + 1])))
                at = cases[-1].next_branch(found, at + 3)
            elif (body := function_at(found, at)) is not None:
                name, begin, at = body
                self.functions[name] = found[begin:at]
            elif (array := array_at(found, at)) >= 0:
                at = self._array(found, array)
            else:
                end = index_of(found, at)
                self.budget[0] -= 1
                yield from self._command(found[at:end])
                at = end

    def _operator(self, found: Sequence[Token], at: int, outside: list[str], cases: list[Case]) -> int:
        """Where it goes on after an operator. outside: where the shells around this subshell are."""
        self.conditional = found[at].text in ("&&", "||")
        if found[at].text == "(":
            outside.append(self.directory)
        elif found[at].text == ")" and outside:
            self.directory = outside.pop()
        elif found[at].text.startswith((";;", ";&")) and cases:
            return cases[-1].next_branch(found, at + 1)
        return at + 1

    def _array(self, found: Sequence[Token], at: int) -> int:
        """``NAME=(word word)``, from its first token on; where it ends."""
        end = index_of(found, at, ")")
        values = [value for word in found[at + 2 : end] if word.kind == "word" for value in self.values(word)]
        self._assign({found[at].plain.rstrip("+="): values})
        return end + 1

    def _command(self, found: Sequence[Token]) -> Iterator[Call]:
        for part in (part for token in found for part in token.parts if part.kind == "sub" and not self.asked):
            yield from self._inside().calls(part.text, found[0].line)
        if found[0].plain == "for" and len(found) > 1:
            words = [value for token in found[3:] for value in self.values(token)] if len(found) > 2 else self.arguments
            self.variables[found[1].plain] = words
            return
        documents = [token for token in found if token.kind == "here"]
        found = [token for token in found if token.kind == "word"]
        local: dict[str, list[str]] = {}
        while found and (assigned := self._assignment(found[0])):
            local.update([assigned])
            found = found[1:]
        if not found:
            self._assign(local)
            return
        if found[0].plain in ("export", "declare", "local", "readonly", "typeset"):
            self._assign(dict(filter(None, map(self._assignment, found[1:]))))
            return
        words = [value for token in found for value in self.values(token)]
        before = self.variables
        self.variables = {**before, **local}
        yield from self._run(words, found[0].line, documents)
        self.variables = {**self.variables, **{key: before[key] for key in local if key in before}}
        for key in set(local) - set(before):
            self.variables.pop(key, None)

    def _assign(self, assigned: dict[str, list[str]]) -> None:
        for key, values in assigned.items():
            kept = self.variables.get(key, []) if self.uncertain or self.conditional else []
            self.variables[key] = list(dict.fromkeys([*kept, *values]))[:MOST_VALUES]

    def _assignment(self, token: Token) -> tuple[str, list[str]] | None:
        first = token.parts[0] if token.parts else None
        found = ASSIGNMENT.match(first.text) if first and first.kind == "text" and not first.quoted else None
        if first is None or found is None:
            return None
        rest = first.text[found.end() :]
        if rest.startswith("(") or (not rest and len(token.parts) == 1):
            return found[1], [rest]
        parts = (Part("text", rest), *token.parts[1:]) if rest else token.parts[1:]
        return found[1], self.values(Token("word", token.line, parts=parts), split=False)

    # --- words ---------------------------------------------------------------------------------------------------------

    def values(self, token: Token, split: bool = True) -> list[str]:
        """All that a word may become. split: at spaces that an expansion brought."""
        pieces: list[list[str]] = []
        for number, part in enumerate(token.parts):
            found = self._part(part)
            if part.kind == "text" and not part.quoted and number == 0 and re.match(r"~(/|$)", part.text):
                found = [self.variables.get("HOME", ["~"])[0] + part.text[1:]]
            if part.kind != "text" and split and not part.quoted:
                found = [word for value in found for word in value.split()]
            pieces.append(found[:MOST_VALUES])
        words: list[str] = []
        for values in product(*pieces):
            words.append("".join(values))
            if len(words) >= MOST_VALUES:
                break
        return words

    def _part(self, part: Part) -> list[str]:
        if part.kind == "text":
            return [part.text]
        if part.kind == "sub":
            inside = self._inside()
            inside.asked = True
            for _call in inside.calls(part.text):
                pass  # told by the command that the word belongs to
            return inside.output or [UNKNOWN]
        return self._variable(part.text)

    def _variable(self, name: str) -> list[str]:
        if name in ("@", "*"):
            return list(self.arguments) or [""]
        if name in ("0", "BASH_SOURCE", "BASH_SOURCE[0]"):
            return [self.path]
        if re.fullmatch(r"[1-9][0-9]{0,3}", name):
            return self.arguments[int(name) - 1 : int(name)] or [UNKNOWN]
        if name == "PWD":
            return [self.directory]
        if short := CUT.fullmatch(name):
            return [cut(value, short[2], short[3]) for value in self._variable(short[1])]
        if default := DEFAULT.fullmatch(name):
            known = [value for value in self._variable(default[1]) if value != UNKNOWN]
            return known or [value for token in tokens(f'"{default[2]}"')[:1] for value in self.values(token, split=False)]
        name = name[:-3] if name.endswith(("[@]", "[*]")) else name
        return self.variables.get(name, [UNKNOWN])

    def _inside(self) -> Shell:
        """A subshell: what it changes stays in it."""
        if self.nesting >= NESTING:
            return replace(self, budget=[0], output=[])
        return replace(self, variables=dict(self.variables), functions=dict(self.functions), nesting=self.nesting + 1, output=[])

    # --- one command ---------------------------------------------------------------------------------------------------

    def _run(self, words: Sequence[str], line: int, documents: Sequence[Token] = ()) -> Iterator[Call]:
        if not words or self.nesting >= NESTING:
            return
        name = os.path.basename(words[0])
        if words[0] in self.functions:
            arguments, self.arguments = self.arguments, list(words[1:])
            self.nesting += 1
            yield from self._walk(self.functions[words[0]])
            self.nesting, self.arguments = self.nesting - 1, arguments
        elif name in SHELLS or name in (".", "source", "eval"):
            yield from self._shell(name, words, line, documents)
        elif name == "run-parts":
            for script in self._parts(words):
                yield from self._script(script, [], line)
        elif self._builtin(name, words):
            return
        elif (inner := inner_command(words, self.text)) is not None:
            yield from self._wrapped(inner, line, documents)
        else:
            yield Call(tuple(words), self.directory, dict(self.variables), self._places(line), self.text)
            yield from self._script(words[0], words[1:], line)

    def _wrapped(self, inner: Sequence[str] | str, line: int, documents: Sequence[Token]) -> Iterator[Call]:
        """The command inside of another, with what ``env`` and ``sudo`` set for it."""
        inside = self._inside()
        if isinstance(inner, str):
            yield from inside.calls(inner, line)
            return
        while inner and (assigned := ASSIGNMENT.match(inner[0])):
            inside.variables[assigned[1]] = [inner[0][assigned.end() :]]
            inner = inner[1:]
        yield from inside._run(inner, line, documents)
        self.output = inside.output

    def _parts(self, words: Sequence[str]) -> list[str]:
        """The scripts of a directory. Those of cron's own directories are told by themselves."""
        directory = words[-1]
        if UNKNOWN in directory or re.match(r"/etc/cron\.\w+/?$", directory):
            return []
        paths = (f"{self._below(directory)}/{name}" for name in self.tree.names(self._below(directory)))
        return [path for path in paths if self.tree.mode(path) & 0o111]

    def _builtin(self, name: str, words: Sequence[str]) -> bool:
        """Whether the command is one that changes only what the shell knows, or prints what is known. Remembers what it prints."""
        if name in ("cd", "pushd"):
            target = next((word for word in words[1:] if not word.startswith("-")), self.variables.get("HOME", ["/"])[0])
            self.directory = UNKNOWN if UNKNOWN in self._below(target) else self.tree.resolve(self._below(target))
        elif name == "read":
            for word in words[1:]:
                self.variables[word] = [every(self.text) or UNKNOWN]
        elif name == "shift":
            self.arguments = self.arguments[1:]
        elif name == "set":
            if "--" in words:
                self.arguments = list(words[words.index("--") + 1 :])
        elif name == "cat":
            self.output = [word for path in words[1:] for word in (self.tree.text(self._below(path)) or UNKNOWN).split()]
        elif name in FILTERS:
            pass  # fewer of what came in
        elif (output := printed(name, words, self.directory)) is not None:
            self.output = [self.tree.resolve(self._below(one)) for one in output] if name in ("readlink", "realpath") else output
        else:
            self.output = listed(words) or [UNKNOWN]
            return False
        return True

    def _shell(self, name: str, words: Sequence[str], line: int, documents: Sequence[Token]) -> Iterator[Call]:
        if name == "eval":
            yield from self._inside().calls(" ".join(words[1:]), line)
            return
        text, rest = option_text(words)
        if text is not None:
            inside = self._inside()
            inside.arguments = rest[1:]
            yield from inside.calls(text, line)
        elif rest:
            yield from self._script(rest[0], rest[1:], line, sourced=name in (".", "source"))
        for document in documents:
            yield from self._inside().calls(document.text, document.line - document.text.count("\n"))

    def _script(self, name: str, arguments: Sequence[str], line: int, sourced: bool = False) -> Iterator[Call]:
        """The commands of a script that is called. One that is being read already is not read again."""
        path = self._which(name)
        text = self.tree.text(path) if path else None
        this = (path, *arguments)
        if text is None or len(self.scripts) >= DEPTH or this in self.scripts:
            return
        inside = self._inside()
        inside.path, inside.via, inside.text, inside.scripts = path, self._places(line), text, (*self.scripts, this)
        inside.arguments = list(arguments) or (self.arguments if sourced else [])
        yield from inside.script_calls(text)
        if sourced:
            self.variables, self.functions, self.directory = inside.variables, inside.functions, inside.directory

    def script_calls(self, text: str) -> Iterator[Call]:
        """The commands of an executable file's text: a shell's, or those that another language seems to call."""
        self.text = text
        interpreter = text.split("\n", 1)[0] if text.startswith("#!") else ""
        if not interpreter or re.search(r"(?:^|[/ ])(?:" + "|".join(SHELLS) + r"|openrc-run|init-d-script)(?:\s|$)", interpreter):
            yield from self.calls(text)
            return
        directory = UNKNOWN if re.search(r"cwd|chdir", text) else self.directory
        for number, words in loose_commands(text):
            yield Call(tuple(words), directory, dict(self.variables), self._places(number), text)

    def _which(self, name: str) -> str:
        if UNKNOWN in name or EVERY in name or not name:
            return ""
        if "/" in name:
            path = self._below(name)
            return "" if UNKNOWN in path else self.tree.resolve(path)
        folders = [folder for value in self.variables.get("PATH", []) for folder in value.split(":")] + PATHS.split(":")
        return self.tree.program(name, tuple(folders))

    def _below(self, path: str) -> str:
        return path if path.startswith("/") else f"{self.directory}/{path}"

    def _places(self, line: int) -> tuple[str, ...]:
        return (*self.via, f"{self.path}:{line}")
