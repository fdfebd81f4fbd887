"""AKS's own objects for CoreDNS, as its addon reconciler keeps them.

https://learn.microsoft.com/azure/aks/coredns-custom
"""

from __future__ import annotations

from typing import Any

DNS_NAMESPACE = "kube-system"
DNS_LABELS = {"k8s-app": "kube-dns"}

_COREFILE = """.:53 {
    errors
    ready
    health {
      lameduck 5s
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
      ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
    import custom/*.override
    template ANY ANY internal.cloudapp.net {
      match "^(?:[^.]+\\.){4,}internal\\.cloudapp\\.net\\.$"
      rcode NXDOMAIN
      fallthrough
    }
    template ANY ANY reddog.microsoft.com {
      rcode NXDOMAIN
    }
}
import custom/*.server
"""

ADDON_LABELS = {"addonmanager.kubernetes.io/mode": "Reconcile", "k8s-app": "kube-dns"}
ADDON_CONFIGMAPS: dict[str, dict[str, Any]] = {
    "coredns": {
        "metadata": {"name": "coredns", "namespace": DNS_NAMESPACE, "labels": ADDON_LABELS},
        "data": {"Corefile": _COREFILE},
    },
    "coredns-custom": {
        "metadata": {
            "name": "coredns-custom",
            "namespace": DNS_NAMESPACE,
            "labels": {**ADDON_LABELS, "addonmanager.kubernetes.io/mode": "EnsureExists"},
        },
    },
}
