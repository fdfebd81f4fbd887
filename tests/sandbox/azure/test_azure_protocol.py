"""The protocol around resources: operations and their URLs, locks, both forms of 404, faults, api-versions."""

from __future__ import annotations

import pickle
import ssl

import pytest
import requests
from azure_sandbox import (
    GROUP,
    PIP,
    SUBNETS,
    SUBSCRIPTION,
    Azure,
    code,
    connection,
    gateway,
    lng,
    put_gateway_subnet,
    put_ips,
)

from cloudlink_sandbox.azure.store import Store
from cloudlink_sandbox.faults import Fault


@pytest.mark.recorded(
    "A create is 201 Updating with an operation and no Location; then the operation Succeeded without Retry-After, and the resource has a new etag"
)
@pytest.mark.recorded("An operation's URL carries about three thousand signed characters")
@pytest.mark.belief("A URL whose signature was cut off is answered as an unknown operation")
@pytest.mark.recorded("A static address shows once it is provisioned")
def test_a_put_is_201_then_an_operation_then_the_resource(seeded: Azure) -> None:
    path = seeded.path("publicIPAddresses", "pip")
    made = seeded.call("PUT", path, PIP)
    assert made.status_code == 201
    assert made.json()["properties"]["provisioningState"] == "Updating"
    assert "ipAddress" not in made.json()["properties"]
    assert "Location" not in made.headers
    url = made.headers["Azure-AsyncOperation"]
    assert len(url) > 2300
    assert seeded.call("GET", url).json() == {"status": "InProgress"}
    assert code(seeded.call("GET", url.split("&t=")[0])) == (404, None)  # the signature is part of the URL
    seeded.advance(10)
    done = seeded.call("GET", url)
    assert done.json() == {"status": "Succeeded"}
    assert "Retry-After" not in done.headers
    assert "retry-after-ms" not in done.headers
    shown = seeded.call("GET", path)
    assert shown.headers["ETag"] == shown.json()["etag"] != made.json()["etag"]
    assert shown.json()["properties"]["ipAddress"].startswith("20.")
    assert seeded.call("PUT", path, PIP).status_code == 200


@pytest.mark.recorded("Retry-After climbs 10, 10, 20, 20, 40, 40, 80, 160, then 100")
@pytest.mark.own("At higher speeds waits are given in milliseconds")
def test_waits_follow_the_clock_and_azures_steps(seeded: Azure) -> None:
    put_ips(seeded)
    put_gateway_subnet(seeded)
    seeded.context.clock.set_speed(1)
    seeded.cloud.context.durations.overrides["azure.vng.create"] = 5000
    made = seeded.call("PUT", seeded.path("virtualNetworkGateways", "gw"), gateway(seeded))
    waits = [int(made.headers["Retry-After"])]
    url = made.headers["Azure-AsyncOperation"]
    waits += [int(seeded.call("GET", url).headers["Retry-After"]) for _ in range(10)]
    assert waits == [10, 10, 20, 20, 40, 40, 80, 160, 100, 100, 100]
    seeded.context.clock.set_speed(50)
    fast = seeded.call("GET", url)
    assert fast.headers["retry-after-ms"] == "2000"
    assert "Retry-After" not in fast.headers


@pytest.mark.recorded(
    "A delete is 202 with both URLs and Deleting meanwhile; its result is 204, and a second delete 204"
)
@pytest.mark.recorded("A missing resource, a missing child and a missing group are three different 404")
def test_delete_gives_both_urls_and_missing_is_204(seeded: Azure) -> None:
    put_ips(seeded, 1)
    path = seeded.path("publicIPAddresses", "pip-0")
    gone = seeded.call("DELETE", path)
    assert (gone.status_code, gone.content) == (202, b"")
    assert seeded.call("GET", path).json()["properties"]["provisioningState"] == "Deleting"
    seeded.settle(gone, 60)
    assert seeded.call("GET", gone.headers["Location"]).status_code == 204
    assert seeded.call("DELETE", path).status_code == 204
    assert code(seeded.call("GET", path)) == (404, "ResourceNotFound")
    assert code(seeded.call("GET", f"{SUBNETS}/nothing")) == (404, "NotFound")
    assert code(seeded.call("GET", seeded.path("publicIPAddresses", "p", group="none"))) == (
        404,
        "ResourceGroupNotFound",
    )


