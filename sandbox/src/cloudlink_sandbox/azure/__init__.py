"""The Azure half of the sandbox: Entra ID sign-in and Azure Resource Manager with the types that cloudlink touches."""

from cloudlink_sandbox.azure.cloud import AzureCloud

__all__ = ["AzureCloud"]
