"""The Kubernetes half of the sandbox: API servers of AKS and EKS clusters, their controllers and their CoreDNS."""
