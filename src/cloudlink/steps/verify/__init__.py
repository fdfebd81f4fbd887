"""Verification: nothing to create; what it checks is in `checks`."""
