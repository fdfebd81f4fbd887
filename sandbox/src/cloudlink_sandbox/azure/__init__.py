"""The Azure half of the sandbox: Entra ID sign-in and Azure Resource Manager with the types that a VPN to AKS needs."""

from cloudlink_sandbox.azure.cloud import AzureCloud

__all__ = ["AzureCloud"]
