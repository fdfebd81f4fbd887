"""The real CoreDNS, of the versions that AKS ships, against what cloudlink writes and what the sandbox says."""
