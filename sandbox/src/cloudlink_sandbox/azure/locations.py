"""The Azure regions that the sandbox knows, and how a location is spelled."""

from __future__ import annotations

from cloudlink_sandbox.azure import errors

# Public cloud, US Government and China; names as `az account list-locations` spells them.
LOCATIONS = frozenset(
    [
        "eastus",
        "eastus2",
        "southcentralus",
        "westus2",
        "westus3",
        "australiaeast",
        "southeastasia",
        "northeurope",
        "swedencentral",
        "uksouth",
        "westeurope",
        "centralus",
        "southafricanorth",
        "centralindia",
        "eastasia",
        "indonesiacentral",
        "japaneast",
        "japanwest",
        "koreacentral",
        "malaysiawest",
        "newzealandnorth",
        "canadacentral",
        "austriaeast",
        "belgiumcentral",
        "francecentral",
        "germanywestcentral",
        "italynorth",
        "norwayeast",
        "polandcentral",
        "spaincentral",
        "switzerlandnorth",
        "mexicocentral",
        "uaenorth",
        "brazilsouth",
        "chilecentral",
        "israelcentral",
        "qatarcentral",
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
        "usgovvirginia",
        "usgovtexas",
        "usgovarizona",
        "chinaeast",
        "chinaeast2",
        "chinaeast3",
        "chinanorth",
        "chinanorth2",
        "chinanorth3",
    ]
)


def location_of(value: object, type_: str) -> str:
    """``West Europe`` and ``westeurope`` are the same. Raises ApiError for a region that does not exist."""
    name = str(value).replace(" ", "").lower()
    if name not in LOCATIONS:
        raise errors.location_not_available(str(value), type_)
    return name


def api_server_names() -> tuple[str, ...]:
    """The names that AKS gives its API servers, one wildcard for each region."""
    return ("*.hcp.azmk8s.io", *(f"*.hcp.{location}.azmk8s.io" for location in sorted(LOCATIONS)))
