"""The artifact that `ansible-galaxy collection build` makes, installed elsewhere and used with an inventory of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.leaks import leaks

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
ROLES = sorted(path.parent.name for path in (ROOT / "roles").glob("*/meta"))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory outside the checkout that holds nothing but the installed artifact."""
    place = tmp_path_factory.mktemp("artifact")
    run(place, "ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(place))
    tarball = next(place.glob("auren-stack-*.tar.gz"))
    run(place, "ansible-galaxy", "collection", "install", str(tarball), "-p", str(place / "collections"))
    return place


def run(place: Path, command: str, *arguments: str) -> str:
    """Run one of Ansible's commands as a user outside the checkout would; returns what it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
    environment.update(ANSIBLE_COLLECTIONS_PATH=str(place / "collections"), ANSIBLE_HOME=str(place / "home"))
    done = subprocess.run([BIN / command, *arguments], cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_holds_what_users_need_and_no_tools(installed: Path) -> None:
    shipped = {path.name for path in (installed / "collections/ansible_collections/auren/stack").iterdir()}
    assert {"README.md", "LICENSE", "CHANGELOG.rst", "SECURITY.md", "plugins", "roles", "playbooks", "meta", "docs", "inventory"} <= shipped
    assert not shipped & {"tests", "molecule", "Makefile", "scripts", "requirements", "site.yml", "ansible.cfg"}
    assert {name for name in shipped if name.startswith(".")} == set()
    assert not list((installed / "collections").rglob("*.pyc"))


def test_holds_no_secret_and_no_foreign_address(installed: Path) -> None:
    root = installed / "collections/ansible_collections/auren/stack"
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) > 300
    assert [line for path in files for line in leaks(path.relative_to(root), path.read_bytes())] == []


def test_documents_every_module_and_role(installed: Path) -> None:
    modules = json.loads(run(installed, "ansible-doc", "--json", *(f"auren.stack.{name}" for name in MODULES)))
    assert sorted(modules) == [f"auren.stack.{name}" for name in MODULES]
    assert all(module["doc"]["short_description"] and module["return"]["actions"] for module in modules.values())
    roles = json.loads(run(installed, "ansible-doc", "-t", "role", "--json", *(f"auren.stack.{name}" for name in ROLES)))
    assert sorted(roles) == [f"auren.stack.{name}" for name in ROLES]


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_playbooks_are_found_by_name(installed: Path, playbook: str) -> None:
    assert "playbook:" in run(installed, "ansible-playbook", f"auren.stack.{playbook}", "-i", "auren,", "--syntax-check")


def test_an_inventory_outside_overrides_a_wiring_value(installed: Path) -> None:
    """One value of the wiring, given in a foreign inventory, reaches every role that uses it: here in a plan of the real Engine."""
    inventory = {
        "auren": {
            "hosts": {"here": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}},
            "vars": {
                "ansible_become": False,
                "auren_bind": "127.0.0.77",
                "auren_project": "auren-artifact",
                "auren_project_dir": str(installed / "project"),
                "auren_network": "auren-artifact",
                # Names that nobody holds, so that the plan is one of a new host whatever runs here.
                **{f"auren_{name}_host": f"artifact-{name}" for name in ("postgres", "redis", "kafka", "neuros", "biometric")},
                "auren_services": ["neuros", "biometric_bridge"],
                **{f"auren_{name}_volume": f"artifact-{name}" for name in ("postgres", "redis", "kafka")},
            },
        }
    }
    (installed / "inventory.yml").write_text(yaml.safe_dump(inventory))
    said = run(installed, "ansible-playbook", "auren.stack.site", "-i", "inventory.yml", "--check")
    assert "create artifact-neuros: it is not there" in said
    assert "127.0.0.77:8000" in said
    assert "127.0.0.77:8888" in said
    assert not (installed / "project").exists()
