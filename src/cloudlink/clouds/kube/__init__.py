"""The clusters' Kubernetes APIs: one client for both, how to get in, and what their errors mean."""
