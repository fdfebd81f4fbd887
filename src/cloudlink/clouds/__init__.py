"""Thin client factories and error translation: the only modules that import the clouds' SDKs."""
