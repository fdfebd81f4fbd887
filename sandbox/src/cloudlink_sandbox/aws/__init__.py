"""The AWS half of the sandbox: moto's parsing, serializing and plain networking, with what links need written afresh.

``cloud.AwsCloud`` is the whole of it. Importing this package starts moto.
"""

from cloudlink_sandbox.aws import lean_import as _lean_import  # noqa: F401  before anything else imports moto
