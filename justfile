# What CI runs, and every part of it. `just check` is all of it.
set shell := ["bash", "-uc"]
bin := justfile_directory() / ".venv/bin"
uv := ".supply/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-package cloudlink-cli --no-emit-package cloudlink-sandbox --custom-compile-command 'just lock' pyproject.toml"

default:
    @{{bin}}/just --list

# everything that CI runs
check: lint types layers locked test docs

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

test *arguments:
    {{bin}}/python -m pytest -n 2 --dist loadfile {{arguments}}

# other people's programs judge the sandbox and what cloudlink writes: az, aws, kubectl, dig and the real CoreDNS
judges:
    {{bin}}/python tests/clients/install.py
    {{bin}}/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m judges tests/clients tests/coredns

# with branch coverage
cover:
    {{bin}}/coverage run -m pytest -p no:xdist
    {{bin}}/coverage report

# that the README's generated parts are true
docs:
    {{bin}}/python docs/generate.py --check

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

# speed and memory on the sandbox
bench:
    {{bin}}/python bench/up.py

# the tests of docs/reliability.md, N of N: all of them, or `just reliability kill --minutes 20`
reliability *arguments:
    {{bin}}/python -m reliability {{arguments}}

alias prove := reliability
