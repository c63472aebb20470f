"""What forbids a plan for networks, and what people should know before they approve it: every sentence."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.auren.stack.plugins.module_utils.host_state import HostState, Listed, Text, Wish
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_COMPOSE_PROJECT, LABEL_SERVICE, Container
from ansible_collections.auren.stack.plugins.module_utils.network_plan import Route
from ansible_collections.auren.stack.plugins.module_utils.references import LABEL_COMPOSE_FILES, LABEL_COMPOSE_SERVICE

from tests.unit.network_builders import box, host, identity, net, on, plan, refusals, warnings, wish

TARGET, OLD = net("target", "10.9.0.0/24"), net("old", "10.1.0.0/24")
ONE = box("one", on("target"))
NOTHING = "Nothing was changed"

# --- what forbids it --------------------------------------------------------------------------------------------------


def test_a_container_that_is_not_there_is_refused_unless_it_is_optional() -> None:
    said = f"there is no container two; on this host are: one. {NOTHING}"
    assert refusals(host(TARGET, ONE), wish("one", "two")) == [("missing_container", said)]
    assert refusals(host(TARGET), wish("two")) == [("missing_container", f"there is no container two; on this host are: none. {NOTHING}")]
    assert refusals(host(TARGET, ONE), wish("one", Listed("two", optional=True))) == []
    assert refusals(host(TARGET, ONE), wish("one", stop=("two",))) == [("missing_container", said)]


@pytest.mark.parametrize(
    ("more", "kind", "said"),
    [
        ({"target": "bridge"}, "predefined_network", "auren_network is bridge, which belongs to Docker; name another one"),
        (
            {"subnet": "10.8.0.0/24"},
            "subnet_differs",
            "the network target has 10.9.0.0/24 and auren_subnet asks for 10.8.0.0/24; the subnet of a network cannot be changed while "
            f"containers need it. Set auren_subnet to 10.9.0.0/24, or leave it empty. {NOTHING}",
        ),
        (
            {"target": "new", "subnet": "10.1.0.0/16"},
            "subnet_overlap",
            "auren_subnet 10.1.0.0/16 overlaps the Docker network old (10.1.0.0/24); set it to a free one, or leave it empty and the "
            f"Engine chooses. {NOTHING}",
        ),
        (
            {"target": "new", "subnet": "10.7.0.0/24"},
            "subnet_overlap",
            "auren_subnet 10.7.0.0/24 overlaps the host's route to 10.7.0.0/16 by eth0; set it to a free one, or leave it empty and the "
            f"Engine chooses. {NOTHING}",
        ),
        (
            {"sources": ("old", "oid")},
            "missing_network",
            f"there is no network oid to move from; on this host are: bridge, host, none, old, target. {NOTHING}",
        ),
    ],
)
def test_networks_that_cannot_be_meant_are_refused(more: dict[str, Any], kind: str, said: str) -> None:
    state = host(TARGET, OLD, box("one", on("old")), routes=(Route("10.7.0.0/16", "eth0"),))
    assert refusals(state, wish("one", **more)) == [(kind, said)]


@pytest.mark.parametrize("more", [{}, {"target": "other", "sources": ("target",)}])
def test_a_name_of_two_networks_is_refused(more: dict[str, Any]) -> None:
    state = host(TARGET, net("target", "10.8.0.0/24", id=identity("second")), net("other", "10.7.0.0/24"), ONE)
    said = f"there are 2 networks called target, so a name does not say which; remove the empty one by its id. {NOTHING}"
    assert refusals(state, wish("one", **more)) == [("ambiguous_network", said)]


def test_a_source_that_a_finished_run_has_removed_is_not_missed() -> None:
    assert refusals(host(TARGET, ONE), wish("one", sources=("old",), detach=True, remove_sources=True)) == []


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("none", "has no network (--network none)"),
        (f"container:{'ab' * 32}", "uses the network of another container (container:abababababab)"),
    ],
)
def test_a_container_that_cannot_join_is_refused_while_it_runs(mode: str, said: str) -> None:
    sentence = f"two {said}, so it cannot join one; make it anew without that, or take it off the list. {NOTHING}"
    assert refusals(host(TARGET, ONE, box("two", network_mode=mode)), wish("one", "two")) == [("network_mode", sentence)]
    assert refusals(host(TARGET, ONE, box("two", network_mode=mode, state="exited")), wish("one", "two")) == []


OUTSIDE = f"one is to have the address {{}}, which is outside {{}} ({{}}); choose one inside, or leave it out. {NOTHING}"
TAKEN = f"one is to have the address {{}}, which belongs to {{}}; choose a free one. {NOTHING}"


@pytest.mark.parametrize(
    ("address", "more", "said"),
    [
        ("10.8.0.9", {}, OUTSIDE.format("10.8.0.9", "target", "10.9.0.0/24")),
        ("10.9.0", {}, OUTSIDE.format("10.9.0", "target", "10.9.0.0/24")),
        ("10.9.0.0", {}, OUTSIDE.format("10.9.0.0", "target", "10.9.0.0/24")),
        ("10.9.0.255", {}, OUTSIDE.format("10.9.0.255", "target", "10.9.0.0/24")),
        ("10.9.0.9", {"target": "new"}, OUTSIDE.format("10.9.0.9", "new", "a subnet that the Engine chooses; set auren_subnet")),
        ("10.9.0.9", {"target": "new", "subnet": "10.8.0.0/24"}, OUTSIDE.format("10.9.0.9", "new", "10.8.0.0/24")),
    ],
)
def test_an_address_outside_the_target_is_refused(address: str, more: dict[str, Any], said: str) -> None:
    assert refusals(host(TARGET, OLD, box("one", on("old"))), wish(Listed("one", ipv4=address), **more)) == [("bad_address", said)]


@pytest.mark.parametrize(
    ("other", "more", "address", "holder"),
    [
        (box("two", on("target", ipv4="10.9.0.9")), {}, "10.9.0.9", "two"),
        (box("two", on("target", fixed_ipv4="10.9.0.9"), state="exited"), {}, "10.9.0.9", "two"),
        (box("two", on("target", ipv4="10.9.0.9", fixed_ipv4="10.9.0.9")), {"two": "10.9.0.8"}, "10.9.0.9", "two"),
        (box("two", on("old")), {}, "10.9.0.1", "the gateway of target"),
        (box("two", on("old")), {"target": "new", "subnet": "10.8.0.0/24"}, "10.8.0.1", "the gateway of new"),
    ],
)
def test_an_address_that_is_taken_is_refused(other: Container, more: dict[str, Any], address: str, holder: str) -> None:
    second = [Listed("two", ipv4=more.pop("two"))] if "two" in more else []
    found = refusals(host(TARGET, OLD, box("one", on("old")), other), wish(Listed("one", ipv4=address), *second, **more))
    assert found == [("address_taken", TAKEN.format(address, holder))]


def test_two_that_ask_for_one_address_are_refused() -> None:
    both = [Listed(name, ipv4="10.9.0.9") for name in ("one", "two")]
    kinds = [kind for kind, _ in refusals(host(TARGET, OLD, box("one", on("old")), box("two", on("old"))), wish(*both))]
    assert kinds == ["address_taken", "address_taken"]


def test_an_address_of_its_own_and_one_elsewhere_are_no_matter() -> None:
    mine = box("one", on("target", ipv4="10.9.0.9"))
    far = box("two", on("old", ipv4="10.9.0.9", fixed_ipv4="10.9.0.9"))
    assert refusals(host(TARGET, OLD, mine, far), wish(Listed("one", ipv4="10.9.0.9"), "two")) == []


def test_the_address_of_a_stopped_container_is_looked_at_as_well() -> None:
    state = host(TARGET, OLD, box("one", on("old"), state="exited"), box("two", on("target", ipv4="10.9.0.9")))
    assert refusals(state, wish(Listed("one", ipv4="10.9.0.9"))) == [("address_taken", TAKEN.format("10.9.0.9", "two"))]


def test_an_address_for_a_container_on_the_hosts_network_is_no_matter() -> None:
    state = host(TARGET, box("one", network_mode="host"), box("two", on("target", ipv4="10.9.0.9")))
    assert refusals(state, wish(Listed("one", ipv4="10.9.0.9"))) == []


COLLISION = (
    "the name {} would lead to {} on target; take one off the list, stop one (auren_streamline_stop), or make one anew without the alias. "
    f"{NOTHING}"
)


@pytest.mark.parametrize(
    ("first", "second", "wanted", "word", "sides"),
    [
        (on("old", "db"), on("older", "db"), wish("one", "two"), "db", "one (alias on old) and two (alias on older)"),
        (on("old"), on("target", "db"), wish(Listed("one", ("db",))), "db", "one (declared alias) and two (alias on target)"),
        (on("old", "two"), on("older"), wish("one", "two"), "two", "one (alias on old) and two (its own name)"),
        (on("old", "two"), on("target"), wish("one"), "two", "one (alias on old) and two (its own name)"),
    ],
)
def test_a_name_that_would_lead_to_two_is_refused(first: Any, second: Any, wanted: Wish, word: str, sides: str) -> None:
    state = host(TARGET, OLD, net("older", "10.2.0.0/24"), box("one", first), box("two", second))
    assert refusals(state, wanted) == [("alias_collision", COLLISION.format(word, sides))]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, wish("one")),
        ({"state": "exited"}, wish("one", "two")),
        ({}, wish("one", "two", stop=("two",))),
        ({}, wish("two", stop=("one",))),
    ],
)
def test_a_name_leads_to_one_when_the_other_does_not_run_there(more: dict[str, Any], wanted: Wish) -> None:
    state = host(TARGET, OLD, box("one", on("old", "db")), box("two", on("old", "db"), **more))
    assert refusals(state, wanted) == []


def test_names_that_others_share_already_are_no_matter() -> None:
    state = host(TARGET, ONE, *(box(name, on("target", "db")) for name in ("two", "three")))
    assert refusals(state, wish("one")) == []


# --- what must not be stopped -----------------------------------------------------------------------------------------


def stopping(two: Container, *more: Container, **given: Any) -> list[tuple[str, str]]:
    return refusals(host(TARGET, OLD, ONE, two, *more, **given), wish("one", stop=("two",)))


def test_a_container_that_would_vanish_is_not_stopped() -> None:
    said = "two was started with --rm: it would vanish at its stop, with its anonymous volumes. Leave it out of auren_streamline_stop"
    assert stopping(box("two", on("old"), auto_remove=True)) == [("auto_remove", f"{said}. {NOTHING}")]


def test_a_container_that_others_refer_to_is_not_stopped() -> None:
    texts = (Text("one", "environment key URL of one", "tcp://two:1"), Text("one", "/etc/p.yml:7 of one", "- targets: ['two:9100']"))
    used = "environment key URL of one; /etc/p.yml:7 of one"
    said = f"two is named in auren_streamline_stop and still in use: {used}. Change these first, or leave it out. {NOTHING}"
    assert stopping(box("two", on("old")), texts=texts) == [("protected", said)]
    assert stopping(box("two", on("old"), state="exited"), texts=texts) == []


def test_two_that_answer_to_one_name_are_not_both_stopped() -> None:
    texts = (Text("one", "environment key URL of one", "tcp://db:1"),)
    state = host(TARGET, OLD, ONE, box("two", on("old", "db")), box("three", on("old", "db")), texts=texts)
    assert refusals(state, wish("one", stop=("two",))) == []
    assert [kind for kind, _ in refusals(state, wish("one", stop=("two", "three")))] == ["protected", "protected"]


def test_a_container_whose_network_others_use_is_not_stopped() -> None:
    shares = box("three", network_mode=f"container:{identity('two')}")
    assert [kind for kind, _ in stopping(box("two", on("old")), shares)] == ["protected"]


def test_a_container_that_could_not_be_started_again_is_not_stopped() -> None:
    two, owner = box("two", network_mode=f"container:{identity('owner')}"), box("owner", on("old"), state="exited")
    assert len(stopping(two, owner)) == len(stopping(two)) == 1


# --- what people should know ------------------------------------------------------------------------------------------


def test_where_nothing_is_listed_nothing_is_told() -> None:
    assert warnings(host(box("two", network_mode="host"), box("three", on("old"))), wish()) == []


def test_a_container_on_the_hosts_network_is_told() -> None:
    said = "two uses the host's network: it takes part in no Docker network and is not reached by name there"
    assert warnings(host(TARGET, ONE, box("two", network_mode="host")), wish("one", "two")) == [said]


def test_what_is_not_on_the_list_is_left_alone_and_told() -> None:
    others = [box("b", on("old"), on("bridge")), box("a"), box("down", on("old"), state="exited"), box("there", on("target"))]
    state = host(TARGET, OLD, ONE, *others, box("apart", network_mode="none"))
    assert warnings(state, wish("one")) == ["left alone, because not on the list: a (on no network), b (on bridge, old)"]
    assert plan(state, wish("one")).plan.operations == []


def test_a_container_that_lost_the_network_of_its_creation_is_told() -> None:
    said = "one will not start again after a reboot unless this plan is done: the network gone that it was created on is gone"
    assert warnings(host(TARGET, box("one", on("target"), network_mode="gone")), wish("one")) == [said]


def test_a_source_that_is_gone_once_all_have_left_it_is_told() -> None:
    said = "there is no network oid to move from; an earlier run may have removed it"
    given = wish("one", detach=True, remove_sources=True, sources=("oid",))
    assert refusals(host(TARGET, ONE), given) == []
    assert warnings(host(TARGET, ONE), given) == [said]


def test_a_container_that_cannot_have_a_restart_policy_is_told() -> None:
    said = "one was started with --rm: it cannot have a restart policy, and vanishes when it ends"
    assert warnings(host(TARGET, box("one", on("target"), auto_remove=True)), wish("one")) == [said]


def test_a_stopped_container_with_the_name_of_another_is_told() -> None:
    state = host(TARGET, box("one", on("target", "db")), box("two", on("target", "db", "pg"), state="exited"))
    assert warnings(state, wish("one")) == ["two is stopped; started again it would share the name db with one on target"]


COMPOSE_FILE = """\
services:
  web:
    image: web
  db:
    image: db
    networks: [old]

