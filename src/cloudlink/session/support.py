"""Everything at once, for somebody who looks for a fault: all checks, and a bundle of what was read."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from cloudlink.errors import CloudlinkError, Finding, Severity, finding_of, refusal
from cloudlink.session.building import Building
from cloudlink.session.reading import Reading

MOST_OF_CONFIG, MOST_OF_LOG = 256 * 1024, 2 * 1024 * 1024  # bytes at the end that a bundle takes


@dataclass
class Support(Building, Reading):
    """What is planned, and what is read, together."""

    def doctor(self) -> int:
        """Every check, before a build and of a link that exists. The exit code is that of what fails: 4 where access
        is missing, 3 for what keeps a plan from being carried out, 8 for the link's health."""
        from cloudlink.checks import doctor
        from cloudlink.checks.preflight import run as preflight
        from cloudlink.checks.report import Health

        try:
            plan = self.make_plan()
            status = self.read_status(thorough=True)
        except CloudlinkError as error:
            findings = error.findings or (finding_of(error),)
            self.view.doctor(doctor.report(self.link, (), findings, None, None, noted=bool(self.state.receipts())))
            return error.exit_code
        topics = preflight.topics_of(self.link, writes=bool(plan.writes))
        warnings = tuple(Finding("aws", Severity.WARNING, "", text) for text in plan.warnings)
        findings = (*plan.findings, *warnings)
        names, unread = [name for name, _ in topics], self._unread_topics()
        self.view.doctor(doctor.report(self.link, names, findings, plan, status, unread=unread))
        if (refused := refusal(plan.findings)) is not None:
            return refused.exit_code
        self._raise_denials(status)
        return 0 if status.well or status.health is Health.ABSENT else 8

    def _unread_topics(self) -> dict[str, str]:
        """Topics of the checks -> what they did not see, as an AKS cluster could not be asked."""
        from cloudlink.steps.dns_forward.step import is_forward

        missing = self.inspection.engine.snapshot.missing
        if not any(is_forward(address) or address.startswith("azure_vpn.cluster") for address in missing):
            return {}
        return dict.fromkeys(
            ("coredns", "permissions"), "What is in an AKS cluster is not known: it could not be asked."
        )

    def gather(self) -> dict[str, str]:
        """File -> content, of all that somebody else needs to diagnose the link. What cannot be read is its error."""
        import json
        from importlib import metadata

        from cloudlink import bundle
        from cloudlink.clouds.recorded import RECORDING
        from cloudlink.secret import with_stand_ins
        from cloudlink.state import state_path
        from cloudlink.view.json_lines import as_json, timestamp

        def text(thing: object) -> str:
            return json.dumps(as_json(thing), indent=1) + "\n"

        with RECORDING.kept() as answered:
            files = self._read_for_a_bundle(text)
        # a line for each, so that people can look through them
        files[bundle.ANSWERS] = with_stand_ins("".join(json.dumps(one) + "\n" for one in answered))
        with contextlib.suppress(OSError):
            files[bundle.STATE] = state_path(self.log_file.parent, self.link.name).read_text()
        if asked := self.history.read()["dns"]:
            files[bundle.NAMES] = text(asked)
        packages = ("cloudlink-cli", "boto3", "azure-identity", "kubernetes", "rich", "typer")
        versions = {"python": sys.version.split()[0], "platform": sys.platform, "read_at": timestamp(self.clock.now())}
        for package in packages:
            with contextlib.suppress(metadata.PackageNotFoundError):
                versions[package] = metadata.version(package)
        files["versions.json"] = text(versions)
        for name, path, most in (
            (bundle.CONFIGURATION, self.config_file, MOST_OF_CONFIG),
            ("log.txt", self.log_file, MOST_OF_LOG),
        ):
            with contextlib.suppress(OSError):
                files[name] = path.read_bytes()[-most:].decode("utf-8", "replace")
        return files

    def _read_for_a_bundle(self, text: Callable[[object], str]) -> dict[str, str]:
        from cloudlink.checks import doctor
        from cloudlink.checks.day_events import day_events

        findings: tuple[Finding, ...] = ()
        plan, status, files = None, None, dict[str, str]()
        try:
            plan = self.make_plan()
            findings = plan.findings
            files["plan.json"] = text(plan)
        except CloudlinkError as error:
            findings = error.findings or (finding_of(error),)
            files["plan.json"] = text(error)
        try:  # what keeps a plan from being made may leave a status
            names_asked = self.names_asked()
            thorough = bool(names_asked and names_asked.wrong)  # as status looks then
            status = replace(self.read_status(thorough=thorough), names_asked=names_asked)
            files["status.json"] = text(status)
        except CloudlinkError as error:
            findings = findings or error.findings or (finding_of(error),)
            files["status.json"] = text(error)
        noted = bool(self.state.receipts())
        files["checks.json"] = text(doctor.report(self.link, (), findings, plan, status, noted=noted))
        if plan is not None:  # without one there are no clouds to ask
            ids = frozenset(c.id for c in plan.changes) | {r.id for r in self.state.receipts().values()}
            clouds, policy = self.clouds, self._error_policy()
            files["events.json"] = text(day_events(ids, clouds.aws, clouds.azure, self.clock.now(), policy.translate))
        return files
