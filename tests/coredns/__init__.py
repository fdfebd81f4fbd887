"""The real CoreDNS, of the versions that AKS ships, as the judge of what cloudlink writes and of what the sandbox says."""
