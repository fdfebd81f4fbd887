"""Azure's specification and AWS's models, which we did not write: every exchange with the sandbox is checked against them.

They sit behind the sandbox's transcript, and so see what went over the wire, whichever process served it.
"""

from __future__ import annotations

from pathlib import Path

from tests.conformance import azure_specification
from tests.conformance.aws_models import AwsModelCheck
from tests.conformance.azure_specification import AzureSpecificationCheck
from tests.conformance.exchanges import Reader


class ConformanceChecks:
    """All checks, over one transcript."""

    def __init__(self, transcript: Path) -> None:
        self._reader = Reader(transcript)
        self._checkers = [AwsModelCheck(), *([AzureSpecificationCheck()] if azure_specification.present() else [])]

    def found(self) -> list[str]:
        """What is wrong with the exchanges since the last call, each once."""
        seen = self._reader.news()
        return list(
            dict.fromkeys(line for checker in self._checkers for exchange in seen for line in checker.check(exchange))
        )
