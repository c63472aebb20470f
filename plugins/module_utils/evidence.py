# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a bundle is made of: texts that are read one by one, each within the time that is left, and packed in memory.

Nothing that cannot be read stops the others: it becomes a line of what is missing.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.redaction import Redactor

OVERHEAD = 1024  # bytes that one more file takes in a tar, compressed or not, at the most


class Evidence:
    """The texts by their path, in the order in which they matter, and what is missing.

    until: on the clock of time.monotonic, after which nothing more is read. Each text passes the redactor before it is kept.
    """

    def __init__(self, redactor: Redactor, until: float) -> None:
        self.redactor, self.until = redactor, until
        self.texts: dict[str, str] = {}
        self.missing: list[str] = []

    def left(self) -> float:
        """Seconds."""
        return max(self.until - time.monotonic(), 0.0)

    @contextmanager
    def tried(self, what: str) -> Iterator[None]:
        """Around whatever reads something: an error is a line of what is missing."""
        try:
            yield
        except StackError as error:
            self.missing.append(f"{what}: {self.redactor.text(error.message)}")
        except PermissionError as error:
            self.missing.append(f"{what}: only root may read {error.filename or 'it'}")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.missing.append(f"{what}: {type(error).__name__}: {self.redactor.text(str(error))}")

    def read(self, path: str, reader: Callable[[], Any]) -> None:
        """Keep what a reader gives: a text, or what becomes JSON. Nothing when there is nothing, or no time."""
        if not self.left():
            self.missing.append(f"{path}: no time was left")
            return
        with self.tried(path):
            found = reader()
            if found:
                self.keep(path, found)

    def keep(self, path: str, content: Any) -> None:
        plain = isinstance(content, str)
        text = content if plain else json.dumps(self.redactor.deep(content), indent=1, sort_keys=True, ensure_ascii=False, default=str)
        self.texts[path] = (self.redactor.text(text) if plain else self.redactor.values(text)).rstrip("\n") + "\n"

    def packed(self, folder: str, size: int, now: float) -> bytes:
        """A tar.gz of at most ``size`` bytes with everything below one folder. What has no room loses its beginning, or is left out; a
        line of the file ``left-out.txt`` names it. now: seconds since 1970, for the files."""
        texts, room, out = {}, size - 4 * OVERHEAD, []
        for path, text in self.texts.items():
            kept = _fitting(text, room - OVERHEAD)
            if kept != text:
                out.append(f"{path}: {'only its end had room' if kept else 'had no room'}")
            if kept:
                texts[path] = kept
                room -= len(zlib.compress(kept.encode(errors="replace"), 6)) + OVERHEAD
        if out:
            texts["left-out.txt"] = "\n".join(out)[: 2 * OVERHEAD] + "\n"
        return _tar(folder, texts, now)


def _fitting(text: str, room: int) -> str:
    """The text, or so much of its end that it has room when it is compressed; whole lines."""
    kept = text
    while kept and len(zlib.compress(kept.encode(errors="replace"), 6)) > room:
        kept = kept[len(kept) // 2 + 1 :].partition("\n")[2]
    return kept if room > 0 else ""


def _tar(folder: str, texts: dict[str, str], now: float) -> bytes:
    plain, packed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for path, text in texts.items():
            content = text.encode(errors="replace")
            member = tarfile.TarInfo(f"{folder}/{path}")
            member.size, member.mtime, member.mode = len(content), int(now), 0o600
            archive.addfile(member, io.BytesIO(content))
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=int(now)) as out:
        out.write(plain.getvalue())
    return packed.getvalue()