@pytest.mark.recorded(
    "Parallel writes are refused with 409 AnotherOperationInProgress, 429 RetryableError with Retry-After, or 429 ReferencedResourceNotProvisioned"
)
@pytest.mark.recorded("Two subnets of one VNet are not written at once")
def test_parallel_writes_are_refused_in_azures_three_ways(built: Azure) -> None:
    for i in range(2):
        first = built.call("PUT", built.path("connections", f"t-{i}"), connection(built, i))
        if i == 0:
            other = built.call("PUT", built.path("connections", "t-1"), connection(built, 1))
            assert code(other) == (409, "AnotherOperationInProgress")
            busy = built.call("PUT", built.path("virtualNetworkGateways", "gw"), gateway(built))
            assert code(busy) == (409, "AnotherOperationInProgress")
        built.settle(first, 60)
    update = built.call("PUT", built.path("virtualNetworkGateways", "gw"), gateway(built))
    assert update.status_code == 200
    again = built.call("PUT", built.path("virtualNetworkGateways", "gw"), gateway(built))
    assert code(again) == (429, "RetryableError")
    assert again.headers["retry-after-ms"] == "20"
    detail = built.call("PUT", built.path("connections", "t-0"), connection(built)).json()["error"]["details"][0]
    assert detail["code"] == "ReferencedResourceNotProvisioned"
    gone = built.call("DELETE", built.path("connections", "t-0"))
    assert code(gone) == (409, "AnotherOperationInProgress")
    one = built.call("PUT", f"{SUBNETS}/one", {"properties": {"addressPrefix": "10.60.8.0/24"}})
    two = built.call("PUT", f"{SUBNETS}/two", {"properties": {"addressPrefix": "10.60.9.0/24"}})
    assert (one.status_code, code(two)) == (201, (409, "AnotherOperationInProgress"))


@pytest.mark.recorded("A key is read in clear, set with 200 and an empty body, and reset with 202 and a null result")
@pytest.mark.recorded("A new connection's answer has no status")
@pytest.mark.belief("A key with a blank is InvalidSharedKey")
def test_shared_keys_can_be_read_set_and_made_anew(built: Azure) -> None:
    path = built.path("connections", "t-0")
    made = built.call("PUT", path, connection(built))
    assert "connectionStatus" not in made.json()["properties"]
    built.settle(made, 60)
    before = built.cloud.facts().connections[0].changed_at
    written = built.call("PUT", f"{path}/sharedkey", {"value": "another"})
    assert (written.status_code, written.content) == (200, b"")
    built.settle(written, 60)
    assert built.call("GET", f"{path}/sharedkey").json() == {"value": "another"}
    fact = built.cloud.facts().connections[0]
    assert fact.psk == "another"
    assert fact.changed_at > before
    anew = built.call("POST", f"{path}/sharedkey/reset", {"keyLength": 64})
    assert anew.status_code == 202
    built.advance(60)
    ended = built.call("GET", anew.headers["Azure-AsyncOperation"]).json()
    assert ended == {"status": "Succeeded", "properties": {}}
    assert built.call("GET", anew.headers["Location"]).json() is None
    assert len(built.call("GET", path).json()["properties"]["sharedKey"]) == 64
    assert code(built.call("PUT", f"{path}/sharedkey", {"value": "with space"})) == (400, "InvalidSharedKey")


@pytest.mark.belief("An update that changes nothing leaves the tunnel up; a reset does not")
def test_an_update_that_changes_nothing_does_not_disturb_tunnels(built: Azure) -> None:
    path = built.path("connections", "t-0")
    built.settle(built.call("PUT", path, connection(built)), 60)
    before = built.cloud.facts().connections[0].changed_at
    built.settle(built.call("PUT", path, {**connection(built), "tags": {"a": "b"}}), 60)
    assert built.cloud.facts().connections[0].changed_at == before
    built.settle(built.call("POST", f"{path}/resetconnection"), 60)
    assert built.cloud.facts().connections[0].changed_at > before


@pytest.mark.specification("A policy names every algorithm, in the specification's words")
def test_custom_policies_reach_the_facts_in_neutral_words(built: Azure) -> None:
    policy = {
        "saLifeTimeSeconds": 3600,
        "saDataSizeKilobytes": 102_400_000,
        "ipsecEncryption": "GCMAES256",
        "ipsecIntegrity": "GCMAES256",
        "ikeEncryption": "AES256",
        "ikeIntegrity": "SHA384",
        "dhGroup": "ECP384",
        "pfsGroup": "PFS2048",
    }
    path = built.path("connections", "t-0")
    built.settle(built.call("PUT", path, connection(built, ipsecPolicies=[policy])), 60)
    offered = built.cloud.facts().connections[0].proposals
    assert offered.esp_encryption == {"AES256-GCM"}
    assert (offered.ike_groups, offered.pfs_groups, offered.ike_integrity) == ({20}, {14}, {"SHA384"})
    del policy["pfsGroup"]
    assert built.call("PUT", path, connection(built, ipsecPolicies=[policy])).status_code == 400


