"""Secrets: placeholders, reading values back, where a value comes from."""

from __future__ import annotations

import json
import random
from typing import Any
from urllib.parse import unquote

import pytest
from ansible_collections.auren.stack.plugins.module_utils import secrets
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError

VALUES = [
    "",
    "plain",
    "a b",
    "$x ${y} $$",
    "'",
    '"',
    "\\",
    "\\\\n",
    "#",
    "@:/%?&=",
    "%41",
    "é 漢 😀",
    "line\nbreak",
    "\t",
    "<<secret:a>>",
    ".*",
    "a:b\\:c",
]
FORMS = ["{}", "{}:url", "{}:json", "{}:pgpass"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("<<secret:a>>", ["a"]),
        ("x <<secret:b:url>> <<secret:a:json>> <<secret:b>>", ["b", "a"]),
        ("<secret:a> <<secret:A>> <<secret:>> <<secrets:a>>", []),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    assert secrets.names_in(text) == names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<<secret:a>> <<secret:a:url>> <<secret:a:json>> <<secret:a:pgpass>> << secret >>", []),
        ("x <<secret:A>> y", ["<<secret:A>>"]),
        ("<<secret:a:base64>><<secret:b>>", ["<<secret:a:base64>>"]),
        ("<<secret:a:base>>", ["<<secret:a:base>>"]),
        ("<<secret:>>", ["<<secret:>>"]),
        ("<<secret:a>\n<<secret:b\n", ["<<secret:a>", "<<secret:b"]),
    ],
)
def test_malformed(text: str, found: list[str]) -> None:
    assert secrets.malformed(text) == found


@pytest.mark.parametrize("value", VALUES)
def test_each_encoding_is_read_as_the_value_by_its_reader(value: str) -> None:
    filled = {form: secrets.fill(f"<<secret:{form.format('a')}>>", {"a": value}) for form in FORMS}
    assert filled["{}"] == value
    assert unquote(filled["{}:url"]) == value
    assert not set(filled["{}:url"]) & set(" /@:?#%\\\"'$&=\n") - {"%"}
    assert json.loads(f'"{filled["{}:json"]}"') == value
    assert set(secrets.forms(value)) == set(filled.values())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_read_back_out_of_what_it_was_filled_into(value: str, form: str) -> None:
    template = f"start (.*) <<secret:{form.format('a')}>> end\n"
    assert secrets.harvest(template, secrets.fill(template, {"a": value})) == {"a": value}


@pytest.mark.parametrize(
    ("template", "live", "found"),
    [
        ("no placeholder", "no placeholder", {}),
        ("redis://:<<secret:a:url>>@host", "redis://:x%20y@host", {"a": "x y"}),
        ("redis://:<<secret:a:url>>@host", "redis://:x@another", {}),
        ("<<secret:a>>-<<secret:b>>", "x-y", {"a": "x", "b": "y"}),
        ("<<secret:a>>-<<secret:a>>", "x-x", {"a": "x"}),
        ("<<secret:a>>-<<secret:a>>", "x-y", {}),
        ('"<<secret:a:json>>"', '"\\x"', {}),
        ("<<secret:a:base64>>", "x", {}),
    ],
)
def test_harvest(template: str, live: str, found: dict[str, str]) -> None:
    assert secrets.harvest(template, live) == found


def test_candidates_are_each_once_and_never_empty() -> None:
    pairs = [("<<secret:a>>", "x"), ("u:<<secret:a:url>>", "u:x"), ("<<secret:a>>", "y"), ("<<secret:b>>", "")]
    assert secrets.candidates(pairs) == {"a": ["x", "y"]}


def test_harvest_of_arbitrary_values() -> None:
    rng = random.Random(7)
    for _ in range(500):
        value = "".join(rng.choices("".join(VALUES[:-4]) + "aZ09", k=rng.randrange(1, 20)))
        template = "|".join(f"<<secret:{rng.choice(FORMS).format('a')}>>" for _ in range(3))
        assert secrets.harvest(template, secrets.fill(template, {"a": value})).get("a", value) == value


