.DEFAULT_GOAL := help
LIQ := .venv/bin/liq
PY := .venv/bin/python
# two files of tests at a time; each process has a Kafka, a Connect and a QuestDB of its own
PROCESSES := 2
PYTEST := .venv/bin/pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

.PHONY: help setup run test test-fast compose-programs compose-test lint jars sbom audit docs reference bench chaos oracle screenshot clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: ## make .venv from uv.lock
	@tools/setup

run: ## start everything and print the URL of the live dashboard
	@# without the tools of tests, and without what comes later; what is there stays
	@tools/setup --no-default-groups --inexact --no-extra spark --no-extra cryptofeed
	@$(LIQ) run
	@tools/add-extras

lint: setup ## ruff and mypy
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# compile lightly: Maven lives for seconds
export MAVEN_OPTS ?= -XX:TieredStopAtLevel=1

test: lint ## lint, the sink's unit tests, then every Python test on real servers
	mvn --batch-mode --quiet --file connect/pom.xml --projects sink test -Dliq.build=$(CURDIR)/connect/target
	$(PYTEST) --durations 30

test-fast: lint ## lint and the tests that start no server, kernel or other program
	$(PYTEST) -m "not stack and not browser and not slow"

jars: setup ## write connect/jars.txt, the jars that Maven resolves for connect/*/pom.xml
	@$(PY) tools/pin_jars.py

# where the engine keeps its programs and images, some GB
export COMPOSE_FOLDER ?= $(HOME)/.cache/liq-compose

compose-programs: ## download Docker's programs for make compose-test; also its client, for make test
	tests/compose/engine $(COMPOSE_FOLDER)

compose-test: setup ## run docker-compose.yml and its overlay in a Docker Engine started for that
	tests/compose/engine $(COMPOSE_FOLDER) .venv/bin/pytest tests/compose --durations=0

docs: setup ## write what is generated from the code: tables of docs/, schemas, the stub of liq.hit, Grafana's dashboard
	@$(PY) tools/document.py

reference: ## build the documentation with the API's reference in dist/site; warnings are errors
	@tools/setup --group docs
	@.venv/bin/mkdocs build --quiet --strict

sbom: setup ## list the Python packages and jars in dist/*.cdx.json, CycloneDX 1.6
	@$(PY) tools/sbom.py

audit: sbom ## look for known vulnerabilities: ask OSV, or read ADVISORIES="DIR ZIP ..."
	@$(PY) tools/audit.py $(addprefix --advisories ,$(ADVISORIES))

bench: setup ## compare liq side by side with others; measure paint, visitors, memory, queries
	@$(PY) -m bench

chaos: setup ## let everything fail under load for minutes, and print what came of it
	@PYTHONPATH=tests $(PY) tests/chaos/storm.py $(CHAOS)
	SINK_ROWS=1000000 .venv/bin/pytest tests/delivery/test_sink.py -k great_many

oracle: setup ## compare every query with a second computation; ORACLE="--seeds 1000 --seed 7"
	@PYTHONPATH=tests $(PY) -m oracle $(ORACLE)

screenshot: setup ## draw the README's and the gallery's pictures from the running apps
	@$(PY) tools/screenshot.py

clean: ## remove what builds and tests leave in the checkout
	rm -rf .venv .tools .mypy_cache .pytest_cache .ruff_cache .hypothesis connect/target dist
