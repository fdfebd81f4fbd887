"""An error of an API, and how each of AWS's protocols puts one on the wire."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

Protocol = Literal["ec2", "query", "rest-xml", "json", "rest-json", "s3"]

PROTOCOLS: dict[str, Protocol] = {
    "ec2": "ec2",
    "sts": "query",
    "iam": "query",
    "elasticloadbalancing": "query",
    "route53": "rest-xml",
    "route53resolver": "json",
    "secretsmanager": "json",
    "logs": "json",
    "cloudtrail": "json",
    "eks": "rest-json",
    "directconnect": "json",
    "route53profiles": "rest-json",
    "s3": "s3",
}
"""The services that the sandbox speaks, by the name in the signature's credential scope."""


CONTENT_TYPES: dict[Protocol, str] = {
    "ec2": "text/xml",
    "query": "text/xml",
    "rest-xml": "text/xml",
    "json": "application/x-amz-json-1.1",
    "rest-json": "application/json",
    "s3": "application/xml",
}


class ApiError(Exception):
    """What AWS answers instead of doing it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class WireAnswer:
    status: int
    headers: dict[str, str]
    body: bytes


def request_id() -> str:
    raw = secrets.token_hex(16)
    return "-".join((raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]))


def on_the_wire(error: ApiError, protocol: Protocol) -> WireAnswer:
    """The bytes that botocore and every other SDK turn into an exception with this code."""
    if protocol == "s3":
        return _s3_refusal(error)
    number = request_id()
    code, message = escape(error.code), escape(error.message)
    if protocol in ("json", "rest-json"):
        body = json.dumps({"__type": error.code, "message": error.message, "Message": error.message})
        headers = {
            "Content-Type": CONTENT_TYPES[protocol],
            "x-amzn-RequestId": number,
            "x-amzn-ErrorType": error.code,
        }
        return WireAnswer(error.status, headers, body.encode())
    if protocol == "ec2":
        body = (
            f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
            f"<RequestID>{number}</RequestID></Response>"
        )
    else:
        space = "https://route53.amazonaws.com/doc/2013-04-01/" if protocol == "rest-xml" else ""
        fault = "Receiver" if error.status >= 500 else "Sender"
        body = (
            f"<ErrorResponse{f' xmlns={chr(34)}{space}{chr(34)}' if space else ''}><Error><Type>{fault}</Type>"
            f"<Code>{code}</Code><Message>{message}</Message></Error><RequestId>{number}</RequestId></ErrorResponse>"
        )
    headers = {"Content-Type": CONTENT_TYPES[protocol], "x-amzn-RequestId": number}
    return WireAnswer(error.status, headers, f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode())


def _s3_refusal(error: ApiError) -> WireAnswer:
    """S3's own envelope, which is neither Route 53's nor EC2's."""
    number = secrets.token_hex(8).upper()
    inner = getattr(error, "inner", "")
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{escape(error.code)}</Code>'
        f"<Message>{escape(error.message)}</Message>{inner}"
        f"<RequestId>{number}</RequestId><HostId>c2FuZGJveA==</HostId></Error>"
    )
    headers = {"Content-Type": "application/xml", "x-amz-request-id": number, **getattr(error, "headers", {})}
    return WireAnswer(error.status, headers, body.encode())


def throttled(protocol: Protocol) -> ApiError:
    """Called too often. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"""
    match protocol:
        case "ec2":
            return ApiError("RequestLimitExceeded", "Request limit exceeded.", 503)
        case "s3":
            return ApiError("SlowDown", "Please reduce your request rate.", 503)
        case "json":
            return ApiError("ThrottlingException", "Rate exceeded")
        case "rest-json":
            return ApiError("ThrottlingException", "Rate exceeded", 429)
        case _:
            return ApiError("Throttling", "Rate exceeded")


def prior_request() -> ApiError:
    """A change of a hosted zone while another one is being carried out."""
    return ApiError(
        "PriorRequestNotComplete",
        "The request was rejected because Route 53 was still processing a prior request.",
    )


def broken(protocol: Protocol) -> ApiError:
    """AWS's own fault, 5xx."""
    match protocol:
        case "ec2":
            return ApiError("InternalError", "An internal error has occurred", 500)
        case "s3":
            return ApiError("InternalError", "We encountered an internal error. Please try again.", 500)
        case "rest-xml":
            return ApiError("ServiceUnavailable", "Service is unavailable, please try again", 503)
        case "json":
            return ApiError("InternalServiceErrorException", "We encountered an unknown error. Try again.", 500)
        case "rest-json":
            return ApiError("ServerException", "These errors are usually caused by a server-side issue.", 500)
        case _:
            return ApiError("InternalFailure", "We encountered an internal error. Please try again.", 500)


def expired(protocol: Protocol) -> ApiError:
    message = "The security token included in the request is expired"
    match protocol:
        case "ec2":
            return ApiError("RequestExpired", "Request has expired.")
        case "json":
            return ApiError("ExpiredTokenException", message)
        case "rest-json":
            return ApiError("ExpiredTokenException", message, 403)
        case _:
            return ApiError("ExpiredToken", message, 403)


def denied(protocol: Protocol, principal: str, action: str) -> ApiError:
    message = f"User: {principal} is not authorized to perform: {action}"
    match protocol:
        case "ec2":
            return ApiError(
                "UnauthorizedOperation", f"You are not authorized to perform this operation. {message}", 403
            )
        case "json":
            return ApiError("AccessDeniedException", message)
        case "rest-json":
            return ApiError("AccessDeniedException", message, 403)
        case _:
            return ApiError("AccessDenied", message, 403)


def unknown_key(protocol: Protocol) -> ApiError:
    """The access key id is nobody's."""
    message = "The security token included in the request is invalid."
    match protocol:
        case "ec2":
            return ApiError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
        case "s3":
            return ApiError(
                "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403
            )
        case "json":
            return ApiError("UnrecognizedClientException", message)
        case "rest-json":
            return ApiError("UnrecognizedClientException", message, 403)
        case _:
            return ApiError("InvalidClientTokenId", message, 403)


def bad_signature(protocol: Protocol) -> ApiError:
    """The key is known, the secret is not the right one."""
    message = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method."
    )
    match protocol:
        case "ec2":
            return ApiError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
        case "json":
            return ApiError("InvalidSignatureException", message)
        case "rest-json":
            return ApiError("InvalidSignatureException", message, 403)
        case _:
            return ApiError("SignatureDoesNotMatch", message, 403)


def not_modelled(protocol: Protocol, operation: str) -> ApiError:
    """An operation that the sandbox does not have: refused with AWS's words, so that nobody mistakes it for a bug."""
    message = f"The action {operation} is not valid for this web service (the sandbox does not model it)."
    match protocol:
        case "json" | "rest-json":
            return ApiError("UnknownOperationException", message, 404)
        case "s3":
            return ApiError("NotImplemented", message, 501)
        case _:
            return ApiError("InvalidAction", message)


def parameter_not_modelled(protocol: Protocol, names: str, operation: str) -> ApiError:
    """A parameter that would be dropped in silence: AWS would act on it."""
    message = f"The parameter {names} of {operation} is not supported (the sandbox does not model it)."
    match protocol:
        case "json" | "rest-json":
            return ApiError("InvalidParameterException", message)
        case "rest-xml":
            return ApiError("InvalidInput", message)
        case "query":
            return ApiError("ValidationError", message)
        case "s3":
            return ApiError("NotImplemented", message, 501)
        case _:
            return ApiError("InvalidParameterValue", message)
