"""Proofs of what docs/reliability.md promises. Run: ``python -m prove --help``."""
