# One entry for people and for CI: `make` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ARGS ?=
DATA ?=
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
unexport PYTHONDONTWRITEBYTECODE

RUN := .venv/.run
DEV := .venv/.dev
AUTOCOMPOSE := .venv-autocompose/.made
APPS := $(if $(wildcard requirements/apps.txt),.venv-apps/.apps)
comma := ,
quoted := $(foreach volume,$(DATA),"$(volume)")
space := $() $()

.PHONY: help venv up down clean pwa verify streamline rollback docs check test test-full bench bench-full troubleshoot document

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  ARGS="..." is handed to ansible-playbook'

venv: $(RUN) ## the virtual environment .venv with pinned dependencies

up: $(RUN) ## bring this machine to eight healthy services
	ansible-playbook site.yml -i inventory/local.yml $(ARGS)

down: $(RUN) ## stop the services, keep their data
	ansible-playbook playbooks/down.yml -i inventory/local.yml $(ARGS)

clean: $(RUN) ## remove all that was made; data only by name: DATA="volume ..."
	ansible-playbook playbooks/clean.yml -i inventory/local.yml \
	    -e '{"auren_remove_data": [$(subst $(space),$(comma),$(strip $(quoted)))]}' $(ARGS)
	-@python molecule/shared/hosts.py clean 2>/dev/null
	rm -rf .cache .mypy_cache .pytest_cache .ruff_cache .ansible .venv-* .venv

pwa: $(RUN) ## build and deploy the page alone; ARGS="-e pwa_source=DIR" for another project's
	ansible-playbook playbooks/pwa.yml -i inventory/local.yml $(ARGS)

verify: $(RUN) ## prove that the services work for those who use them; reports in auren-reports/
	ansible-playbook playbooks/verify.yml -i inventory/local.yml $(ARGS)

troubleshoot: $(RUN) ## pack what somebody needs to look at this host, without secrets, and say what is likely behind its trouble
	ansible-playbook playbooks/troubleshoot.yml -i inventory/local.yml $(ARGS)
document: $(RUN) ## write the architecture document from live state into auren-reports/; ARGS="-e auren_audit=FILE.md" audits an older one
	ansible-playbook playbooks/document.yml -i inventory/local.yml $(ARGS)

streamline: $(RUN) ## bring hand-run containers together on the one network: the plan, then it asks
	ansible-playbook playbooks/streamline.yml -i inventory/local.yml $(ARGS)

rollback: $(RUN) ## take back what streamline did in the last days: the plan, then it asks
	ansible-playbook playbooks/rollback.yml -i inventory/local.yml $(ARGS)

docs: $(DEV) ## the reference and the changelog from the specs of modules, plugins and roles, and from changelogs/fragments
	@python scripts/reference.py
	@scripts/changelog

check: $(DEV) $(APPS) ## lint, types, unit tests: under two minutes
	@python scripts/steps.py check

test: $(DEV) $(APPS) ## check, sanity, integration and the scenario default
	@python scripts/steps.py test

test-full: $(DEV) $(APPS) ## test, every other scenario, the oldest ansible-core and target Python
	@python scripts/steps.py full

bench: $(DEV) $(AUTOCOMPOSE) ## compare with the usual ways, write docs/benchmarks*.md and docs/takeover-fields.md; on an otherwise idle machine
	ansible-playbook tests/prepare.yml
	python tests/bench/bench.py $(ARGS)
	python tests/bench/networks.py
	python tests/bench/verification.py
	python tests/bench/pwa.py
	python tests/bench/takeover_fields.py

bench-full: $(DEV) ## bring 10 to 300 containers together against the usual ways, write docs/benchmarks-networks.md
	ansible-playbook tests/prepare.yml
	python tests/bench/networks.py 10 50 100 300

$(RUN): requirements/run.txt requirements/constraints.txt
	@start=$$SECONDS; scripts/make-venv .venv requirements/run.txt; touch $@; echo "ok: .venv, $$((SECONDS - start)) s"

$(DEV): requirements/dev.txt $(RUN)
	@start=$$SECONDS; scripts/make-venv .venv requirements/dev.txt; touch $@; echo "ok: .venv for tests, $$((SECONDS - start)) s"

.venv-apps/.apps: requirements/apps.txt
	@start=$$SECONDS; scripts/make-venv .venv-apps requirements/apps.txt; touch $@; echo "ok: .venv-apps, $$((SECONDS - start)) s"

$(AUTOCOMPOSE): requirements/autocompose.txt
	@start=$$SECONDS; scripts/make-venv .venv-autocompose requirements/autocompose.txt; touch $@; echo "ok: .venv-autocompose, $$((SECONDS - start)) s"
