"""A region that is not enabled for the account: every service there answers as if the keys were wrong.

https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cloudlink.errors import CloudlinkError, CredentialsError, Finding, ObstaclesError, Severity

LOOKS_LIKE_WRONG_KEYS = frozenset({"AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException"})


def explain(
    error: CloudlinkError, region: str, home: str, states: Callable[[], Mapping[str, str]]
) -> CloudlinkError | None:
    """What is really wrong when a region refuses the keys; None: nothing else than that.

    states: asks AWS in ``home``, a region that is always enabled, for the state of each region; its errors are kept
    apart, for they say that the keys are wrong everywhere.
    """
    if not isinstance(error, CredentialsError) or error.code not in LOOKS_LIKE_WRONG_KEYS or region == home:
        return None
    try:
        state = states().get(region)
    except Exception:  # noqa: BLE001 - the keys are refused there too, or nobody may ask: the first error says enough
        return None
    if state is None:
        return _obstacle(
            "The AWS region does not exist",
            f"AWS has no region {region}, or none that this account can see.",
            "Correct aws.region. List them with: aws ec2 describe-regions --all-regions --region " + home,
        )
    if state == "not-opted-in":
        return _obstacle(
            "The AWS region is not enabled for this account",
            f"The account does not use {region} yet, where AWS then refuses every key ({error.code}). In {home} the same "
            "credentials work.",
            f"aws account enable-region --region-name {region}, then wait some minutes and run the command again.",
        )
    if state == "opted-in":
        return CredentialsError(
            "The session token is not valid in this region",
            f"{region} is enabled, and the same credentials work in {home}, but {region} refuses them ({error.code}): a "
            "session token of the global STS endpoint is not valid in regions that had to be enabled.",
            "Sign in again with regional STS: export AWS_STS_REGIONAL_ENDPOINTS=regional",
            code=error.code,
            request_id=error.request_id,
        )
    return None


def _obstacle(summary: str, detail: str, hint: str) -> ObstaclesError:
    return ObstaclesError((Finding("aws", Severity.OBSTACLE, summary, detail, hint, key="aws.region"),))
