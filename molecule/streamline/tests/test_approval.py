"""Nothing is done that nobody has approved: the plan, its id, and everything that can be wrong with an approval."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from mess import NETWORK, STREAMLINE, Mess, typed
from plans import plan_id, shown
from target import Recap, play

LIST = ["-e", json.dumps({"auren_streamline_containers": ["biometric-unified"]})]


@pytest.fixture(scope="module")
def plan(mess: Mess) -> Recap:
    """The first run over the mess, which nobody has approved."""
    mess.build()
    before = mess.topology(), mess.started()
    done = play(*LIST, playbook=STREAMLINE)
    assert (done.status, done.changed) == (0, 0), done.output
    assert (mess.topology(), mess.started()) == before
    return done


@pytest.fixture
def untouched(mess: Mess, plan: Recap) -> Iterator[None]:
    """Containers, networks, policies and starts are the same after the test."""
    before = mess.topology(), mess.started()
    yield
    assert (mess.topology(), mess.started()) == before


def refused(*arguments: str) -> str:
    """What a run says that ends with an error, on one line."""
    done = play(*arguments, playbook=STREAMLINE)
    assert done.status != 0, done.output
    assert "changed=0" in done.output
    return " ".join(done.output.split())


def last_line(output: str) -> str:
    """What stands before the recap."""
    return output.partition("\nPLAY RECAP")[0].strip().splitlines()[-1].strip()


def test_without_an_approval_nothing_changes_and_the_last_line_says_how_to_give_it(plan: Recap) -> None:
    said = f"Nothing was changed. To do exactly this, add -e auren_approve={plan_id(plan.output)}"
    assert last_line(plan.output) == said
    assert "verification was not run: changes pending" in plan.output


def test_the_plan_names_what_it_does_and_what_it_leaves(plan: Recap) -> None:
    text = shown(plan.output)
    assert f"| create network **{NETWORK}** | it is not there | nothing |" in text
    assert f"connect **biometric-unified to {NETWORK}**" in text  # stopped, and listed
    assert "its address 10.77.0.50 stays on apps | nothing |" in text  # published, and its gateway sorts first
    assert "connect **neuros-blue" not in text
    alone = "left alone, because not on the list: biometric-system-100 (on auren_default), debug (on auren_default), neuros-blue (on "
    assert f"{alone}auren_deploy_auren-network)" in text
    assert "auren-node-exporter uses the host's network: it takes part in no Docker network and is not reached by name there" in text
    assert "container neuros-langgraph: publishes port 8000, as neuros-advanced does" in text


@pytest.mark.usefixtures("untouched")
def test_check_mode_shows_the_same_plan_byte_for_byte(plan: Recap) -> None:
    checked = play(*LIST, "--check", playbook=STREAMLINE)
    assert checked.status == 0, checked.output
    assert shown(checked.output) == shown(plan.output)


@pytest.mark.usefixtures("untouched")
def test_on_a_terminal_everything_but_yes_is_a_no(plan: Recap) -> None:
    done = typed("y", *LIST, playbook=STREAMLINE)
    assert (done.status, done.changed) == (0, 0), done.output
    assert shown(done.output) == shown(plan.output)
    assert last_line(done.output) == last_line(plan.output)


# --- approvals that are none ---------------------------------------------------------------------------------------------

CHANGES: dict[str, tuple[Callable[[Mess], object], Callable[[Mess], object], str]] = {
    "a container joined a network": (
        lambda mess: mess.target.docker("network", "connect", "apps", "auren-redis"),
        lambda mess: mess.target.docker("network", "disconnect", "apps", "auren-redis"),
        "the container auren-redis has changed (networks)",
    ),
    "a container has another policy": (
        lambda mess: mess.target.docker("update", "--restart", "always", "auren-redis"),
        lambda mess: mess.target.docker("update", "--restart", "no", "auren-redis"),
        "the container auren-redis has changed (restart policy)",
    ),
    "somebody made the network": (
        lambda mess: mess.target.docker("network", "create", NETWORK),
        lambda mess: mess.target.docker("network", "rm", NETWORK),
        f"the network {NETWORK} is new",
    ),
}


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("change", CHANGES)
def test_a_stale_plan_is_refused_and_the_change_is_named(mess: Mess, plan: Recap, change: str) -> None:
    do, undo, told = CHANGES[change]
    wanted = plan_id(plan.output)
    do(mess)
    try:
        changed = mess.topology(), mess.started()
        said = refused(*LIST, "-e", f"auren_approve={wanted}")
        assert (mess.topology(), mess.started()) == changed
    finally:
        undo(mess)
    assert f"the host has changed since the plan {wanted} was made: {told}. Look at the plan of now, " in said
    assert "and approve that one. Nothing was changed" in said


@pytest.mark.usefixtures("untouched")
def test_a_plan_of_another_list_is_refused(plan: Recap) -> None:
    wanted = plan_id(plan.output)
    said = refused("-e", f"auren_approve={wanted}", "-e", json.dumps({"auren_streamline_containers": ["biometric-unified", "neuros-blue"]}))
    assert f"the host has changed since the plan {wanted} was made: the container neuros-blue is new. Look at" in said


SENTENCES = {
    "of another host": ("{other}", "the plan {other} is of another host; the plan of target is {mine}. Nothing was changed here"),
    "unknown": (
        "{mine:.4}-0123456789",
        "the plan {mine:.4}-0123456789 is not known on target; the plan of now is {mine}: look at it, then approve that one. "
        "Nothing was changed",
    ),
    "malformed": (
        "yes",
        "auren_approve is 'yes', which is no id of a plan: give one as it was printed (such as 3f9a-0123456789), or auto. "
        "Nothing was changed",
    ),
}


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("wrong", SENTENCES)
def test_an_id_that_is_none_of_this_host_is_refused_with_a_sentence(plan: Recap, wrong: str) -> None:
    mine = plan_id(plan.output)
    other = f"{int(mine[:4], 16) ^ 1:04x}-0123456789"
    given, sentence = (text.format(mine=mine, other=other) for text in SENTENCES[wrong])
    assert sentence in refused(*LIST, "-e", f"auren_approve={given}")


# --- containers that were asked to stop ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("untouched")
def test_what_is_still_in_use_vanishes_or_is_not_there_is_not_stopped() -> None:
    """All reasons at once, before anything is changed."""
    said = refused("-e", "auren_approve=auto", "-e", json.dumps({"auren_streamline_stop": ["auren-redis-exporter", "debug", "nobody"]}))
    user = "/srv/mess/prometheus.yml:4 of auren-prometheus"
    assert f"auren-redis-exporter is named in auren_streamline_stop and still in use: {user}. Change these first, or leave it out" in said
    assert "debug was started with --rm: it would vanish at its stop, with its anonymous volumes. Leave it out of auren_stream" in said
    assert "there is no container nobody; on this host are: auren-grafana, auren-kafka" in said
