# What can be done here. `make` alone lists it. Everything runs in virtual environments of its own, made at first use.

# Any Python from 3.9 on finds or fetches the 3.13 that is needed; PYTHON313=/path/to/python3.13 names one.
PYTHON := $(shell for python in python3 python python3.13 python3.12 python3.11 /usr/bin/python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null && echo "$$python" && break; done)
BOOTSTRAP = $(if $(PYTHON),$(PYTHON),$(error Python 3.9 or newer is needed, and none is on the PATH)) local/bootstrap.py
DEV = .venvs/dev/bin/python
# A file's tests share what they start. Skipped tests are named at the end, with the reason.
PYTEST = $(DEV) -m pytest -r s --numprocesses auto --maxprocesses 4 --dist loadfile
# The functions' own first: they are part of the others.
LOCKED = layers/dependencies/requirements $(addprefix requirements/,dev emulator runtime sam uv)
# PROVIDER: ctyun, waiqin365, huaweicloud, ihuyi or accuauth; unset, as with accuauth, ctyun reads the Chinese cards.
CHOICE = $(if $(PROVIDER),--provider '$(PROVIDER)')
export PYTHON313

.DEFAULT_GOAL := help
.PHONY: help demo up scan down test check lint build schemas scale lock clean laptop dead-letters

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

test: laptop lint ## Run every check and every test
	@$(PYTEST)

check: lint ## Run the checks and tests that need neither emulator nor container nor OCR
	@$(PYTEST) -m "not emulator and not container and not ocr and not thorough"

lint:
	@$(BOOTSTRAP) dev sam
	@$(DEV) -m ruff check --quiet
	@$(DEV) -m ruff format --check --quiet
	@$(DEV) -m mypy --no-error-summary layers/cardintake/python functions local tests
	@$(DEV) -m local.building validate

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
		.venvs/uv/bin/uv pip compile --quiet --upgrade --generate-hashes --no-header --no-emit-index-url \
			--python-version $$version --python-platform linux $$name.in --output-file $$name.txt || exit 1; done

clean: ## Remove what was built, but not the virtual environments
	rm -rf .aws-sam build .mypy_cache .pytest_cache .ruff_cache .hypothesis

laptop:
	@$(BOOTSTRAP) dev sam emulator runtime
