"""What an error of any of the three SDKs means: the one policy that the engine, the checks and the probe go by."""

from __future__ import annotations

from cloudlink.clouds.aws import errors as aws_errors
from cloudlink.clouds.azure import errors as azure_errors
from cloudlink.clouds.kube import errors as kube_errors
from cloudlink.core.ports import ErrorPolicy
from cloudlink.errors import CloudlinkError, LostContactError
from cloudlink.link import Link


def error_policy(link: Link) -> ErrorPolicy:
    """link: the hints name what to sign in to again and where to look."""
    side = link.azure

    def translate(error: Exception) -> CloudlinkError | None:
        return (
            aws_errors.translate(error, link.aws.profile, link.aws.region)
            or azure_errors.translate(
                error, tenant=side.tenant, subscription=side.subscription, location=side.location, cloud=side.cloud
            )
            or kube_errors.translate(error)
        )

    return ErrorPolicy(translate, retry_after, unknown_outcome, not_seen_yet, azure_errors.failed_in_passing)


def retry_after(error: Exception) -> float | None:
    """Seconds (the clouds' time) after which the same call is safe and sensible again; None: it is not."""
    for ask in (aws_errors.retryable, azure_errors.retryable, kube_errors.retryable):
        if (wait := ask(error)) is not None:
            return wait
    return None


def unknown_outcome(error: Exception) -> bool:
    """Whether a write that ended so may have had its effect."""
    if isinstance(error, LostContactError):
        return False  # nothing was being written, and another read would wait as long
    return (
        aws_errors.unknown_outcome(error) or azure_errors.unknown_outcome(error) or kube_errors.unknown_outcome(error)
    )


def not_seen_yet(error: Exception) -> bool:
    """Whether something that was made a moment ago is not known everywhere yet, or else is gone."""
    return aws_errors.not_seen_yet(error) or azure_errors.not_seen_yet(error)
