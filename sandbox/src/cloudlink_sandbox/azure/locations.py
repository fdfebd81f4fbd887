"""The Azure regions that the sandbox knows, how a location is spelled, and which of them have zones."""

from __future__ import annotations

from cloudlink_sandbox.azure import errors

# Public cloud, US Government and China: names and display names as `az account list-locations` spells them.
DISPLAY_NAMES = {
    "eastus": "East US",
    "eastus2": "East US 2",
    "southcentralus": "South Central US",
    "westus2": "West US 2",
    "westus3": "West US 3",
    "australiaeast": "Australia East",
    "southeastasia": "Southeast Asia",
    "northeurope": "North Europe",
    "swedencentral": "Sweden Central",
    "uksouth": "UK South",
    "westeurope": "West Europe",
    "centralus": "Central US",
    "southafricanorth": "South Africa North",
    "centralindia": "Central India",
    "eastasia": "East Asia",
    "indonesiacentral": "Indonesia Central",
    "japaneast": "Japan East",
    "japanwest": "Japan West",
    "koreacentral": "Korea Central",
    "malaysiawest": "Malaysia West",
    "newzealandnorth": "New Zealand North",
    "canadacentral": "Canada Central",
    "austriaeast": "Austria East",
    "belgiumcentral": "Belgium Central",
    "francecentral": "France Central",
    "germanywestcentral": "Germany West Central",
    "italynorth": "Italy North",
    "norwayeast": "Norway East",
    "polandcentral": "Poland Central",
    "spaincentral": "Spain Central",
    "switzerlandnorth": "Switzerland North",
    "mexicocentral": "Mexico Central",
    "uaenorth": "UAE North",
    "brazilsouth": "Brazil South",
    "chilecentral": "Chile Central",
    "israelcentral": "Israel Central",
    "qatarcentral": "Qatar Central",
    "northcentralus": "North Central US",
    "westus": "West US",
    "westcentralus": "West Central US",
    "southafricawest": "South Africa West",
    "australiacentral": "Australia Central",
    "australiacentral2": "Australia Central 2",
    "australiasoutheast": "Australia Southeast",
    "koreasouth": "Korea South",
    "southindia": "South India",
    "westindia": "West India",
    "canadaeast": "Canada East",
    "francesouth": "France South",
    "germanynorth": "Germany North",
    "norwaywest": "Norway West",
    "switzerlandwest": "Switzerland West",
    "ukwest": "UK West",
    "uaecentral": "UAE Central",
    "brazilsoutheast": "Brazil Southeast",
    "usgovvirginia": "USGov Virginia",
    "usgovtexas": "USGov Texas",
    "usgovarizona": "USGov Arizona",
    "chinaeast": "China East",
    "chinaeast2": "China East 2",
    "chinaeast3": "China East 3",
    "chinanorth": "China North",
    "chinanorth2": "China North 2",
    "chinanorth3": "China North 3",
}
LOCATIONS = frozenset(DISPLAY_NAMES)

# Assumption: those without zones as they were last known; Azure opens zones in more of them, so a client has to ask.
# https://learn.microsoft.com/azure/reliability/regions-list
WITHOUT_ZONES = frozenset(
    [
        "northcentralus",
        "westus",
        "westcentralus",
        "southafricawest",
        "australiacentral",
        "australiacentral2",
        "australiasoutheast",
        "koreasouth",
        "southindia",
        "westindia",
        "canadaeast",
        "francesouth",
        "germanynorth",
        "norwaywest",
        "switzerlandwest",
        "ukwest",
        "uaecentral",
        "brazilsoutheast",
        "usgovtexas",
        "usgovarizona",
        "chinaeast",
        "chinaeast2",
        "chinaeast3",
        "chinanorth",
        "chinanorth2",
    ]
)


def zones_of(location: str) -> tuple[str, ...]:
    """The zones as subscriptions number them; none in a region without zones."""
    return () if location in WITHOUT_ZONES else ("1", "2", "3")


def cloud_of(location: str) -> str:
    """``public``, ``usgovernment`` or ``china``: each has its own regions, which the others do not know."""
    return "usgovernment" if location.startswith("usgov") else "china" if location.startswith("china") else "public"


def beside(location: str) -> list[str]:
    """The regions of this location's cloud, itself included."""
    return sorted(name for name in LOCATIONS if cloud_of(name) == cloud_of(location))


def location_of(value: object, type_: str) -> str:
    """``West Europe`` and ``westeurope`` are the same. Raises ApiError for a region that does not exist."""
    name = str(value).replace(" ", "").lower()
    if name not in LOCATIONS:
        raise errors.location_not_available(str(value), type_)
    return name


def api_server_names() -> tuple[str, ...]:
    """The names that AKS gives its API servers, one wildcard for each region."""
    return ("*.hcp.azmk8s.io", *(f"*.hcp.{location}.azmk8s.io" for location in sorted(LOCATIONS)))
