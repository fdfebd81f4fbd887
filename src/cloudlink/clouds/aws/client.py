"""AWS as the steps see it: clients that are built once, shared reads, and no pre-shared key in any answer.

Everything that reads goes through a method here, so that one list call serves all who need it. Everything that
writes is called on the clients themselves, by the resource that owns the object.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cloudlink import __version__
from cloudlink.clouds import ownership
from cloudlink.clouds.aws import cached, transport
from cloudlink.clouds.aws import errors as aws_errors
from cloudlink.clouds.aws.models import PlainModels
from cloudlink.clouds.aws.rules import ForwardRule, forward_rules
from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import Owner
from cloudlink.core.polling import Clock
from cloudlink.errors import CloudError, CloudlinkError
from cloudlink.secret import Secret

if TYPE_CHECKING:
    import boto3

AwsObject = Mapping[str, Any]


_EKS_TOKEN = "k8s-aws-v1.{}"  # noqa: S105 the form of a token, none itself
_SIGNED_FOR_SECONDS = 60

T = TypeVar("T")


class Aws:
    """One region of one account. endpoints: of a sandbox; None: the real AWS, signed in as ``profile`` says.

    Clients may be used by any thread. They are made on first use, one at a time (a session is not thread-safe).
    """

    def __init__(
        self,
        *,
        region: str,
        profile: str | None = None,
        endpoints: Endpoints | None = None,
        clock: Clock,
        cache: ReadCache | None = None,
    ) -> None:
        self.region = region
        self.profile = profile
        self.endpoints = endpoints
        self.clock = clock
        self.cache = cache or ReadCache(clock)
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, bool], Any] = {}
        self._made: boto3.Session | None = None
        self._changes: dict[str, str] = {}

    # --- clients ------------------------------------------------------------------------------------------

    def _session(self) -> boto3.Session:
        import boto3
        import botocore.session

        if self._made is None:
            core, keys = botocore.session.Session(), {}
            if self.endpoints is not None:
                # The user's own configuration (profiles, other endpoints) must not reach into the sandbox.
                core = botocore.session.Session(
                    {
                        "profile": (None, None, None, None),
                        "config_file": (None, None, os.devnull, None),
                        "credentials_file": (None, None, os.devnull, None),
                    }
                )
                keys = {
                    "aws_access_key_id": self.endpoints.aws_access_key,
                    "aws_secret_access_key": self.endpoints.aws_secret_key.reveal(),
                }
            profile = None if self.endpoints else self.profile
            self._made = boto3.Session(region_name=self.region, profile_name=profile, botocore_session=core, **keys)
            core.get_component("data_loader").file_loader = PlainModels()
        return self._made

    def client(self, service: str, *, once: bool = False) -> Any:
        """A client. once: it never repeats a call by itself, for creates that would make a second object."""
        with self._lock:
            made = self._clients.get((service, once))
            if made is None:
                made = self._make_client(service, once=once)
                self._clients[service, once] = made
            return made

    def _make_client(self, service: str, *, once: bool, region: str | None = None) -> Any:
        from botocore.config import Config

        # The sandbox is asked as it is, whatever the environment says: no proxy between us and loopback, no endpoints
        # of other kinds, and nothing that would look for a region behind 169.254.169.254.
        plain: dict[str, Any] = {
            "proxies": {},
            "defaults_mode": "legacy",
            "use_fips_endpoint": False,
            "use_dualstack_endpoint": False,
        }
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 1 if once else 5},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=32,
            user_agent_extra=f"cloudlink/{__version__}",
            **(plain if self.endpoints else {}),
        )
        place: dict[str, Any] = {}
        if self.endpoints is not None:
            place = {"endpoint_url": self.endpoints.aws_url}
            if self.endpoints.aws_url.startswith("https:"):
                place["verify"] = self.endpoints.ca_file
        with self._lock:
            return transport.bound(
                self._session().client(cast(Any, service), config=config, region_name=region, **place)
            )

    def open(self, *services: str) -> None:
        """Make these clients now, on the calling thread. Raises botocore's errors about profiles."""
        for service in services or ("ec2", "eks", "elbv2", "route53", "route53resolver", "sts"):
            self.client(service)

    @property
    def ec2(self) -> Any:
        return self.client("ec2")

    @property
    def ec2_once(self) -> Any:
        return self.client("ec2", once=True)

    @property
    def eks(self) -> Any:
        return self.client("eks")

    @property
    def elbv2(self) -> Any:
        return self.client("elbv2")

    @property
    def route53(self) -> Any:
        return self.client("route53")

    @property
    def route53resolver(self) -> Any:
        return self.client("route53resolver")

    @property
    def sts(self) -> Any:
        return self.client("sts")

    @property
    def secretsmanager(self) -> Any:
        return self.client("secretsmanager")

    # --- errors -------------------------------------------------------------------------------------------

    def translate(self, error: Exception) -> CloudlinkError | None:
        return aws_errors.translate(error, self.profile)

    def retryable(self, error: Exception) -> float | None:
        return aws_errors.retryable(error)

    def unknown_outcome(self, error: Exception) -> bool:
        return aws_errors.unknown_outcome(error)

    def missing(self, error: Exception) -> bool:
        return aws_errors.missing(error)

    # --- who we are ---------------------------------------------------------------------------------------

    @parsing("AWS's answers")
    def account(self) -> str:
        """The number of the account, which also proves that the credentials work."""
        return str(self._identity()["Account"])

    def principal(self) -> str:
        """The ARN of who is signed in: a user, an assumed role, or the account itself."""
        return str(self._identity()["Arn"])

    def _identity(self) -> AwsObject:
        return self.cache.get("aws.account", lambda: cast(AwsObject, self.sts.get_caller_identity()))

    @property
    def home_region(self) -> str:
        """One that is enabled in every account of the same partition."""
        first = self.region.split("-")[0]
        if self.region.startswith("us-gov-"):
            return "us-gov-west-1"
        return "cn-north-1" if first == "cn" else "us-east-1"

    def region_states(self) -> dict[str, str]:
        """``opt-in-not-required``, ``opted-in`` or ``not-opted-in`` by region, asked in ``home_region``."""
        found = self._make_client("ec2", once=False, region=self.home_region).describe_regions(AllRegions=True)
        return {str(r["RegionName"]): str(r.get("OptInStatus") or "") for r in found["Regions"]}

    def eks_token(self, cluster: str) -> Secret:
        """A bearer token for the API of an EKS cluster, as the ``aws`` command would make it; good for 15 minutes.

        It is a signed request to STS that the cluster carries out to learn who asks; making it calls nobody.
        https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster
        Raises botocore's NoCredentialsError.
        """
        from botocore.exceptions import NoCredentialsError
        from botocore.hooks import HierarchicalEmitter
        from botocore.model import ServiceId
        from botocore.signers import RequestSigner

        client = self.sts
        with self._lock:
            credentials = self._session().get_credentials()
        if credentials is None:
            raise NoCredentialsError
        emitter = HierarchicalEmitter()  # the signer itself holds it weakly only
        signer = RequestSigner(ServiceId("STS"), self.region, "sts", "v4", credentials, emitter)
        url = signer.generate_presigned_url(
            {
                "method": "GET",
                "url": f"{client.meta.endpoint_url.rstrip('/')}/?Action=GetCallerIdentity&Version=2011-06-15",
                "body": {},
                "headers": {"x-k8s-aws-id": cluster},
                "context": {},
            },
            region_name=self.region,
            expires_in=_SIGNED_FOR_SECONDS,
            operation_name="",
        )
        return Secret(_EKS_TOKEN.format(base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")))

    # --- shared reads: EKS and the VPC --------------------------------------------------------------------

    def eks_cluster(self, name: str, *, fresh: bool = False) -> AwsObject | None:
        """None: there is no such cluster in the region."""
        return self._get(
            f"aws.eks_cluster/{name}", lambda: self.eks.describe_cluster(name=name)["cluster"], fresh=fresh
        )

    def vpc(self, vpc_id: str, *, fresh: bool = False) -> AwsObject | None:
        return self._get(f"aws.vpc/{vpc_id}", lambda: self.ec2.describe_vpcs(VpcIds=[vpc_id])["Vpcs"][0], fresh=fresh)

    def vpc_attribute(self, vpc_id: str, name: str, *, fresh: bool = False) -> bool | None:
        """name: ``enableDnsSupport`` or ``enableDnsHostnames``. None: there is no such VPC."""
        field = name[0].upper() + name[1:]

        def read() -> bool:
            return bool(self.ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute=name)[field]["Value"])

        return self._get(f"{cached.VPC_ATTRIBUTES}/{vpc_id}/{name}", read, fresh=fresh)

    def subnets(self, vpc_id: str, *, fresh: bool = False) -> list[AwsObject]:
        return self._list("aws.subnets", "ec2", "describe_subnets", "Subnets", fresh=fresh, Filters=_in(vpc_id))

    def route_tables(self, vpc_id: str, *, fresh: bool = False) -> list[AwsObject]:
        return self._list(
            cached.ROUTE_TABLES, "ec2", "describe_route_tables", "RouteTables", fresh=fresh, Filters=_in(vpc_id)
        )

    def security_groups(self, vpc_id: str, *, fresh: bool = False) -> list[AwsObject]:
        return self._list(
            cached.SECURITY_GROUPS,
            "ec2",
            "describe_security_groups",
            "SecurityGroups",
            fresh=fresh,
            Filters=_in(vpc_id),
        )

    def mark(self, id_: str, owner: Owner) -> None:
        """Add to one of our EC2 objects the tags that say where its link is, and the configured ones."""
        try:
            self.ec2.create_tags(Resources=[id_], Tags=ownership.to_aws(owner.added_tags()))
        finally:
            self.cache.invalidate(
                cached.VPN_GATEWAYS, cached.CUSTOMER_GATEWAYS, cached.VPN_CONNECTIONS, cached.SECURITY_GROUPS
            )

    def endpoint_tags(self, arn: str, *, fresh: bool = False) -> dict[str, str]:
        """Of a Resolver endpoint, which shows none when it is listed."""

        def read() -> dict[str, str]:
            return ownership.from_aws(self.route53resolver.list_tags_for_resource(ResourceArn=arn).get("Tags"))

        return self.cache.get(f"{cached.ENDPOINT_TAGS}/{arn}", read, fresh=fresh)

    def tag_endpoint(self, arn: str, tags: Mapping[str, str]) -> None:
        try:
            self.route53resolver.tag_resource(ResourceArn=arn, Tags=ownership.to_aws(tags))
        finally:
            self.cache.invalidate(f"{cached.ENDPOINT_TAGS}/{arn}")

    def zone_tags(self, zone_id: str, *, fresh: bool = False) -> dict[str, str]:
        """Of a hosted zone, by its id without a path."""

        def read() -> dict[str, str]:
            found = self.route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id)
            return ownership.from_aws(found["ResourceTagSet"].get("Tags"))

        return self.cache.get(f"{cached.ZONE_TAGS}/{zone_id}", read, fresh=fresh)

    def tag_zone(self, zone_id: str, tags: Mapping[str, str]) -> None:
        """Ten in a call, which is what Route 53 takes."""
        pairs = ownership.to_aws(tags)
        try:
            for i in range(0, len(pairs), 10):
                self.route53.change_tags_for_resource(
                    ResourceType="hostedzone", ResourceId=zone_id, AddTags=pairs[i : i + 10]
                )
        finally:
            self.cache.invalidate(f"{cached.ZONE_TAGS}/{zone_id}")

    @parsing("AWS's answers")
    def tagged(self, owner: Owner) -> list[tuple[str, str]]:
        """(id, kind) of everything in EC2 and Route 53 Resolver that says it belongs to this link and still exists.
        What says that it belongs to a link of the same name elsewhere is none of it.

        The index of tags lists deleted objects for an hour, so each kind that lingers is looked up by itself.
        """
        found: list[tuple[str, str]] = []
        lists: tuple[tuple[str, str, Iterable[AwsObject]], ...] = (
            ("VPN connection", "VpnConnectionId", self.vpn_connections(fresh=True)),
            ("customer gateway", "CustomerGatewayId", self.customer_gateways(fresh=True)),
            ("virtual private gateway", "VpnGatewayId", self.vpn_gateways(fresh=True)),
        )
        for kind, key, items in lists:
            live = (i for i in items if i.get("State") not in ("deleted", "deleting"))
            found += [(str(i[key]), kind) for i in live if owner.holds(ownership.from_aws(i.get("Tags")))]
        lingering = ("vpn-connection", "customer-gateway", "vpn-gateway")
        found += [
            (id_, kind.replace("-", " "))
            for (id_, kind), tags in self._index_of_tags(owner.link).items()
            if kind not in lingering and owner.holds(tags)
        ]
        for endpoint in self.resolver_endpoints(fresh=True):
            asked = self.route53resolver.list_tags_for_resource(ResourceArn=endpoint["Arn"])
            if owner.holds(ownership.from_aws(asked.get("Tags"))) and endpoint["Status"] != "DELETING":
                found.append((str(endpoint["Id"]), "Resolver endpoint"))
        return found

    def _index_of_tags(self, link: str) -> dict[tuple[str, str], dict[str, str]]:
        """Our tags of every EC2 object that names the link, by (id, resource type)."""
        pages = self.ec2.get_paginator("describe_tags").paginate(
            Filters=[{"Name": "key", "Values": [ownership.LINK_TAG, ownership.VPC_TAG, ownership.VNET_TAG]}]
        )
        tags: dict[tuple[str, str], dict[str, str]] = {}
        for page in pages:
            for tag in page["Tags"]:
                tags.setdefault((str(tag["ResourceId"]), str(tag["ResourceType"])), {})[tag["Key"]] = tag["Value"]
        return {key: found for key, found in tags.items() if found.get(ownership.LINK_TAG) == link}

    def forward_rules(self, vpc_id: str) -> list[ForwardRule]:
        """Resolver rules that send names of this VPC to others. One call where there is none."""
        resolver = self.route53resolver
        associations = [
            item
            for page in resolver.get_paginator("list_resolver_rule_associations").paginate(
                Filters=[{"Name": "VPCId", "Values": [vpc_id]}]
            )
            for item in page["ResolverRuleAssociations"]
        ]
        if not associations:
            return []
        pages = resolver.get_paginator("list_resolver_rules").paginate()
        return forward_rules([item for page in pages for item in page["ResolverRules"]], associations)

    @parsing("AWS's answers")
    def network_interfaces(self, descriptions: Iterable[str]) -> list[AwsObject]:
        """Those with one of these descriptions. Not shared."""
        pages = self.ec2.get_paginator("describe_network_interfaces").paginate(
            Filters=[{"Name": "description", "Values": sorted(descriptions)}]
        )
        return [item for page in pages for item in page["NetworkInterfaces"]]

    # --- shared reads: VPN --------------------------------------------------------------------------------

    @parsing("AWS's answers")
    def vpn_gateways(self, *, fresh: bool = False) -> list[AwsObject]:
        """All of the region, deleted ones too: AWS lists them for a while."""
        return self.cache.get(cached.VPN_GATEWAYS, lambda: self.ec2.describe_vpn_gateways()["VpnGateways"], fresh=fresh)

    @parsing("AWS's answers")
    def customer_gateways(self, *, fresh: bool = False) -> list[AwsObject]:
        """All of the region, deleted ones too."""
        return self.cache.get(
            cached.CUSTOMER_GATEWAYS, lambda: self.ec2.describe_customer_gateways()["CustomerGateways"], fresh=fresh
        )

    @parsing("AWS's answers")
    def vpn_connections(self, *, fresh: bool = False) -> list[AwsObject]:
        """All of the region, deleted ones too; each tunnel's ``PreSharedKey`` is a Secret."""

        def read() -> list[AwsObject]:
            return [without_open_keys(item) for item in self.ec2.describe_vpn_connections()["VpnConnections"]]

        return self.cache.get(cached.VPN_CONNECTIONS, read, fresh=fresh)

    def stored_keys(self, arn: str, *, fresh: bool = False) -> dict[str, Secret]:
        """Pre-shared keys that AWS keeps in Secrets Manager, by the outside address of their tunnel; none yet: empty.

        Assumption: the secret is a JSON object from outside address to key; AWS names the secret
        (VpnConnection.PreSharedKeyArn) but does not document what is in it. Raises CloudError for any other form.
        """

        def read() -> dict[str, Secret]:
            try:
                text = self.secretsmanager.get_secret_value(SecretId=arn)["SecretString"]
            except Exception as error:
                if self.missing(error):
                    return {}
                raise
            try:
                found = json.loads(text)
                return {str(address): Secret(key) for address, key in found.items() if isinstance(key, str)}
            except (ValueError, AttributeError):
                raise CloudError(
                    "A pre-shared key in Secrets Manager cannot be read",
                    f"{arn} is not a JSON object from tunnel addresses to keys.",
                    'Set vpn.psk_storage to "standard".',
                ) from None

        return self.cache.get(f"aws.stored_keys/{arn}", read, fresh=fresh)

    # --- shared reads: names ------------------------------------------------------------------------------

    def resolver_endpoints(self, *, fresh: bool = False) -> list[AwsObject]:
        return self._list(
            cached.RESOLVER_ENDPOINTS, "route53resolver", "list_resolver_endpoints", "ResolverEndpoints", fresh=fresh
        )

    def endpoint_addresses(self, endpoint_id: str, *, fresh: bool = False) -> list[AwsObject]:
        return self._list(
            f"{cached.ENDPOINT_ADDRESSES}/{endpoint_id}",
            "route53resolver",
            "list_resolver_endpoint_ip_addresses",
            "IpAddresses",
            fresh=fresh,
            ResolverEndpointId=endpoint_id,
        )

    def hosted_zones(self, *, fresh: bool = False) -> list[AwsObject]:
        """All of the account. Route 53 has no tags at creation, but the CallerReference is listed."""
        return self._list(cached.HOSTED_ZONES, "route53", "list_hosted_zones", "HostedZones", fresh=fresh)

    def zones_of_vpc(self, vpc_id: str) -> list[AwsObject]:
        """All private zones that the VPC uses, those of other accounts and of AWS's services included."""

        def read() -> list[AwsObject]:
            found: list[AwsObject] = []
            more: dict[str, str] = {}
            while True:
                page = self.route53.list_hosted_zones_by_vpc(VPCId=vpc_id, VPCRegion=self.region, **more)
                found += page["HostedZoneSummaries"]
                if not page.get("NextToken"):
                    return found
                more = {"NextToken": page["NextToken"]}

        return self.cache.get(f"{cached.HOSTED_ZONES}/{vpc_id}", read)

    def records_from(self, zone_id: str, name: str) -> list[AwsObject]:
        """The first hundred records of a zone from a name on: Route 53 sorts by labels from the right, so that those below
        the name come first. Not shared."""
        page = self.route53.list_resource_record_sets(HostedZoneId=zone_id, StartRecordName=name, MaxItems="100")
        return list(page["ResourceRecordSets"])

    def resolver_rules(self) -> list[AwsObject]:
        """Those of the account and those shared with it."""
        return self._list("aws.resolver_rules", "route53resolver", "list_resolver_rules", "ResolverRules", fresh=False)

    def resolver_rule_associations(self, vpc_id: str) -> list[AwsObject]:
        return self._list(
            f"aws.resolver_rule_associations/{vpc_id}",
            "route53resolver",
            "list_resolver_rule_associations",
            "ResolverRuleAssociations",
            fresh=False,
            Filters=[{"Name": "VPCId", "Values": [vpc_id]}],
        )

    def zone(self, zone_id: str, *, fresh: bool = False) -> AwsObject | None:
        """``{HostedZone, VPCs}``; None: there is no such zone."""
        return self._get(f"{cached.ZONE_VPCS}/{zone_id}", lambda: self.route53.get_hosted_zone(Id=zone_id), fresh=fresh)

    def records(self, zone_id: str, *, fresh: bool = False) -> list[AwsObject]:
        """Record sets as Route 53 spells them; empty when the zone is gone."""
        try:
            return self._list(
                f"{cached.RECORDS}/{zone_id}",
                "route53",
                "list_resource_record_sets",
                "ResourceRecordSets",
                fresh=fresh,
                HostedZoneId=zone_id,
            )
        except Exception as error:
            if self.missing(error):
                return []
            raise

    def submitted(self, zone_id: str, change_id: str) -> None:
        """Remember the change of a zone that was just written, so that ``in_sync`` can tell when it is served."""
        with self._lock:
            self._changes[zone_id] = str(change_id)

    @parsing("AWS's answers")
    def in_sync(self, zone_id: str) -> bool:
        """Whether Route 53 serves what this process wrote last to the zone. One call at most, none when nothing was."""
        with self._lock:
            change = self._changes.get(zone_id)
        if change is None:
            return True
        try:
            done = bool(self.route53.get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC")
        except Exception as error:
            if not self.missing(error):
                raise
            done = True
        if done:
            with self._lock:
                if self._changes.get(zone_id) == change:
                    del self._changes[zone_id]
        return done

    def load_balancers(self, *, fresh: bool = False) -> list[AwsObject]:
        """All application and network load balancers of the region."""
        return self._list("aws.load_balancers", "elbv2", "describe_load_balancers", "LoadBalancers", fresh=fresh)

    @parsing("AWS's answers")
    def load_balancer_addresses(self, balancers: Iterable[AwsObject]) -> dict[str, tuple[str, ...]]:
        """Private addresses of these load balancers, by ARN, in one call.

        AWS does not give them with the load balancer; its network interfaces are named after its ARN.
        https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html
        """
        wanted = {f"ELB {b['LoadBalancerArn'].split(':loadbalancer/')[1]}": b["LoadBalancerArn"] for b in balancers}
        found: dict[str, list[str]] = {arn: [] for arn in wanted.values()}
        for interface in self.network_interfaces(wanted) if wanted else ():
            found[wanted[interface["Description"]]].append(interface["PrivateIpAddress"])
        return {arn: tuple(sorted(addresses)) for arn, addresses in found.items()}

    # --- how reads are shared -----------------------------------------------------------------------------

    @parsing("AWS's answers")
    def _get(self, kind: str, call: Callable[[], T], *, fresh: bool) -> T | None:
        """One object, or None when AWS says that it does not exist."""

        def read() -> T | None:
            try:
                return call()
            except Exception as error:
                if self.missing(error):
                    return None
                raise

        return self.cache.get(kind, read, fresh=fresh)

    @parsing("AWS's answers")
    def _list(self, kind: str, service: str, operation: str, key: str, *, fresh: bool, **asked: Any) -> list[AwsObject]:
        """All pages of a list."""

        def read() -> list[AwsObject]:
            pages = self.client(service).get_paginator(operation).paginate(**asked)
            return [item for page in pages for item in page[key]]

        return self.cache.get(kind, read, fresh=fresh)


def without_open_keys(connection: dict[str, Any]) -> dict[str, Any]:
    """A VPN connection as AWS answers it, with its pre-shared keys made Secrets; done in place, at once.

    The customer gateway configuration repeats the keys in clear and is dropped: what else it says is in Options.
    """
    connection.pop("CustomerGatewayConfiguration", None)
    for tunnel in connection.get("Options", {}).get("TunnelOptions") or []:
        if "PreSharedKey" in tunnel:
            tunnel["PreSharedKey"] = Secret(tunnel["PreSharedKey"])
    return connection


@parsing("AWS's answer to a write")
def value_in(answer: AwsObject, *path: str) -> Any:
    """What an answer holds under these keys, one in the other."""
    for key in path:
        answer = answer[key]
    return answer


def _in(vpc_id: str) -> list[dict[str, Any]]:
    return [{"Name": "vpc-id", "Values": [vpc_id]}]
