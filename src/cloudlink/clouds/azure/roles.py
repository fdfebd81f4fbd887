"""Which of Azure's built-in roles to ask for. https://learn.microsoft.com/azure/role-based-access-control/built-in-roles"""

from __future__ import annotations


def built_in_role(action: str) -> str:
    """One that has the action and not much besides. What is no action of Azure's gets that of networks."""
    said = action.lower()
    if said.endswith("/listclusterusercredential/action"):
        return "Azure Kubernetes Service Cluster User Role"
    if said.startswith("microsoft.network/") or not said.startswith("microsoft."):
        return "Network Contributor"
    if said.startswith("microsoft.authorization/roleassignments/") and not said.endswith("/read"):
        return "User Access Administrator"
    if said.startswith("microsoft.storage/storageaccounts/blobservices/"):
        return "Storage Blob Data Contributor"
    if said.endswith("/read"):
        return "Reader"
    return "Monitoring Contributor" if said.startswith("microsoft.insights/") else "Contributor"
