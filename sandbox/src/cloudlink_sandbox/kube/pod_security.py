"""Pod Security Standards: what the labels of a namespace forbid its pods.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cloudlink_sandbox.kube.objects import Object

PREFIX = "pod-security.kubernetes.io/"
LEVELS = ("privileged", "baseline", "restricted")
MODES = ("enforce", "audit", "warn")

_DEFAULT_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_SAFE_SYSCTLS = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    ]
)
_SAFE_VOLUMES = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ]
)
_SELINUX_TYPES = frozenset(("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"))


def level_of(labels: Object, mode: str) -> str:
    return str(labels.get(PREFIX + mode) or "privileged")


def invalid_label(labels: Object) -> tuple[str, str] | None:
    """(label, what is wrong) of the first label of these that the API server refuses."""
    for mode in MODES:
        name = PREFIX + mode
        if name in labels and labels[name] not in LEVELS:
            return name, f'Invalid value: "{labels[name]}": must be one of {", ".join(LEVELS)}'
        version = f"{name}-version"
        found = str(labels.get(version, "latest"))
        if found != "latest" and not (found.startswith("v1.") and found[3:].isdigit()):
            return version, f'Invalid value: "{found}": must be "latest" or "v1.x"'
    return None


def forbidden_by(labels: Object, mode: str, pod: Object) -> str:
    """What the namespace's labels forbid of a pod, as the API server says it; empty when nothing."""
    level = level_of(labels, mode)
    if level == "privileged":
        return ""
    found = list(violations(pod, level))
    version = labels.get(f"{PREFIX}{mode}-version", "latest")
    return f'violate PodSecurity "{level}:{version}": {", ".join(found)}' if found else ""


def violations(pod: Object, level: str) -> Iterator[str]:
    spec = pod["spec"]
    yield from _baseline(spec)
    if level == "restricted":
        yield from _restricted(spec)


def _containers(spec: Object) -> list[Object]:
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _context(container: Object) -> Object:
    return container.get("securityContext") or {}


def _whose(names: list[str], kind: str = "container") -> str:
    quoted = ", ".join(f'"{n}"' for n in names)
    return f"{kind}{'s' if len(names) > 1 else ''} {quoted}"


def _baseline(spec: Object) -> Iterator[str]:
    pod_context = spec.get("securityContext") or {}
    containers = _containers(spec)
    if hosts := [f"{h}=true" for h in ("hostNetwork", "hostPID", "hostIPC") if spec.get(h)]:
        yield f"host namespaces ({', '.join(hosts)})"
    if names := [c["name"] for c in containers if _context(c).get("privileged")]:
        yield f"privileged ({_whose(names)} must not set securityContext.privileged=true)"
    added = {
        c["name"]: sorted(set((_context(c).get("capabilities") or {}).get("add") or ()) - _DEFAULT_CAPABILITIES)
        for c in containers
    }
    if names := [n for n, caps in added.items() if caps]:
        caps = ", ".join(f'"{c}"' for c in sorted({c for n in names for c in added[n]}))
        yield f"non-default capabilities ({_whose(names)} must not include {caps} in securityContext.capabilities.add)"
    if names := [v["name"] for v in spec.get("volumes") or () if "hostPath" in v]:
        yield f"hostPath volumes ({_whose(names, 'volume')})"
    ports = {c["name"]: [p["hostPort"] for p in c.get("ports") or () if p.get("hostPort")] for c in containers}
    if names := [n for n, of in ports.items() if of]:
        numbers = [str(p) for n in names for p in ports[n]]
        yield f"hostPort ({_whose(names)} uses hostPort{'s' if len(numbers) > 1 else ''} {', '.join(numbers)})"
    if names := [c["name"] for c in containers if _context(c).get("procMount") not in (None, "", "Default")]:
        yield f"procMount ({_whose(names)} must not set securityContext.procMount)"
    types = [(pod_context.get("seLinuxOptions") or {}).get("type") or ""]
    types += [(_context(c).get("seLinuxOptions") or {}).get("type") or "" for c in containers]
    if wrong := sorted({t for t in types if t not in _SELINUX_TYPES}):
        yield f"seLinuxOptions (pod or containers set forbidden securityContext.seLinuxOptions: type {', '.join(wrong)})"
    if names := [
        c["name"] for c in containers if (_context(c).get("seccompProfile") or {}).get("type") == "Unconfined"
    ]:
        yield f'seccompProfile ({_whose(names)} must not set securityContext.seccompProfile.type to "Unconfined")'
    if (pod_context.get("seccompProfile") or {}).get("type") == "Unconfined":
        yield 'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'
    if wrong := [s["name"] for s in pod_context.get("sysctls") or () if s["name"] not in _SAFE_SYSCTLS]:
        yield f"forbidden sysctls ({', '.join(wrong)})"
    if any((c.get("windowsOptions") or {}).get("hostProcess") for c in (pod_context, *map(_context, containers))):
        yield "hostProcess (pod or containers must not set securityContext.windowsOptions.hostProcess=true)"


def _restricted(spec: Object) -> Iterator[str]:
    if spec.get("os", {}).get("name") == "windows":
        return
    pod_context = spec.get("securityContext") or {}
    containers = _containers(spec)
    wrong = [v["name"] for v in spec.get("volumes") or () if not set(v) - {"name"} <= _SAFE_VOLUMES]
    if wrong:
        yield f"restricted volume types ({_whose(wrong, 'volume')} uses restricted volume type)"
    if names := [c["name"] for c in containers if _context(c).get("allowPrivilegeEscalation") is not False]:
        yield (
            f"allowPrivilegeEscalation != false ({_whose(names)} must set securityContext.allowPrivilegeEscalation=false)"
        )
    caps = {c["name"]: _context(c).get("capabilities") or {} for c in containers}
    missing = [n for n, given in caps.items() if "ALL" not in (given.get("drop") or ())]
    added = [n for n, given in caps.items() if set(given.get("add") or ()) - {"NET_BIND_SERVICE"}]
    said = [f'{_whose(missing)} must set securityContext.capabilities.drop=["ALL"]'] if missing else []
    said += [f"{_whose(added)} must not include more than NET_BIND_SERVICE in capabilities.add"] if added else []
    if said:
        yield f"unrestricted capabilities ({'; '.join(said)})"
    if names := _without(containers, pod_context, "runAsNonRoot", lambda value: value is True):
        yield f"runAsNonRoot != true (pod or {_whose(names)} must set securityContext.runAsNonRoot=true)"
    if pod_context.get("runAsUser") == 0:
        yield "runAsUser=0 (pod must not set runAsUser=0)"
    if names := [c["name"] for c in containers if _context(c).get("runAsUser") == 0]:
        yield f"runAsUser=0 ({_whose(names)} must not set runAsUser=0)"
    allowed = ("RuntimeDefault", "Localhost")
    if names := _without(containers, pod_context, "seccompProfile", lambda v: (v or {}).get("type") in allowed):
        yield (
            f"seccompProfile (pod or {_whose(names)} must set securityContext.seccompProfile.type "
            'to "RuntimeDefault" or "Localhost")'
        )


def _without(containers: list[Object], pod_context: Object, field: str, good: Callable[[Any], bool]) -> list[str]:
    """Containers that neither say it themselves nor have it from the pod."""
    return [
        c["name"]
        for c in containers
        if not good(_context(c)[field] if _context(c).get(field) is not None else pod_context.get(field))
    ]
