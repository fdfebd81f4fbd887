"""Checks: what must hold before a create, the health of the link, and its names from a pod. Reads only."""
