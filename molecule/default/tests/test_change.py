"""One variable is changed: exactly one service is recreated, and check mode tells so before."""

from __future__ import annotations

from target import Target, play

CHANGED = ["-e", "neuros_log_level=DEBUG"]


def test_check_mode_on_a_converged_host_plans_nothing(target: Target) -> None:
    before = target.started()
    seen = play("--check", "--diff")
    assert (seen.status, seen.changed) == (0, 0), seen.output
    assert "all of them pass" in seen.output  # a host that is as declared is verified in check mode, too
    assert target.started() == before


def test_check_mode_tells_the_change_and_does_not_do_it(target: Target) -> None:
    before = target.started()
    seen = play("--check", *CHANGED)
    assert seen.status == 0, seen.output
    assert seen.changed > 0, seen.output
    assert "verification was not run: changes pending" in seen.output
    assert "recreate neuros-advanced: environment key LOG_LEVEL changed" in " ".join(seen.output.split())
    assert target.started() == before


def test_one_variable_recreates_exactly_one_service(target: Target) -> None:
    before = target.started()
    seen = play(*CHANGED)
    assert seen.status == 0, seen.output
    after = target.started()
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == {"neuros-advanced"}
    assert "LOG_LEVEL=DEBUG" in target.containers()["neuros-advanced"]["Config"]["Env"]
    again = play(*CHANGED)
    assert (again.status, again.changed) == (0, 0), again.output
    assert target.started() == after


def test_the_variable_set_back_recreates_it_alone_again(target: Target) -> None:
    before = target.started()
    seen = play()
    assert seen.status == 0, seen.output
    after = target.started()
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == {"neuros-advanced"}


def test_one_role_by_its_tag_leaves_the_others_in_the_project(target: Target) -> None:
    before = target.started()
    seen = play("--tags", "redis", "-e", "redis_memory=200m")
    assert seen.status == 0, seen.output
    assert "recreate auren-redis: file redis.conf changed, mem_limit changed" in " ".join(seen.output.split())
    after = target.started()
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == {"auren-redis"}
    master = target.run("cat", "/opt/auren/docker/docker-compose.yml")
    assert {f"services/{name}.yml" for name in after} <= {line.strip(' -"') for line in master.splitlines()}