def test_fingerprints_compare_and_do_not_show() -> None:
    texts = [secrets.fill_fingerprints("a=<<secret:a>> b=<<secret:b:url>>", {"a": "x", "b": y}) for y in ("x", "x", "z")]
    assert texts[0] == texts[1] != texts[2]
    assert secrets.fingerprint("a", "x") != secrets.fingerprint("b", "x")
    assert len(secrets.fingerprint("a", "x")) == 16
    assert repr(secrets.Secret("a", "hidden", "file")) == "Secret(a, from file)"


# --- where a value comes from -----------------------------------------------------------------------------------------

KNOWN = (
    "password is not known, but volume data holds data that was made with it; a new one would lock everyone out: "
    "give the old one in auren_secrets: password"
)


def resolve(
    given: str | None = None,
    stored: str | None = None,
    held: tuple[str, ...] = (),
    data: bool = False,
    accepted: tuple[str, ...] = (),
    **spec: Any,
) -> secrets.Secret:
    resolver = secrets.Resolver(
        {} if given is None else {"password": given},
        lambda name: stored,
        lambda: {"password": list(held)} if held else {},
        lambda volume: data,
        lambda name, value: None if value in accepted else "no",
    )
    return resolver.resolve(secrets.Spec("password", **spec))


REMEMBERED = {"generate": True, "volume": "data"}


@pytest.mark.parametrize(
    ("about", "value", "source"),
    [
        ({"given": "g", "stored": "s", "held": ("h",)}, "g", "given"),
        ({"given": "", "stored": "s", "held": ("h",)}, "s", "file"),
        ({"stored": "s", "held": ("h",)}, "s", "file"),
        ({"stored": "", "held": ("h",)}, "h", "containers"),
        ({"held": ("h", "i")}, "h", "containers"),
        ({"held": ("h",), "volume": "data"}, "h", "containers"),
        ({"held": ("old", "h"), "data": True, "accepted": ("h",), "volume": "data"}, "h", "containers"),
        ({"given": "g", "data": True, **REMEMBERED}, "g", "given"),
        ({"given": "g", "stored": "g", "data": True, **REMEMBERED}, "g", "given"),
        ({"given": "g", "stored": "s", "data": False, **REMEMBERED}, "g", "given"),
        ({"given": "g", "stored": "s", "data": True, "generate": True}, "g", "given"),
        ({"offer": "o", "generate": True}, "o", "offered"),
        ({"offer": "o", "stored": "s"}, "s", "file"),
        ({"optional": True}, "", "none"),
    ],
)
def test_the_first_source_that_has_it(about: dict[str, Any], value: str, source: str) -> None:
    found = resolve(**about)
    assert (found.value, found.source) == (value, source)


@pytest.mark.parametrize("about", [{"generate": True}, REMEMBERED])
def test_a_generated_value_is_long_and_never_the_same(about: dict[str, Any]) -> None:
    one, two = resolve(**about), resolve(**about)
    assert (one.source, two.source) == ("generated", "generated")
    assert one.value != two.value
    assert len(one.value) == 32


@pytest.mark.parametrize(
    ("about", "kind", "said"),
    [
        ({}, "secret_missing", "password has no value and is never generated: give it in auren_secrets: password"),
        ({"data": True, **REMEMBERED}, "secret_missing", KNOWN),
        (
            {"given": "g", "stored": "s", "data": True, **REMEMBERED},
            "secret_differs",
            "password: the value given in auren_secrets is not the one that the data in volume data was made with; changing only the "
            "clients would lock them out. Change it in the service itself first and put it into the file of that name in the project's "
            "secrets directory, or take password out of auren_secrets to keep the present one",
        ),
        (
            {"held": ("h",), "data": True, **REMEMBERED},
            "secret_unproved",
            "password: its file is gone and the value that the containers hold was not accepted (no); give it in auren_secrets: password",
        ),
    ],
)
def test_what_is_refused(about: dict[str, Any], kind: str, said: str) -> None:
    with pytest.raises(StackError) as told:
        resolve(**about)
    assert (told.value.kind, told.value.target, str(told.value)) == (kind, "password", said)
