# What can be done here. `make` alone lists it. Everything runs in virtual environments of its own, made at first use.

# Any Python from 3.9 on finds or fetches the 3.13 that is needed; PYTHON313=/path/to/python3.13 names one.
PYTHON := $(shell for python in python3 python python3.13 python3.12 python3.11 /usr/bin/python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null && echo "$$python" && break; done)
BOOTSTRAP = $(if $(PYTHON),$(PYTHON),$(error Python 3.9 or newer is needed, and none is on the PATH)) local/bootstrap.py
DEV = .venvs/dev/bin/python
# A file's tests share what they start. Skipped tests are named at the end, with the reason.
PYTEST = $(DEV) -m pytest -r s --numprocesses auto --maxprocesses 4 --dist loadfile
# The functions' own first: they are part of the others.
LOCKED = layers/dependencies/requirements $(addprefix requirements/,audit dev emulator runtime sam bench uv)
# PROVIDER: ctyun, waiqin365, huaweicloud, ihuyi or accuauth; unset, as with accuauth, ctyun reads the Chinese cards.
CHOICE = $(if $(PROVIDER),--provider '$(PROVIDER)')
ERASE = $(if $(NUMBER),$(error A number is asked for: PERSON=1. On a command line others see it)) \
	$(DEV) -m local.erase $(if $(STACK),--stack '$(STACK)') $(if $(JSON),--json) $(if $(CASE),--case '$(CASE)') \
	$(if $(SEARCH_BUCKET),--search-bucket) $(if $(PERSON),--person) $(if $(RECORDS),--record $(RECORDS))
export PYTHON313

.DEFAULT_GOAL := help
.PHONY: help demo up scan down test check fuzz bench lint build schemas scale lock clean laptop dead-letters doctor erase held audit advisories licences

help: ## List what can be done
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do \
		printf '  make %-12s %s\n' "$$name" "$$what"; done

demo: laptop ## Show the whole system at work on printed specimen cards: make demo PROVIDER=huaweicloud
	@$(DEV) -m local demo $(CHOICE)

up: laptop ## Start it for pictures of your own, until `make down`
	@$(DEV) -m local up $(CHOICE)

scan: laptop ## Upload pictures to what `make up` started: make scan FILES="a.jpg b.png"
	@$(DEV) -m local scan $(CHOICE) $(FILES)

down: laptop ## Stop what `make up` started
	@$(DEV) -m local down

dead-letters: ## List what could not be worked on, or send it again: [STACK=name] [SEND_BACK=1 | FAILED=1]
	@$(BOOTSTRAP) dev
	@$(DEV) -m local.dead_letters $(if $(STACK),--stack '$(STACK)') $(if $(JSON),--json) \
		$(if $(SEND_BACK),--send-back) $(if $(ALL),--all) $(if $(FAILED),--failed $(filter-out 1,$(FAILED)))

doctor: ## Say what is wrong with a stack and how it is mended, without spending money: [STACK=name] [JSON=1]
	@$(BOOTSTRAP) dev
	@$(DEV) -m local.doctor $(if $(STACK),--stack '$(STACK)') $(if $(JSON),--json)

erase: ## Erase a case, a person or scans: CASE=id | PERSON=1 (asks for the number) | RECORDS="id …" [STACK=name] [DRY_RUN=1]
	@$(BOOTSTRAP) dev
	@$(ERASE) $(if $(DRY_RUN),--dry-run)

held: ## Say what is held about a case, a person or scans, as `make erase` finds them
	@$(BOOTSTRAP) dev
	@$(ERASE) --held

test: laptop lint ## Run every check and every test
	@$(BOOTSTRAP) audit
	@$(PYTEST)

check: lint ## Run the checks and tests that need neither emulator nor container nor OCR
	@$(PYTEST) -m "not emulator and not container and not ocr and not thorough"

fuzz: ## Fuzz pictures, answers and messages, an equal number of each: [RUNS=10000] [SEED=1] [TARGET=images]
	@$(BOOTSTRAP) dev
	@$(DEV) -m tests.fuzz --runs $(or $(RUNS),10000) --seed $(or $(SEED),1) $(if $(TARGET),--target '$(TARGET)')

bench: ## Measure it beside a reference handler, in ratios: [SECTIONS="init warm"]
	@$(BOOTSTRAP) dev sam bench
	@$(DEV) -m tests.benchmarks $(SECTIONS)

lint:
	@$(BOOTSTRAP) dev sam
	@$(DEV) -m ruff check --quiet
	@$(DEV) -m ruff format --check --quiet
	@$(DEV) -m mypy --no-error-summary layers/cardintake/python functions local tests examples
	@$(DEV) -m local.building validate

audit: ## Hold the template against external rule sets: cfn-lint, checkov, AWS's rules for cfn-guard
	@$(BOOTSTRAP) dev audit
	@$(DEV) -m local.auditing.rule_sets

advisories: ## Ask the advisory databases about every locked version of a package (needs the internet)
	@$(BOOTSTRAP) dev audit
	@$(DEV) -m local.auditing.advisories

licences: ## Write THIRD-PARTY-LICENSES.md from the installed packages
	@$(BOOTSTRAP) dev sam emulator runtime bench audit uv
	@$(DEV) -m local.auditing.licences

build: ## Build the application for this machine's processor
	@$(BOOTSTRAP) dev sam
	@$(DEV) -m local.building build

schemas: ## Write schemas/ and docs/reasons.md from the code
	@$(BOOTSTRAP) dev
	@$(DEV) -m local.schemas

scale: ## Write the tables of docs/scale.md: calls, costs, and the simulated queue
	@$(BOOTSTRAP) dev
	@$(DEV) -m local.scale --write

lock: ## Lock the requirements again, with hashes, at the newest versions that fit
	@$(BOOTSTRAP) uv
	@for name in $(LOCKED); do \
		case $$name in */uv) version=3.9 ;; *) version=3.13 ;; esac; \
		echo "  $$name.txt"; \
		.venvs/uv/bin/uv pip compile --quiet --upgrade --generate-hashes --no-header --no-emit-index-url --no-strip-markers \
			--python-version $$version --python-platform linux $$name.in --output-file $$name.txt || exit 1; done

clean: ## Remove what was built, but not the virtual environments
	rm -rf .aws-sam build .mypy_cache .pytest_cache .ruff_cache .hypothesis

laptop:
	@$(BOOTSTRAP) dev sam emulator runtime
