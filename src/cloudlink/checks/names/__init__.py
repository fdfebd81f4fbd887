"""Names, asked from a pod on AKS: the probe, and what its findings mean."""
