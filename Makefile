# The commands of this project. Each one is a small program under hack/; this file only gives them their names.
PYTHON ?= python3
ARGS ?=
# Compiled modules go to the cache, not beside their sources.
export PYTHONPYCACHEPREFIX ?= $(or $(HCS_CACHE),$(HOME)/.cache/hcs)/pycache

.DEFAULT_GOAL := help
.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: engine-test
engine-test: ## engine tests beside real MySQL, Redis and RabbitMQ; ARGS="tests/engine/x -k name"
	@$(PYTHON) -m hack.engine $(ARGS)

.PHONY: many-tasks
many-tasks: ## TASKS=100000 tasks through workers killed at random, and a redrive of as many dead letters; prints figures
	@$(PYTHON) -m hack.engine --capture=no tests/engine/worker/test_many_tasks.py --tasks=$(or $(TASKS),100000)

.PHONY: races
races: ## READS=100000 reads against their tokens, OFFERED=1000 requests a second at two gateways, the small races and the overload; prints figures
	@$(PYTHON) -m hack.engine --capture=no $(addprefix tests/engine/,cache/test_race.py read_api/test_token_race.py write_api/test_no_oversell.py gateway/test_global_limit.py gateway/test_overload.py) --checked-reads=$(or $(READS),100000) --offered=$(or $(OFFERED),1000)

.PHONY: up images status logs down clean
up: ## a cluster, the operator, the sample stack, a first order
images: ## the cluster with this tree's images in it; prints their tags
status: ## what runs
logs: ## every pod's log and description, into .artifacts/
down: ## remove cluster and private daemon; the cache stays
clean: ## down, and remove the cache
up images status logs down clean:
	@$(PYTHON) -m hack.cluster $@

.PHONY: test chaos bench soak generate lock
test: ## lint, unit, engine, API server and cluster tests; ARGS="unit engine" runs only those
	@$(PYTHON) -m hack.test $(ARGS)
chaos: ## every fault RUNS=20 times under load, or FAULTS="one;another" of docs/reliability.md, which it writes
	@HCS_CHAOS_RUNS=$(or $(RUNS),20) HCS_CHAOS_FAULTS="$(FAULTS)" $(PYTHON) -m hack.test chaos
bench: ## the services beside what they are compared with; ARGS="gateway" measures only that; writes docs/performance.md
	@$(PYTHON) -m hack.bench $(ARGS)
soak: ## 20 minutes of mixed load; no service's memory or file descriptors may grow; writes docs/soak.md
	@$(PYTHON) -m hack.soak
generate: ## write crds/, the chart's copy, docs/metrics.md and docs/reference.md anew
	@$(PYTHON) -m hack.generate
lock: ## cut requirements/*.lock from pyproject.toml
	@$(PYTHON) -m hack.lock