@pytest.mark.documentation("With GCM for data the integrity repeats the encryption; with GCM for IKE it stays a hash")
@pytest.mark.belief("The code for a combination that Azure does not take")
@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"ikeEncryption": "GCMAES256", "ikeIntegrity": "SHA384"}, 200),
        ({"ikeEncryption": "GCMAES256", "ikeIntegrity": "GCMAES256"}, 400),
        ({"ikeEncryption": "AES256", "ikeIntegrity": "GCMAES256"}, 400),
        ({"ipsecEncryption": "GCMAES256", "ipsecIntegrity": "SHA256"}, 400),
        ({"ipsecEncryption": "AES256", "ipsecIntegrity": "GCMAES256"}, 400),
        ({"ipsecEncryption": "GCMAES256", "ipsecIntegrity": "GCMAES128"}, 400),
    ],
)
def test_which_algorithms_go_together(built: Azure, values: dict[str, str], status: int) -> None:
    policy = {
        "saLifeTimeSeconds": 3600,
        "saDataSizeKilobytes": 102_400_000,
        "ipsecEncryption": "AES256",
        "ipsecIntegrity": "SHA256",
        "ikeEncryption": "AES256",
        "ikeIntegrity": "SHA256",
        "dhGroup": "ECP384",
        "pfsGroup": "ECP384",
    }
    path = built.path("connections", "t-0")
    built.settle(built.call("PUT", path, connection(built)), 60)
    answer = built.call("PUT", path, connection(built, ipsecPolicies=[{**policy, **values}]))
    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.json()["error"]["code"] == "InvalidIpsecPolicy"


@pytest.mark.documentation(
    "A missing, malformed or unknown api-version, an unknown namespace, type, action or subscription are refused with their own codes"
)
@pytest.mark.recorded("Clients use many api-versions; each that the type has had is served")
def test_versions_types_and_actions_are_checked(seeded: Azure) -> None:
    path = seeded.path("virtualNetworks")
    for version in ("2018-02-01", "2026-03-01", "2024-05-01-preview"):
        assert seeded.call("GET", path, api=version).status_code == 200
    assert code(seeded.call("GET", path, api=None)) == (400, "MissingApiVersionParameter")
    assert code(seeded.call("GET", path, api="2099-01-01")) == (400, "NoRegisteredProviderFound")
    assert code(seeded.call("GET", path, api="latest")) == (400, "InvalidApiVersionParameter")
    assert code(seeded.call("GET", seeded.path("flyingCarpets", "x"))) == (404, "InvalidResourceType")
    action = seeded.path("virtualNetworkGateways", "gw") + "/sing"
    assert code(seeded.call("POST", action)) == (404, "InvalidResourceAction")
    foreign = seeded.path("x").replace("Microsoft.Network", "Microsoft.Nothing")
    assert code(seeded.call("GET", foreign)) == (404, "InvalidResourceNamespace")
    nobody = path.replace(SUBSCRIPTION, "00000000-0000-0000-0000-000000000000")
    assert code(seeded.call("GET", nobody)) == (404, "SubscriptionNotFound")
    assert seeded.call("PATCH", f"{SUBNETS}/aks", {}).status_code == 405


@pytest.mark.recorded("Throttled, failed and unauthorized calls answer as recorded")
@pytest.mark.own("A fault can throttle, fail, expire or deny any call")
@pytest.mark.parametrize(
    ("kind", "status", "inner"),
    [
        ("throttled", 429, "SubscriptionRequestsThrottled"),
        ("busy", 409, "AnotherOperationInProgress"),
        ("error", 500, "InternalServerError"),
        ("expired", 401, "ExpiredAuthenticationToken"),
        ("denied", 403, "AuthorizationFailed"),
    ],
)
def test_faults_before_the_call(seeded: Azure, kind: str, status: int, inner: str) -> None:
    seeded.context.faults.add(Fault(kind, "azure.PUT:publicIPAddresses/pip-*"))
    path = seeded.path("publicIPAddresses", "pip-0")
    refused = seeded.call("PUT", path, PIP)
    assert code(refused) == (status, inner)
    if kind == "denied":
        assert "'Microsoft.Network/publicIPAddresses/write'" in refused.json()["error"]["message"]
    assert code(seeded.call("GET", path)) == (404, "ResourceNotFound")
    assert seeded.call("PUT", path, PIP).status_code == 201


@pytest.mark.own("A fault cuts the connection before the call has its effect, or after")
def test_a_cut_connection_leaves_its_effect_or_none(seeded: Azure) -> None:
    path = seeded.path("publicIPAddresses", "pip-0")
    for kind, there in (("cut-before", 404), ("cut-after", 200)):
        seeded.context.faults.add(Fault(kind, "azure.PUT:publicIPAddresses/*"))
        with pytest.raises((requests.ConnectionError, ssl.SSLError)):
            seeded.call("PUT", path, PIP)
        assert seeded.call("GET", path).status_code == there
    seeded.context.faults.add(Fault("garbage", "azure.GET:publicIPAddresses/*"))
    with pytest.raises(ValueError):
        seeded.call("GET", path).json()