networks:
  old:
"""
LABELS = {LABEL_COMPOSE_PROJECT: "shop", LABEL_COMPOSE_SERVICE: "db", LABEL_COMPOSE_FILES: "/srv/shop.yml"}


def shop(container: Container, *networks: Any) -> HostState:
    lines = enumerate(COMPOSE_FILE.splitlines(), 1)
    return host(*networks, container, texts=tuple(Text("", f"the Compose file /srv/shop.yml:{number}", line) for number, line in lines))


@pytest.mark.parametrize(
    ("places", "more", "labels", "said"),
    [
        (
            (on("target"), on("old")),
            {"detach": True},
            LABELS,
            "the next `up` of the Compose project shop (/srv/shop.yml:4-6) makes db anew, on old and not on target",
        ),
        (
            (on("old"),),
            {},
            LABELS,
            "the Compose project shop (/srv/shop.yml:4-6) does not know target: whenever its `up` makes db anew, it is not on it",
        ),
        (
            (on("old"),),
            {},
            {LABEL_COMPOSE_PROJECT: "shop"},
            "the Compose project shop does not know target: whenever its `up` makes db anew, it is not on it",
        ),
        ((on("target"), on("old")), {}, LABELS, None),
        ((on("old"),), {}, {**LABELS, LABEL_SERVICE: "db"}, None),
        ((on("old"),), {}, {}, None),
    ],
)
def test_a_compose_project_that_would_undo_it_is_told(places: Any, more: dict[str, Any], labels: dict[str, str], said: str | None) -> None:
    state = shop(box("db", *places, labels=labels), TARGET, OLD)
    assert warnings(state, wish("db", **more)) == ([said] if said else [])


def test_a_compose_project_that_would_make_a_network_again_is_told() -> None:
    own = net("old", "10.1.0.0/24", labels={LABEL_COMPOSE_PROJECT: "shop"})
    state = shop(box("db", on("target"), on("old"), network_mode="target"), TARGET, own)
    said = "the next `up` of the Compose project shop makes the network old again"
    assert warnings(state, wish("db", detach=True, remove_sources=True)) == [said]
    assert warnings(state, wish("db", detach=True)) == []
