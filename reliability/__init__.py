"""Proofs of what docs/reliability.md promises. Run: ``python -m reliability --help``."""
