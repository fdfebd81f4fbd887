import json, time


def test_it(aks):
    cm = aks.core.read_namespaced_config_map("coredns-custom", "kube-system")
    assert cm.data is None
    d = aks.apps.read_namespaced_deployment("coredns", "kube-system")
    print(d.status)
    assert d.status.available_replicas == 2
    aks.core.patch_namespaced_config_map(
        "coredns-custom",
        "kube-system",
        {
            "data": {
                "a.server": "corp.example:53 {\n errors\n cache 30\n forward . 10.1.1.10 10.1.2.10 {\n prefer_udp\n}\n}\n"
            }
        },
    )
    script = """
import socket,os,json,ssl
print(open('/etc/resolv.conf').read())
try:
    print(socket.getaddrinfo('app.corp.example',443))
except OSError as e: print(repr(e))
s=socket.create_connection(('10.1.1.50',443),timeout=3)
c=ssl.create_default_context(); c.check_hostname=False; c.verify_mode=ssl.CERT_NONE
t=c.wrap_socket(s,server_hostname='app.corp.example')
t.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); print(t.recv(1000), t.getpeercert(True)[:5], t.version())
try:
    socket.create_connection(('10.1.1.51',443),timeout=3)
except OSError as e: print(repr(e))
try:
    socket.create_connection(('10.1.1.50',444),timeout=3)
except OSError as e: print(repr(e))
print(os.environ)
"""
    aks.advance(200)
    aks.core.create_namespaced_pod(
        "default",
        {
            "metadata": {"name": "probe"},
            "spec": {
                "restartPolicy": "Never",
                "containers": [
                    {
                        "name": "p",
                        "image": "python:3-slim",
                        "command": ["python3", "-c", script],
                        "env": [{"name": "CLOUDLINK_PROBE", "value": "{}"}],
                    }
                ],
            },
        },
    )
    aks.advance(10)
    for _ in range(100):
        p = aks.core.read_namespaced_pod("probe", "default")
        if p.status.phase in ("Succeeded", "Failed"):
            break
        time.sleep(0.05)
    print(p.status.phase, p.status.container_statuses[0].state.terminated)
    print(aks.core.read_namespaced_pod_log("probe", "default"))
    aks.core.delete_namespaced_pod("probe", "default")
    assert 0
