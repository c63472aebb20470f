# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sentences of a document → claims. Pure. What is not surely a claim about the host of now is none, or is hedged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ansible_collections.auren.stack.plugins.module_utils import audit_fields as fields
from ansible_collections.auren.stack.plugins.module_utils.audit_fields import Scope
from ansible_collections.auren.stack.plugins.module_utils.audit_model import Claim
from ansible_collections.auren.stack.plugins.module_utils.audit_names import Names, is_machine_name

HEDGE = re.compile(
    r"^\s*\[ \]|^\W*(?:while|next(?=\s*[:,])|next steps?|todo"
    r"|to (?:upgrade|update|migrate|move|switch|change|replace|restart|stop|test|simulate))\b"
    r"|\b(?:before|after|once|as soon as|during which) [^.,;]{1,60}?\b(?:is|are|has|have)\b"
    r"|\b(?:check|verify|confirm|ensure|sure|test) that\b"
    r"|\b(if|whether|should|would|could|may|might|unless(?!-)|until|was|were|will|never|not|cannot|can't|isn't|doesn't|don't"
    r"|no longer|previously|formerly|used to|old(?!-)|older|legacy|deprecated|removed|replaced"
    r"|obsolete|example|e\.g\.|instead|wrong|stale|planned|future|when|must|neither|nor|supposed|expected|assume|suppose|hypothetical|originally"
    r"|earlier|had|ensure|make sure|upgrade to|upgrading|migrate|proposed|proposal)\b",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`✅❌*\"(]|[a-z0-9]+-[a-z])")
VERB = re.compile(
    r"\b(depends? (?:up)?on|dependent on|requires?|needs?|relies on|rely on)\b"
    r"|\b(connects? to|talks? to|writes? to|reads? from|publish(?:es)?(?: \w+){0,3} to|consumes?(?: \w+){0,3} from|sends?(?: \w+){0,3} to"
    r"|forwards?(?: [\w`/*]+){0,4} to|proxies(?: [\w`/*…]+){0,4} to|stores?(?: \w+){0,3} in|queries)\b|(\s-+>\s|\s→\s)",
    re.IGNORECASE,
)
PORTS = re.compile(
    r"\bports?:?\s+`?((?:\d{2,5}(?:/tcp)?`?(?:\s*\([^)]{1,60}\))?(?:\s*(?:,|and|or|&)\s*(?:and\s+)?`?(?=\d))?)+)", re.IGNORECASE
)
ON_PORT = re.compile(r"\blistens? on `?:?(\d{2,5})\b(?!:|\.\d)", re.IGNORECASE)
REACH = re.compile(r"(?<![\w/@.:-])([A-Za-z][\w.-]*):(\d{2,5})(?![\w:-]|\.\w)")
PUBLIC = re.compile(  # published for everybody
    r"\b(?:expos\w+|publish\w*|open(?:ed)?|reachable|accessible|available|bound|listen(?:s|ing)?)\b.{0,60}?"
    r"\b(?:publicly|on all (?:\w+ )?interfaces"
    r"|(?:to|from) (?:the )?(?:(?:public )?internet|world|outside|anywhere|everywhere|everybody|everyone))\b"
    r"|\bpublicly (?:exposed|reachable|accessible|available|published|open)\b|\bpublic ports?\b",
    re.I,
)
NOT_ITSELF = re.compile(r"\b(no|not|never|only|isn't|aren't|without|through|via|behind|prox\w+|forward\w*)\b", re.I)
PART = re.compile(r"[;,()]|\b(?:and|but|while|whereas)\b(?!\s+`?\d)", re.I)
NETWORK = re.compile(
    r"(?:\bnetworks?\s+(?:called |named )?`?([\w-]+)`?|`([\w-]+)`\s+(?:docker\s+|bridge\s+)?network\b|\bon\s+`([\w-]+)`(?=[\s,.;)]|$))",
    re.I,
)
VOLUME = re.compile(r"(?:\bvolume\s+`([\w.-]+)`|`([\w.-]+)`\s+volume\b)", re.I)
CONTAINER = re.compile(
    r"(?:\bcontainer\s+(?:called |named )?`([\w.-]+)`|`([\w.-]+)`\s+container\b|\bcontainer (?:called |named )?([a-z0-9]+-[a-z0-9-]+))",
    re.I,
)
COUNT = re.compile(
    r"\b(?:all|total(?: of)?:?|of|runs|consists of|comprises|stack of|has|with|these)?\s*\b(\d{1,3}|one|two|three|four|five|six|seven|eight"
    r"|nine|ten|eleven|twelve)\s+((?:docker|running|healthy|core|main|separate)\s+){0,2}(containers|services|networks)\b([^.]{0,30})",
    re.IGNORECASE,
)
SCRAPE = re.compile(
    r"\bprometheus\b[^.]{0,60}?\b(?:scrapes?|scraping|collects? metrics (?:from|of)|pulls? metrics from|monitors)\b(.*)", re.IGNORECASE
)
SCRAPED = re.compile(r"\b(?:is|are)\s+(?:all\s+)?scraped by\b[^.]{0,30}prometheus", re.IGNORECASE)
# "every 15 seconds" and "each scrape interval" say how often.
OFTEN = (
    r"[\s`*~(<]*(?:\d|(?:(?!(?:each|every|services?|containers?|components?)\b)\w+[\s_-]+){0,2}?"
    r"(?:milliseconds?|seconds?|secs?|minutes?|mins?|hours?|days?|times?|intervals?|cycles?|rounds?)\b)"
)
# "each on port 8000" is each of those that were named, "all metrics of x" what of it.
EVERYTHING = re.compile(
    rf"\bevery\b(?!{OFTEN})|\beach\b(?!{OFTEN}|\s+(?:on|at|with|via|over|through)\b)|\ball\b(?!\s+(?:the\s+time|times|day|metrics)\b)"
    r"|\beverything\b",
    re.IGNORECASE,
)
WHOLE = re.compile(
    r"\b(?:all|every)\b(?:\s+(?:of\s+the|the|our|\d+|\w+)){0,2}\s+(?:services?|containers?|components?|systems?)\b"
    r"|\b(?:the\s+)?(?:deployment|stack|system|setup|installation|platform|infrastructure)\s+is\b",
    re.IGNORECASE,
)
ALL_ARE = re.compile(
    r"\W*all\s+(?:systems?|services|containers|components)\s+(?:operational|up|healthy|running|online|working)\s*(?:$|[.,;:!(])", re.I
)
IS = re.compile(r"\b(?:is|are|runs?|stays?|remains?)\b|[:\u2013\u2014]|✅|❌|\bcurrently\b", re.IGNORECASE)
STATE = re.compile(
    r"(?<![\w/.-])(unhealthy|healthy|operational|up and running|up|down|stopped|exited|online|offline|complete|working"
    r"|production-ready)(?![\w/-])"
    r"|\brunning\b(?! (?:on|in|as|the|a)\b)|[✅❌]",
    re.IGNORECASE,
)
USER = re.compile(
    r"\b(browsers?|users?|visit|go to|open|access(?:ible)?|navigate|log ?in|dashboard|web ui|click|point your"
    rf"|{fields.BROWSER_KEY})\b",
    re.IGNORECASE,
)
INSIDE = re.compile(
    r"\b(internal(?:ly)?|inside|from (?:the )?containers?|scrapes?|scraped|proxies|forwards|between"
    r"|container-to-container|upstream|proxied)\b",
    re.I,
)
LONGEST = 1500  # characters of a sentence that are read
PLACES = ("opt", "etc", "var", "root", "home", "srv", "usr", "mnt", "bitnami", "data", "docker")


@dataclass(frozen=True)
class Known:
    """What the host calls its things, for telling names from words."""

    names: Names
    networks: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    repositories: frozenset[str] = frozenset()


def sentences(text: str) -> list[tuple[int, str]]:
    """The sentences of a paragraph and where each begins."""
    found, begin = [], 0
    for match in SENTENCE.finditer(text):
        found.append((begin, text[begin : match.start()]))
        begin = match.end()
    return [*found, (begin, text[begin:])]


def read(scope: Scope, text: str, known: Known) -> list[Claim]:
    """The claims of one sentence. scope.text: its own words."""
    text = text[:LONGEST]
    scope = replace(scope, hedged=scope.hedged or bool(HEDGE.search(text)) or text.rstrip().endswith("?"))
    sentence = _Sentence(scope, text, known)
    return [*sentence.things(), *sentence.places(), *sentence.relations(), *sentence.states()]


class _Sentence:
    def __init__(self, scope: Scope, text: str, known: Known) -> None:
        self.scope, self.text, self.known = scope, text, known
        self.bare = fields.URL.sub(lambda match: " " * len(match.group()), text)
        self.mentions = known.names.mentions(self.bare)

    def before(self, place: int) -> str:
        """The container that was named last before a place, else the only one of the sentence, else whom all of it is about."""
        earlier = [name for at, name in self.mentions if at < place]
        others = list(dict.fromkeys(name for _at, name in self.mentions))
        return earlier[-1] if earlier else others[0] if len(others) == 1 else "" if others else self.scope.subject

    # --- what there is ------------------------------------------------------------------------------------------------

    def things(self) -> Iterator[Claim]:
        for match in CONTAINER.finditer(self.text):
            name = match[1] or match[2] or match[3]
            if is_machine_name(name) or self.known.names.called(name):
                yield self.scope.claim("container", other="name", subject=name)
        for coded in re.finditer(r"`([^`]+)`", self.text):
            yield from self._coded(coded[1].strip(), coded.start())
        for match in re.finditer(r"\bimage:?\s+`?([a-z0-9][\w./-]*:[\w.-]+(?:@sha256:[0-9a-f]+)?)", self.text):
            yield self.scope.claim("image", match[1].rstrip(".,"), subject=self.before(match.start()))
        yield from self._volumes()
        yield from self._versions()
        yield from self._counts()

    def _coded(self, code: str, place: int) -> Iterator[Claim]:
        """What stands in backticks."""
        image = fields.IMAGE.fullmatch(code)
        if self.known.names.called(code):
            yield self.scope.claim("container", subject=code)
        elif image and self._is_image(code):
            yield self.scope.claim("image", code, subject=self.before(place))
        elif re.fullmatch(r"/[\w.@-]+(?:/[\w.@-]+)+/?", code) and code.split("/")[1] in PLACES:
            yield self.scope.claim("path", code.rstrip("/"), subject=self.before(place))
        else:
            yield from fields.field(replace(self.scope, subject=self.before(place)), "env", code)

    def _is_image(self, code: str) -> bool:
        repository, colon, tag = code.partition("@")[0].rpartition(":")
        if not colon or (self.known.names.called(repository) and re.fullmatch(r"\d{2,5}", tag)):
            return False
        return "/" in repository or repository in self.known.repositories or bool(re.search(r"\bimages?\b", self.text, re.I))

    def _volumes(self) -> Iterator[Claim]:
        told = {match[1] or match[2]: match.start() for match in VOLUME.finditer(self.text)}
        told.update({match[1]: match.start() for match in re.finditer(r"`([\w.-]+)`", self.text) if match[1] in self.known.volumes})
        for name, place in told.items():
            where = re.match(r"[^/`]{0,40}`?(/[\w./-]+)", self.text[place + len(name) + 1 :])
            yield self.scope.claim("volume", name, where[1].rstrip("/.") if where and "moun" in self.text else "", self.before(place))

    def _versions(self) -> Iterator[Claim]:
        for place, name in self.mentions:
            match = re.match(r"[\w`-]+(?: \w+)?? (?:version |v)(\d+(?:\.\d+)*)|[\w`-]+ (\d+\.\d+(?:\.\d+)*)(?![\w.])", self.text[place:])
            if match:
                yield self.scope.claim("version", match[1] or match[2], subject=name)
        for match in re.finditer(r"\bDocker(?: Engine)?(?: version)? v?(\d+(?:\.\d+)*)\b", self.text):
            yield self.scope.claim("version", match[1], subject="Docker Engine")

    def _counts(self) -> Iterator[Claim]:
        for match in COUNT.finditer(self.text):
            whole = re.match(r"(all|total|runs|consists|comprises|stack)", match.group().strip(), re.I)
            state = re.match(r"\W*(are |is |currently |in )?(currently )?(running|up|healthy|deployed|operational|total)\b", match[4], re.I)
            if whole or state or re.search(r"running|healthy", match[2] or "", re.I):
                number = fields.NUMBERS.get(match[1].lower()) or int(match[1])
                yield self.scope.claim("count", str(number), match[3].lower(), subject="")

    # --- where it is --------------------------------------------------------------------------------------------------

    def places(self) -> Iterator[Claim]:
        yield from self._urls()
        yield from self._ports()
        for match in REACH.finditer(self.bare):
            if self.known.names.called(match[1]):
                yield self.scope.claim("reach", match[2], match[1], subject=match[1])
        for match in fields.PUBLISHED.finditer(fields.MAPPING.sub("", self.bare)):
            yield self.scope.claim("published", f"{match[1]}:{match[2]}", subject=self.before(match.start()))
        for found in fields.CIDR.finditer(self.bare):
            yield self.scope.claim("subnet", found[1], subject=self._network_named() or self.scope.network)
        for found in fields.IPV4.finditer(fields.CIDR.sub(lambda m: " " * len(m.group()), self.bare)):
            if found[1] not in ("127.0.0.1", "0.0.0.0"):
                seen = self.scope.observed or bool(re.search(r"\bobserved\b|\bat the moment\b|\bcurrently\b", self.text, re.I))
                yield replace(self.scope, observed=seen).claim("address", found[1], subject=self.before(found.start()))
        yield from self._networks()

    def _urls(self) -> Iterator[Claim]:
        inside, user = INSIDE.search(self.text), USER.search(self.text)
        audience = "container" if inside else self.scope.audience or ("browser" if user else "")
        yield from fields.field(replace(self.scope, audience=audience, subject=self.before(len(self.text))), "url", self.text)

    def _ports(self) -> Iterator[Claim]:
        said = self.text.lower()
        mapped = fields.MAPPING.search(self.bare)
        if mapped and re.search(r"\bports?\b|publish|map|→|->", said):
            for match in fields.MAPPING.finditer(self.bare):
                yield self.scope.claim("mapping", f"{match[1] or ''}:{match[2]}:{match[3]}", subject=self.before(match.start()))
            return
        for match in PORTS.finditer(self.bare):
            other = self._how_wide(match)
            yield from self._listed(match, other) if other is not None else ()
        for match in ON_PORT.finditer(self.bare):
            other = self._how_wide(match)
            if other is not None:
                yield self.scope.claim("port", match[1], other, self.before(match.start()))

    def _how_wide(self, match: re.Match[str]) -> str | None:
        """Whether a port is said to be published, published for everybody, or inside; None when it is said not to be for everybody."""
        said = self.text.lower()
        begin = max((one.end() for one in PART.finditer(self.bare) if one.end() <= match.start()), default=0)
        end = min((one.start() for one in PART.finditer(self.bare) if one.start() >= match.end()), default=len(said))
        if PUBLIC.search(self.bare[begin:end]):
            return None if NOT_ITSELF.search(said) else "public"
        return "published" if re.search(r"publish|on the host|host port|extern|public", said) else "inner" if "inside" in said else ""

    def _listed(self, match: re.Match[str], other: str) -> Iterator[Claim]:
        """The ports of an enumeration, each with the container in brackets behind it, or in the order of the containers before it."""
        numbers = list(re.finditer(r"\b(\d{2,5})\b(?:/tcp)?`?(?:\s*\(([^)]{1,60})\))?", match[1]))
        earlier = list(dict.fromkeys(name for at, name in self.mentions if at < match.start()))
        for place, found in enumerate(numbers):
            named = self.known.names.resolve(found[2]) if found[2] else self._behind(match.end())
            if not named and len(numbers) > 1 and len(earlier) > 1:
                named = earlier[place] if len(earlier) == len(numbers) else ""
            else:
                named = named or self.before(match.start())
            yield self.scope.claim("port", found[1], other, named)

    def _behind(self, place: int) -> str:
        """The container that is named behind a place: of the cache."""
        of = re.match(r"[`\s]+(?:of|for)\s+(?:the\s+)?[`*]*", self.bare[place:])
        return dict(self.mentions).get(place + of.end(), "") if of else ""

    def _network_named(self) -> str:
        for match in NETWORK.finditer(self.text):
            name = match[1] or match[2] or match[3]
            if name in self.known.networks or (
                is_machine_name(name) and (match[2] or f"`{name}`" in match.group()) and self._may_be_network(match)
            ):
                return str(name)
        said = [
            word for word in re.findall(r"(?<![\w./-])[\w-]+(?![\w/-])", self.text) if word in self.known.networks and is_machine_name(word)
        ]
        return said[0] if said else ""

    def _may_be_network(self, match: re.Match[str]) -> bool:
        """``on `x` `` may say many things of x."""
        return not match[3] or ("net" in match[3] and not self.known.names.called(match[3]))

    def _networks(self) -> Iterator[Claim]:
        name = self._network_named()
        if not name:
            return
        place = self.text.find(name)
        joined = re.search(r"\b(on|in|join(?:s|ed)?|attached to|connected to|part of|share)\b[^.]{0,40}$", self.text[:place], re.I)
        members = list(dict.fromkeys(who for at, who in self.mentions if at < place)) if joined else []
        if joined and re.search(r"\b(all|every|each)\b[^.]{0,40}\b(containers?|services?)\b|\beverything\b", self.text[:place], re.I):
            members = ["*"]
        for member in members or [""]:
            yield self.scope.claim("network", name, subject=member)

    # --- who needs whom -------------------------------------------------------------------------------------------------

    def relations(self) -> Iterator[Claim]:
        yield from self._scrapes()
        verbs, subject = list(VERB.finditer(self.bare)), ""
        for number, verb in enumerate(verbs):
            end = verbs[number + 1].start() if number + 1 < len(verbs) and not verb[3] else len(self.bare)
            end = min(
                [
                    end,
                    *(
                        match.start()
                        for match in re.finditer(r";|\bbut\b|\bwhile\b|\bwhich\b|\bso that\b", self.bare)
                        if match.start() > verb.end()
                    ),
                ]
            )
            earlier = [name for at, name in self.mentions if at < verb.start()]
            if not subject or not re.search(r"\band\s+$", self.bare[: verb.start()]):
                subject = earlier[-1] if earlier else self.scope.subject
            later = list(dict.fromkeys(name for at, name in self.mentions if verb.end() <= at < end and name != subject))
            for name in (later[:1] if verb[3] else later) if subject else ():
                yield self.scope.claim("depends" if verb[1] else "arrow", name, subject=subject)

    def _scrapes(self) -> Iterator[Claim]:
        active, passive = SCRAPE.search(self.bare), SCRAPED.search(self.bare)
        if not active and not passive:
            return
        begin, end = (active.start(1), active.end(1)) if active else (0, passive.start() if passive else 0)
        said = self.bare[begin:end]
        if EVERYTHING.search(said) and not re.search(r"exporter", said.split(".")[0], re.I):
            yield self.scope.claim("scrape", "*", subject="")
            return
        addresses = list(REACH.finditer(said))
        yield from (self.scope.claim("scrape", f"{one[1]}:{one[2]}", subject="") for one in addresses)
        named = dict.fromkeys(name for at, name in self.mentions if begin <= at < end)
        told = {self.known.names.called(one[1]) for one in addresses}
        yield from (self.scope.claim("scrape", name, subject="") for name in named if name not in told and "prometheus" not in name)

    # --- how it is --------------------------------------------------------------------------------------------------

    def states(self) -> Iterator[Claim]:
        plain = re.sub(r"\{[^}]*\}", lambda match: " " * len(match.group()), self.bare)  # what an answer looks like is no state
        for begin, clause in _clauses(self.known.names.masked(plain)):
            word = STATE.search(clause)
            said = fields.status_of(clause) if word and (IS.search(clause) or ALL_ARE.match(clause)) else ""
            if not word or not said or re.search(r"\bhealth ?-?checks?\b|\bexpect|\bwait\b|\bdebug", clause, re.I):
                continue
            if WHOLE.search(clause):
                yield self.scope.claim("status", said, "all", subject="")
                continue
            marked = clause.strip()[:2].strip(" -") in ("✅", "❌")
            for name in _about(self.mentions, begin, len(clause) if marked else word.start()):
                yield self.scope.claim("status", said, subject=name)
        policy = re.search(r"\brestart(?:s| policy)?\b", self.text, re.I) and re.search(
            r"\b(unless-stopped|on-failure(?::\d+)?)\b|`(always|no)`", self.text
        )
        if policy:
            yield self.scope.claim(
                "restart", policy[1] or policy[2], subject=self.before(policy.start()) or ("*" if WHOLE.search(self.text) else "")
            )


def _clauses(text: str) -> list[tuple[int, str]]:
    found, begin = [], 0
    for match in re.finditer(r";|\bbut\b|\bwhile\b|\bso that\b|\bbecause\b", text):
        found.append((begin, text[begin : match.start()]))
        begin = match.end()
    return [*found, (begin, text[begin:])]


def _about(mentions: Sequence[tuple[int, str]], begin: int, length: int) -> list[str]:
    """The containers that are named in a part of the text."""
    return list(dict.fromkeys(name for at, name in mentions if begin <= at < begin + length))
