"""Judges that we did not write: Azure's specification and AWS's models look at every exchange with the sandbox.

They sit behind the sandbox's transcript, and so see what went over the wire, whichever process served it.
"""

from __future__ import annotations

from pathlib import Path

from tests.judges import azure_specification
from tests.judges.aws_models import AwsJudge
from tests.judges.azure_specification import AzureJudge
from tests.judges.exchanges import Reader


class Judges:
    """All judges, over one transcript."""

    def __init__(self, transcript: Path) -> None:
        self._reader = Reader(transcript)
        self._judges = [AwsJudge(), *([AzureJudge()] if azure_specification.present() else [])]

    def found(self) -> list[str]:
        """What is wrong with the exchanges since the last call, each once."""
        seen = self._reader.news()
        return list(
            dict.fromkeys(line for judge in self._judges for exchange in seen for line in judge.judge(exchange))
        )