@pytest.mark.recorded("A failed operation is 200 with Failed and its error, and the resource Failed")
@pytest.mark.own("A fault lets an operation fail, or never end")
def test_operations_can_fail_or_never_end(seeded: Azure) -> None:
    path = seeded.path("localNetworkGateways", "lng-0")
    seeded.context.faults.add(Fault("operation-fails", "azure.PUT:localNetworkGateways/*"))
    made = seeded.call("PUT", path, lng())
    seeded.advance(60)
    ended = seeded.call("GET", made.headers["Azure-AsyncOperation"]).json()
    assert (ended["status"], ended["error"]["code"]) == ("Failed", "InternalServerError")
    assert seeded.call("GET", path).json()["properties"]["provisioningState"] == "Failed"
    seeded.context.faults.add(Fault("operation-hangs", "azure.PUT:localNetworkGateways/*"))
    again = seeded.call("PUT", path, lng())
    seeded.advance(10**7)
    assert seeded.call("GET", again.headers["Azure-AsyncOperation"]).json() == {"status": "InProgress"}


@pytest.mark.documentation(
    "The URL of an operation that ended long ago is not found any more; the resource is what counts"
)
@pytest.mark.belief("An ended operation can be asked for during a day")
def test_operations_are_forgotten(seeded: Azure) -> None:
    made = seeded.call("PUT", seeded.path("publicIPAddresses", "pip"), PIP)
    seeded.settle(made, 60)
    seeded.advance(86_000)
    url = made.headers["Azure-AsyncOperation"]
    assert seeded.call("GET", url).json() == {"status": "Succeeded"}
    seeded.advance(1_000)
    assert code(seeded.call("GET", url)) == (404, None)
    shown = seeded.call("GET", seeded.path("publicIPAddresses", "pip")).json()
    assert shown["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.recorded("A local gateway with an impossible BGP address is taken, and fails with InvalidIPAddress")
def test_a_bad_bgp_peer_address_fails_late(seeded: Azure) -> None:
    made = seeded.call("PUT", seeded.path("localNetworkGateways", "l"), lng(peer="255.255.255.255"))
    assert made.status_code == 201
    seeded.advance(60)
    ended = seeded.call("GET", made.headers["Azure-AsyncOperation"]).json()
    assert ended["error"]["code"] == "InvalidIPAddress"


@pytest.mark.own("The journal tells each call's name, target, status and whether it writes")
def test_the_journal_names_calls_and_counts_writes(seeded: Azure) -> None:
    seeded.context.journal.clear()
    put_ips(seeded, 1)
    calls = seeded.context.journal.calls()
    assert [(c.cloud, c.operation, c.target, c.status, c.writes) for c in calls] == [
        ("azure", "PUT publicIPAddresses", "pip-0", 201, True),
        ("azure", "GET operations", "", 200, False),
    ]


@pytest.mark.own("All of Azure can be saved and restored in the middle of an operation")
def test_state_survives_pickling_in_the_middle_of_an_operation(seeded: Azure) -> None:
    made = seeded.call("PUT", seeded.path("publicIPAddresses", "pip-0"), PIP)
    kept = pickle.loads(pickle.dumps(seeded.cloud.snapshot()))
    seeded.cloud.store.__dict__.update(Store(seeded.context).__dict__)  # type: ignore[arg-type]
    assert seeded.call("GET", seeded.path("publicIPAddresses")).status_code == 404
    seeded.cloud.restore(kept)
    seeded.settle(made, 60)
    assert [p["name"] for p in seeded.call("GET", seeded.path("publicIPAddresses")).json()["value"]] == ["pip-0"]


@pytest.mark.own("A gateway is answered in less than 10 ms")
def test_an_answer_takes_little_time(built: Azure) -> None:
    built.context.journal.clear()
    token = built.token()
    for _ in range(30):
        built.call("GET", built.path("virtualNetworkGateways", "gw"), token=token)
    times = sorted(c.ms for c in built.context.journal.calls())
    assert times[len(times) // 2] < 10


@pytest.mark.own("A fault takes one instance of a gateway away")
def test_a_dead_instance_does_not_work(built: Azure) -> None:
    gateways = built.cloud.facts().gateways
    mine = next(g for g in gateways.values() if g.id.endswith("/gw"))
    built.context.faults.add(Fault("instance-down", str(mine.instances[1].public_ip), times=None))
    now = built.cloud.facts().gateways[mine.id]
    assert [i.working for i in now.instances] == [True, False]
    assert GROUP in mine.id
