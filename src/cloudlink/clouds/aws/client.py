"""AWS as the steps see it: clients that are built once, shared reads, and no pre-shared key in any answer.

Everything that reads goes through a method here, so that one list call serves all who need it; what an answer means
is for the ``parse_*`` modules. Everything that writes is a function beside them, called by the resource that owns the
object.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cloudlink import __version__
from cloudlink.clouds import ownership
from cloudlink.clouds.aws import (
    cached,
    models,
    parse_connections,
    parse_gateways,
    parse_resolver,
    parse_transit,
    recording,
    signin,
    transport,
)
from cloudlink.clouds.aws import errors as aws_errors
from cloudlink.clouds.aws.parse_offers import without_keys
from cloudlink.clouds.aws.parse_resolver import ForwardRule, forward_rules
from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import Owner
from cloudlink.clouds.recorded import RECORDING
from cloudlink.core.polling import Clock
from cloudlink.errors import CloudError, CloudlinkError, CredentialsError
from cloudlink.secret import Secret

if TYPE_CHECKING:
    import boto3

AwsObject = Mapping[str, Any]


_TRANSIT = (
    "transit-gateway",
    "transit-gateway-attachment",
    "transit-gateway-route-table",
)  # as the index of tags calls them
MOST_FILTERED = 200  # values of a filter
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
        self._credentials: Any = None  # of the real AWS, once they are there
        self._refused: CredentialsError | None = None

    # --- signing in ---------------------------------------------------------------------------------------

    def sign_in(self) -> None:
        """Get the credentials now, on the calling thread: a role may want a one-time code, which is asked for once and
        kept where the ``aws`` command keeps it. Asks AWS only where a role is to be assumed.

        Raises CredentialsError where the code cannot be asked for, and botocore's errors.
        """
        with self._lock:
            self._get_credentials()

    def _get_credentials(self) -> Any:
        if self._refused is not None:
            raise self._refused  # asked once; the SDK would say something else the second time
        if self._credentials is None:
            try:
                self._credentials = signin.credentials_of(self._session())
            except CredentialsError as error:
                self._refused = error
                raise
        return self._credentials

    def lasting(self) -> signin.Lasting:
        """How long the sign-in lasts without the user."""
        if self.endpoints is not None:
            return signin.Lasting()
        with self._lock:
            return signin.lasting(self._session(), self._get_credentials(), self.profile)

    # --- clients ------------------------------------------------------------------------------------------

    def _session(self) -> boto3.Session:
        import boto3

        if self._made is None:
            core, keys = transport.session(), {}
            if self.endpoints is not None:
                # The user's own configuration (profiles, other endpoints) must not reach into the sandbox.
                core = transport.session(
                    {
                        "profile": (None, None, None, None),
                        "config_file": (None, None, os.devnull, None),
                        "credentials_file": (None, None, os.devnull, None),
                        "sts_regional_endpoints": (None, None, "regional", None),
                        "account_id_endpoint_mode": (None, None, "disabled", None),
                        "request_min_compression_size_bytes": (None, None, 10240, None),
                        "disable_request_compression": (None, None, True, None),
                    }
                )
                keys = {
                    "aws_access_key_id": self.endpoints.aws_access_key,
                    "aws_secret_access_key": self.endpoints.aws_secret_key.reveal(),
                }
            profile = None if self.endpoints else self.profile
            self._made = boto3.Session(region_name=self.region, profile_name=profile, botocore_session=core, **keys)
            if self.endpoints is None:
                transport.bound_fetchers(core)
                signin.ask_once(core, self.profile)
            core.register_component("data_loader", models.shared(core.get_component("data_loader")))
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

        if self.endpoints is None:
            self._get_credentials()
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
            request_checksum_calculation="when_required",  # S3 has Content-MD5 and TLS; its peers know no trailers
            response_checksum_validation="when_required",
            **(plain if self.endpoints else {}),
        )
        place: dict[str, Any] = {}
        if self.endpoints is not None:
            place = {"endpoint_url": self.endpoints.aws_url}
            if self.endpoints.aws_url.startswith("https:"):
                place["verify"] = self.endpoints.ca_file
        with self._lock:
            made = self._session().client(cast(Any, service), config=config, region_name=region, **place)
        if RECORDING.on:
            recording.attach(made)
        return made

    def client_in(self, service: str, region: str) -> Any:
        """A client of another region, for what AWS answers one region at a time."""
        return self._make_client(service, once=False, region=region)

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
        return aws_errors.translate(error, self.profile, self.region)

    def retryable(self, error: Exception) -> float | None:
        return aws_errors.retryable(error)

    def unknown_outcome(self, error: Exception) -> bool:
        return aws_errors.unknown_outcome(error)

    def missing(self, error: Exception) -> bool:
        return aws_errors.missing(error)

    def denied(self, error: Exception) -> bool:
        return aws_errors.denied(error)

    # --- who we are ---------------------------------------------------------------------------------------

    def contact(self) -> None:
        """Ask AWS once, and only once, for something cheap. Raises what is wrong with the way there or the keys."""
        try:
            self.ec2_once.describe_vpcs(MaxResults=5)
        except Exception as error:
            translated = self.translate(error)
            if translated is None:
                raise
            raise translated from error

    @parsing("AWS's answers")
    def account(self) -> str:
        """The number of the account, which also proves that the credentials work."""
        return str(self._identity()["Account"])

    @parsing("AWS's answers")
    def principal(self) -> str:
        """The ARN of who is signed in: a user, an assumed role, or the account itself."""
        return str(self._identity()["Arn"])

    def _identity(self) -> AwsObject:
        return self.cache.get("aws.account", lambda: cast(AwsObject, self.sts.get_caller_identity()))

    @property
    def home_region(self) -> str:
        """One that is enabled in every account of the same partition."""
        return aws_errors.home_region(self.region)

    @parsing("AWS's answers")
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

    def prefix_list(self, list_id: str) -> list[AwsObject]:
        """The entries of a managed prefix list."""
        operation, kind = "get_managed_prefix_list_entries", f"aws.prefix_list/{list_id}"
        return self._list(kind, "ec2", operation, "Entries", fresh=False, PrefixListId=list_id)

    def dhcp_options(self, id_: str) -> list[AwsObject]:
        operation, key = "describe_dhcp_options", "DhcpOptions"
        return self._list(f"aws.dhcp_options/{id_}", "ec2", operation, key, fresh=False, DhcpOptionsIds=[id_])

    def network_acls(self, vpc_id: str) -> list[AwsObject]:
        return self._list(
            "aws.network_acls", "ec2", "describe_network_acls", "NetworkAcls", fresh=False, Filters=_in(vpc_id)
        )

    def transit_gateways(self, *, fresh: bool = False) -> list[AwsObject]:
        """All of the region that this account may see, those shared with it and deleted ones too."""
        operation, key = "describe_transit_gateways", "TransitGateways"
        return self._list(cached.TRANSIT_GATEWAYS, "ec2", operation, key, fresh=fresh)

    def transit_vpc_attachments(self, *, fresh: bool = False) -> list[AwsObject]:
        """Those of VPCs to any transit gateway of the region, with their subnets; deleted ones too."""
        operation, key = "describe_transit_gateway_vpc_attachments", "TransitGatewayVpcAttachments"
        return self._list(cached.TRANSIT_VPC_ATTACHMENTS, "ec2", operation, key, fresh=fresh)

    def transit_attachments(self, gateway_id: str, *, fresh: bool = False) -> list[AwsObject]:
        """Of a transit gateway those that this account may see."""
        return self._list(
            f"{cached.TRANSIT_ATTACHMENTS}/{gateway_id}",
            "ec2",
            "describe_transit_gateway_attachments",
            "TransitGatewayAttachments",
            fresh=fresh,
            Filters=[{"Name": "transit-gateway-id", "Values": [gateway_id]}],
        )

    def transit_propagations(self, attachment_id: str, *, fresh: bool = False) -> list[AwsObject]:
        """The tables of a transit gateway into which an attachment propagates its ranges; none where it is gone."""
        try:
            return self._list(
                f"{cached.TRANSIT_PROPAGATIONS}/{attachment_id}",
                "ec2",
                "get_transit_gateway_attachment_propagations",
                "TransitGatewayAttachmentPropagations",
                fresh=fresh,
                TransitGatewayAttachmentId=attachment_id,
            )
        except Exception as error:
            if self.missing(error):
                return []
            raise

    def transit_tables(self, gateway_id: str = "", *, fresh: bool = False) -> list[AwsObject]:
        """The route tables of a transit gateway; without an id those of all of the region. Deleted ones too."""
        of = {"Filters": [{"Name": "transit-gateway-id", "Values": [gateway_id]}]} if gateway_id else {}
        return self._list(
            f"{cached.TRANSIT_TABLES}/{gateway_id}" if gateway_id else cached.TRANSIT_TABLES,
            "ec2",
            "describe_transit_gateway_route_tables",
            "TransitGatewayRouteTables",
            fresh=fresh,
            **of,
        )

    @parsing("AWS's answers")
    def transit_routes(self, table_id: str, *, fresh: bool = False) -> AwsObject:
        """Of a route table of a transit gateway, as many as one answer holds. Only its owner may ask."""
        return self.cache.get(
            f"{cached.TRANSIT_ROUTES}/{table_id}",
            lambda: cast(
                AwsObject,
                self.ec2.search_transit_gateway_routes(
                    TransitGatewayRouteTableId=table_id,
                    Filters=[{"Name": "state", "Values": ["active", "blackhole"]}],
                    MaxResults=1000,
                ),
            ),
            fresh=fresh,
        )

    @parsing("AWS's answers")
    def direct_connect_associations(self, gateway_id: str) -> list[AwsObject]:
        """Direct Connect gateways that a virtual private or transit gateway is associated with."""
        return self.cache.get(
            f"aws.direct_connect/{gateway_id}",
            lambda: list(
                self.client("directconnect").describe_direct_connect_gateway_associations(
                    associatedGatewayId=gateway_id
                )["directConnectGatewayAssociations"]
            ),
        )

    def mark(self, id_: str, owner: Owner) -> None:
        """Add to one of our EC2 objects the tags that say where its link is, and the configured ones."""
        try:
            self.ec2.create_tags(Resources=[id_], Tags=ownership.to_aws(owner.added_tags()))
        finally:
            self.cache.invalidate(
                cached.VPN_GATEWAYS,
                cached.CUSTOMER_GATEWAYS,
                cached.VPN_CONNECTIONS,
                cached.SECURITY_GROUPS,
                cached.TRANSIT_GATEWAYS,
                cached.TRANSIT_VPC_ATTACHMENTS,
            )

    @parsing("AWS's answers")
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

    @parsing("AWS's answers")
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
        lists = (
            ("VPN connection", parse_connections.connections(self.vpn_connections(fresh=True))),
            ("customer gateway", parse_gateways.customer_gateways(self.customer_gateways(fresh=True))),
            ("virtual private gateway", parse_gateways.gateways(self.vpn_gateways(fresh=True))),
        )
        for kind, items in lists:
            found += [(i.id, kind) for i in items if i.exists and owner.holds(i.tags)]
        lingering = ("vpn-connection", "customer-gateway", "vpn-gateway", *_TRANSIT)
        index = {key: tags for key, tags in self._index_of_tags(owner.link).items() if owner.holds(tags)}
        found += [(id_, kind.replace("-", " ")) for id_, kind in index if kind not in lingering]
        if any(kind in _TRANSIT for _, kind in index):
            found += [
                (i.id, kind)
                for kind, items in (
                    (
                        "transit gateway attachment",
                        parse_transit.vpc_attachment_objects(self.transit_vpc_attachments(fresh=True)),
                    ),
                    ("transit gateway", parse_transit.gateway_objects(self.transit_gateways(fresh=True))),
                    ("transit gateway route table", parse_transit.table_objects(self.transit_tables(fresh=True))),
                )
                for i in items
                if i.exists and owner.holds(i.tags)
            ]
        for endpoint in parse_resolver.endpoints(self.resolver_endpoints(fresh=True)):
            if not endpoint.leaving and owner.holds(self.endpoint_tags(endpoint.arn, fresh=True)):
                found.append((endpoint.id, "Resolver endpoint"))
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

    @parsing("AWS's answers")
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

    def interfaces_at(self, vpc_id: str, addresses: Iterable[str]) -> list[AwsObject]:
        """Network interfaces of the VPC that have one of these addresses, up to 200 of them."""
        wanted = sorted(set(addresses))[:MOST_FILTERED]
        filters = [*_in(vpc_id), {"Name": "addresses.private-ip-address", "Values": wanted}]
        kind = f"aws.interfaces_at/{','.join(wanted)}"
        operation, key = "describe_network_interfaces", "NetworkInterfaces"
        return self._list(kind, "ec2", operation, key, fresh=False, Filters=filters) if wanted else []

    def interfaces_of(self, instances: Iterable[str]) -> list[AwsObject]:
        """Network interfaces of these instances, up to 200 of them."""
        wanted = sorted(set(instances))[:MOST_FILTERED]
        filters = [{"Name": "attachment.instance-id", "Values": wanted}]
        kind = f"aws.interfaces_of/{','.join(wanted)}"
        operation, key = "describe_network_interfaces", "NetworkInterfaces"
        return self._list(kind, "ec2", operation, key, fresh=False, Filters=filters) if wanted else []

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

    @parsing("AWS's answers")
    def vpn_documents(self) -> list[AwsObject]:
        """As ``vpn_connections``, each with the document that AWS makes for the other end, without the keys in it. It is
        read each time, and not kept."""
        found = self.ec2.describe_vpn_connections()["VpnConnections"]
        return [without_open_keys(item, documents=True) for item in found]

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

    @parsing("AWS's answers")
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

    @parsing("AWS's answers")
    def records_from(self, zone_id: str, name: str) -> list[AwsObject]:
        """The first hundred records of a zone from a name on: Route 53 sorts by labels from the right, so that those below
        the name come first. Not shared."""
        page = self.route53.list_resource_record_sets(HostedZoneId=zone_id, StartRecordName=name, MaxItems="100")
        return list(page["ResourceRecordSets"])

    def resolver_rules(self, *, fresh: bool = False) -> list[AwsObject]:
        """Those of the account and those shared with it."""
        return self._list(cached.RESOLVER_RULES, "route53resolver", "list_resolver_rules", "ResolverRules", fresh=fresh)

    def resolver_rule_associations(self, vpc_id: str, *, fresh: bool = False) -> list[AwsObject]:
        return self._list(
            f"{cached.RULE_ASSOCIATIONS}/{vpc_id}",
            "route53resolver",
            "list_resolver_rule_associations",
            "ResolverRuleAssociations",
            fresh=fresh,
            Filters=[{"Name": "VPCId", "Values": [vpc_id]}],
        )

    def resolver_rule(self, id_: str) -> AwsObject:
        """One that may be in no list of the account."""
        found: AwsObject = value_in(self.route53resolver.get_resolver_rule(ResolverRuleId=id_), "ResolverRule")
        return found

    def firewall_associations(self, vpc_id: str) -> list[AwsObject]:
        """Groups of DNS Firewall rules that the VPC uses."""
        return self._list(
            f"aws.firewall/{vpc_id}",
            "route53resolver",
            "list_firewall_rule_group_associations",
            "FirewallRuleGroupAssociations",
            fresh=False,
            VpcId=vpc_id,
        )

    def firewall_rules(self, group_id: str) -> list[AwsObject]:
        return self._list(
            f"aws.firewall_rules/{group_id}",
            "route53resolver",
            "list_firewall_rules",
            "FirewallRules",
            fresh=False,
            FirewallRuleGroupId=group_id,
        )

    def firewall_domains(self, list_id: str) -> list[str]:
        found: list[Any] = self._list(
            f"aws.firewall_domains/{list_id}",
            "route53resolver",
            "list_firewall_domains",
            "Domains",
            fresh=False,
            FirewallDomainListId=list_id,
        )
        return found

    def profile_associations(self, vpc_id: str) -> list[AwsObject]:
        """Route 53 Profiles that the VPC uses; none where AWS has no such service in the region."""
        if self.endpoints is None and self.region not in self._session().get_available_regions(
            "route53profiles", partition_name=self._session().get_partition_for_region(self.region)
        ):
            return []
        return self._list(
            f"aws.profiles/{vpc_id}",
            "route53profiles",
            "list_profile_associations",
            "ProfileAssociations",
            fresh=False,
            ResourceId=vpc_id,
        )

    def profile_resources(self, profile_id: str) -> list[AwsObject]:
        return self._list(
            f"aws.profile/{profile_id}",
            "route53profiles",
            "list_profile_resource_associations",
            "ProfileResourceAssociations",
            fresh=False,
            ProfileId=profile_id,
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

    def listeners(self, balancer: str) -> list[AwsObject]:
        """Of the load balancer with this ARN."""
        kind = f"aws.listeners/{balancer}"
        return self._list(kind, "elbv2", "describe_listeners", "Listeners", fresh=False, LoadBalancerArn=balancer)

    def listener_rules(self, listener: str) -> list[AwsObject]:
        """Of the listener with this ARN."""
        kind = f"aws.rules/{listener}"
        return self._list(kind, "elbv2", "describe_rules", "Rules", fresh=False, ListenerArn=listener)

    def target_groups(self, balancer: str) -> list[AwsObject]:
        """Of the load balancer with this ARN; none: it leads to none."""
        kind = f"aws.target_groups/{balancer}"
        operation, key = "describe_target_groups", "TargetGroups"
        try:
            return self._list(kind, "elbv2", operation, key, fresh=False, LoadBalancerArn=balancer)
        except Exception as error:
            if self.missing(error):
                return []
            raise

    @parsing("AWS's answers")
    def target_group_attributes(self, group: str) -> list[AwsObject]:
        """Of the target group with this ARN."""
        found = self.client("elbv2").describe_target_group_attributes(TargetGroupArn=group)
        return list(found["Attributes"])

    @parsing("AWS's answers")
    def target_health(self, group: str) -> list[AwsObject]:
        """The targets of the target group with this ARN, and how they are."""
        found = self.client("elbv2").describe_target_health(TargetGroupArn=group)
        return list(found["TargetHealthDescriptions"])

    @parsing("AWS's answers")
    def load_balancer_addresses(self, arns: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Private addresses of these load balancers, by ARN, in one call.

        AWS does not give them with the load balancer; its network interfaces are named after its ARN.
        https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html
        """
        wanted = {f"ELB {arn.split(':loadbalancer/')[1]}": arn for arn in arns}
        found: dict[str, list[str]] = {arn: [] for arn in wanted.values()}
        for interface in self.network_interfaces(wanted) if wanted else ():
            found[wanted[interface["Description"]]].append(interface["PrivateIpAddress"])
        return {arn: tuple(sorted(addresses)) for arn, addresses in found.items()}

    # --- how reads are shared, and writes end them -----------------------------------------------------------------------------

    @contextmanager
    def writing(self, *stale: str) -> Iterator[None]:
        """Around a write: the reads that it may have changed are made again, whether it succeeds or fails."""
        try:
            yield
        finally:
            self.cache.invalidate(*stale)

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


def without_open_keys(connection: dict[str, Any], *, documents: bool = False) -> dict[str, Any]:
    """A VPN connection as AWS answers it, with its pre-shared keys made Secrets; done in place, at once.

    The customer gateway configuration repeats the keys in clear and is dropped: what else it says is in Options.
    documents: it is kept without them.
    """
    document = connection.pop("CustomerGatewayConfiguration", None)
    if documents and document:
        connection["CustomerGatewayConfiguration"] = without_keys(document)
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
