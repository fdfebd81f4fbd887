"""The AWS half of the sandbox: moto's parsing, serializing and plain networking, and what links need of EC2, written for the sandbox.

``cloud.AwsCloud`` is the whole of it. Importing this package starts moto.
"""

from cloudlink_sandbox.aws import lean_import as _lean_import  # noqa: F401  before anything else imports moto
