"""CoreDNS on AKS forwards the zone."""
