# What CI runs, and every part of it. `just check` is all of it.
set shell := ["bash", "-uc"]
bin := justfile_directory() / ".venv/bin"

default:
    @{{bin}}/just --list

# everything that CI runs
check: lint types layers test docs

# install for working on cloudlink
setup:
    python3 -m venv .venv && .venv/bin/pip install -e '.[dev]'

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
    {{bin}}/python -m pytest -n 2 --dist loadfile -m judges tests/clients tests/coredns

# with branch coverage
cover:
    {{bin}}/coverage run -m pytest -p no:xdist
    {{bin}}/coverage report

# that the README's generated parts are true
docs:
    {{bin}}/python docs/generate.py --check

# speed and memory on the sandbox
bench:
    {{bin}}/python bench/up.py

# the proofs of docs/reliability.md, N of N: all of them, or `just prove kill --minutes 20`
prove *arguments:
    {{bin}}/python -m prove {{arguments}}
