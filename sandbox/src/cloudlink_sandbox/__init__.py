"""Local clouds: AWS on moto, an Azure Resource Manager, two Kubernetes APIs, and the world that joins them."""
