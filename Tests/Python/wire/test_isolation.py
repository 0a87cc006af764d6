"""No RPC shows or changes another tenant's rows. Services are found by reflection, so an RPC that is added later is
covered without anyone remembering it here."""
import asyncio
import random
import re
import uuid

import grpc
import pytest
from conftest import Tenant, error_details, eventually
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
#: What another tenant's id may be answered with; never OK with its rows, never INTERNAL.
REFUSALS = {
    grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.ALREADY_EXISTS,
}
#: What public methods, which look at what a request shows and not at who calls, may answer as well.
PUBLIC_REFUSALS = REFUSALS | {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED}
FORMATS = {  # trellis.options.v1.Format: a value of that form
    0: "text", 1: "", 2: "slug", 3: "who@example.org", 4: "en", 5: "America/Lima", 6: "{}", 7: "code", 8: "request",
}


class World:
    """Every RPC of every trellis.* service, as reflection shows them."""

    def __init__(self, api, channel):
        database = ProtoReflectionDescriptorDatabase(channel)
        self.pool = descriptor_pool.DescriptorPool(database)
        self.rules, self.policy = api.options.rules, api.options.policy
        self.methods = []
        for name in database.get_services():
            if name.startswith("trellis."):
                self.methods += list(self.pool.FindServiceByName(name).methods)
        self.own = api.options

    def rules_of(self, field):
        # The reflected pool does not know our extension's class: read it through the generated one.
        options = type(field.GetOptions()).FromString(field.GetOptions().SerializeToString())
        from google.protobuf import descriptor_pb2

        return descriptor_pb2.FieldOptions.FromString(options.SerializeToString()).Extensions[self.rules]

    def policy_of(self, method):
        from google.protobuf import descriptor_pb2

        return descriptor_pb2.MethodOptions.FromString(
            method.GetOptions().SerializeToString()).Extensions[self.policy]

    def call(self, channel, method, request, metadata, **keywords):
        """All answers of a call, a list."""
        response = message_factory.GetMessageClass(method.output_type)
        path = f"/{method.containing_service.full_name}/{method.name}"
        kind = "unary_stream" if method.server_streaming else "unary_unary"
        rpc = getattr(channel, kind)(path, lambda m: m.SerializeToString(), response.FromString)
        answer = rpc(request, metadata=metadata, timeout=20, **keywords)
        return list(answer) if method.server_streaming else [answer]

    def fill(self, message, ids):
        """Sets every id field from `ids` (cycled) and every required field to something of its form."""
        for field in message.DESCRIPTOR.fields:
            rules = self.rules_of(field)
            repeated = field.is_repeated if hasattr(field, "is_repeated") else field.label == FieldDescriptor.LABEL_REPEATED
            if rules.output_only:
                continue
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                if field.message_type.full_name.startswith("google.protobuf."):
                    continue
                if repeated:
                    self.fill(getattr(message, field.name).add(), ids)
                elif rules.required:
                    self.fill(getattr(message, field.name), ids)
                continue
            if field.name == "request_id":
                message.request_id = uuid.uuid4().hex
                continue
            if field.type == FieldDescriptor.TYPE_STRING:
                is_id = rules.format == 1 or field.name == "id" or field.name.endswith(("_id", "_ids"))
                # What a channel calls somebody is a text of the caller's, which is shown to them again.
                is_id = is_id and field.name != "external_id"
                if is_id:
                    value = next(ids)
                elif rules.required or field.name in ("query", "title", "content", "display_name"):
                    value = FORMATS[rules.format] + ("-" + uuid.uuid4().hex[:8] if rules.format == 2 else "")
                    value = value + "x" * max(0, rules.min_length - len(value))
                else:
                    continue
            elif field.type == FieldDescriptor.TYPE_ENUM and rules.required:
                value = field.enum_type.values[1].number
            elif field.type == FieldDescriptor.TYPE_BYTES and rules.required:
                value = b"x"
            elif rules.required:
                value = rules.minimum or 1
            else:
                continue
            if repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
        return message

    def request(self, method, ids):
        return self.fill(message_factory.GetMessageClass(method.input_type)(), ids)


def populate(api, tenant, marker):
    """Gives a tenant something of everything, each with `marker` in its texts."""
    tenancy, reference, search = tenant.stub("tenancy"), tenant.stub("reference"), tenant.stub("search")
    site = tenancy.CreateSite(api.tenancy.CreateSiteRequest(display_name=f"site {marker}"))
    archived = tenancy.CreateSite(api.tenancy.CreateSiteRequest(display_name=f"archived {marker}"))
    tenancy.ArchiveSite(api.tenancy.ArchiveSiteRequest(id=archived.id))
    deleted = tenancy.CreateSite(api.tenancy.CreateSiteRequest(display_name=f"deleted {marker}"))
    tenancy.DeleteSite(api.tenancy.DeleteSiteRequest(id=deleted.id))
    tenancy.UpdateOwnTenant(api.tenancy.UpdateOwnTenantRequest(settings_json=f'{{"of": "{marker}"}}'))
    user = tenancy.CreateUser(api.tenancy.CreateUserRequest(email=f"{marker}@example.org", display_name=marker))
    tenancy.CreateApiKey(api.tenancy.CreateApiKeyRequest(
        display_name=marker, permissions=["tenancy.sites.read"], user_id=user.id))
    access = tenant.stub("access")
    access.CreateRole(api.access.CreateRoleRequest(role=marker, permissions=["tenancy.sites.read"], description=marker))
    access.AssignRole(api.access.AssignRoleRequest(user_id=user.id, role=marker, site_id=site.id))
    grant = api.tenancy.RoleGrant(role=marker)
    tenancy.InviteUser(api.tenancy.InviteUserRequest(email=f"invited-{marker}@example.org", display_name=marker, roles=[grant]))
    tenant.stub("admission").SetAllowList(api.admission.SetAllowListRequest(networks=["127.0.0.0/8", "::1"]))
    api.admission_grpc.AdmissionServiceStub(tenant.channel).CreateServicePrincipal(
        api.admission.CreateServicePrincipalRequest(
            tenant_id=tenant.tenant.id, display_name=marker, certificate=f"dns:{marker}.example.org",
            permissions=["tenancy.sites.read"]),
        metadata=(("authorization", f"Bearer {tenant.server.platform_key}"),))
    invitation = tenancy.InviteUser(api.tenancy.InviteUserRequest(
        email=f"{marker}.person@example.org", display_name=marker, roles=[api.tenancy.RoleGrant(role="member")]))
    tenant.stub("credentials").AcceptInvitation(api.credentials.AcceptInvitationRequest(
        token=invitation.token, password=f"a password of {marker}"))
    kinds = api.reference
    request = kinds.ImportReleaseRequest(complete=True)
    request.release.framework, request.release.version, request.release.title = "private", "1", f"framework {marker}"
    request.concepts.add(kind=kinds.CONCEPT_KIND_SDG_GOAL, code="1", name=f"goal {marker}")
    request.concepts.add(kind=kinds.CONCEPT_KIND_SDG_TARGET, code="1.1", name=f"target {marker}")
    edge = request.edges.add(kind=kinds.EDGE_KIND_RELATED)
    edge.source.kind, edge.source.code = kinds.CONCEPT_KIND_SDG_GOAL, "1"
    edge.target.kind, edge.target.code = kinds.CONCEPT_KIND_SDG_TARGET, "1.1"
    reference.ImportRelease(request)
    base = search.CreateKnowledgeBase(api.search.CreateKnowledgeBaseRequest(display_name=f"base {marker}"))
    search.CreateDocument(api.search.CreateDocumentRequest(
        knowledge_base_id=base.id, title=f"document {marker}", content=f"A text that only {marker} may read."))
    # No call of the areas takes long enough to be one yet, so it is put there behind the server's back.
    tenant.server.query(
        "INSERT INTO trellis.job (tenant_id, job_id, kind, payload, is_operation, principal_id, state, expire_time,"
        f" progress_message) VALUES ('{tenant.tenant.id}', gen_random_uuid(), 'test.{marker}', '{marker}', true,"
        f" gen_random_uuid(), 3, now() + interval '30 days', 'what {marker} does') RETURNING job_id")
    end_users, channels = tenant.stub("end_users"), api.end_users
    people = [
        end_users.CreateEndUser(channels.CreateEndUserRequest(
            display_name=f"{name} {marker}", profile_json=f'{{"of": "{marker}"}}',
            identities=[channels.EndUserIdentity(channel="web", external_id=f"{name}-{marker}")]))
        for name in ("one", "two", "three")]
    end_users.MergeEndUsers(channels.MergeEndUsersRequest(source_id=people[0].id, target_id=people[1].id))
    privacy, subjects = tenant.stub("privacy"), api.privacy
    privacy.PlaceLegalHold(subjects.PlaceLegalHoldRequest(
        subject_kind=subjects.SUBJECT_KIND_END_USER, subject_id=people[1].id, reason=f"case {marker}"))
    privacy.Tokenize(subjects.TokenizeRequest(
        subject_kind=subjects.SUBJECT_KIND_END_USER, subject_id=people[1].id, kind="note", texts=[marker]))
    return site


def ids_of(server, tenant_id):
    """Every UUID in every row of a tenant, but the tenant's own id."""
    found = set()
    for rows in rows_of(server, tenant_id).values():
        for row in rows:
            found.update(UUID.findall(row))
    return sorted(found - {tenant_id, str(uuid.UUID(int=0))})


def rows_of(server, tenant_id):
    """The tenant's rows as text, by table, read behind the server's back."""
    tables = server.query(
        "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1")
    assert len(tables) > 5
    return {
        table: sorted(row for (row,) in server.query(
            # When a credential was last used is written down later, by the server itself.
            f"SELECT (to_jsonb(t) - 'last_use_time')::text FROM {table} t WHERE tenant_id = '{tenant_id}'"))
        for (table,) in tables
    }


def shown(answers):
    """What answers show, but what the caller itself has sent before: audit events have the requests of their calls."""
    return re.sub(r'request_json: ".*"', "", "".join(map(str, answers)))


def cycle(ids):
    while True:
        yield from ids


@pytest.fixture(scope="module")
def two(api, server):
    marker = "secret" + uuid.uuid4().hex[:10]
    victim, stranger = Tenant(api, server, "victim"), Tenant(api, server, "stranger")
    populate(api, victim, marker)
    populate(api, stranger, "stranger" + uuid.uuid4().hex[:10])
    return victim, stranger, marker


def test_every_rpc_of_a_stranger_leaves_the_victim_alone(api, server, two):
    victim, stranger, marker = two
    world = World(api, server.channel())
    # What the victim has done is linked to its audit chain a moment later, and then nothing of it changes any more.
    eventually(lambda: not rows_of(server, victim.tenant.id)["trellis.audit_pending"])
    before = rows_of(server, victim.tenant.id)
    # Both know the platform's key, which made them, by its id.
    ids = sorted(set(ids_of(server, victim.tenant.id)) - set(ids_of(server, stranger.tenant.id)))
    assert len(ids) > 8 and all(before[f"trellis.{table}"] for table in (
        "site", "tenant_user", "api_key", "document", "reference_concept", "session", "refresh_token", "job"))
    channel = server.channel()
    calls, answered = 0, {}
    for method in world.methods:
        is_public = world.policy_of(method).scope == api.options.SCOPE_PUBLIC
        refusals = PUBLIC_REFUSALS if is_public else REFUSALS
        # Every id field takes every id of the victim in turn; without ids a list must come back without its rows.
        for start in range(len(ids)):
            request = world.request(method, cycle(ids[start:] + ids[:start]))
            sent = set(UUID.findall(str(request)))
            calls += 1
            try:
                answers = world.call(channel, method, request, stranger.metadata)
            except grpc.RpcError as error:
                assert error.code() in refusals, f"{method.full_name}: {error.code()} {error.details()}\n{request}"
                assert marker not in error.details(), method.full_name
                answered.setdefault(method.name, set()).add(error.code().name)
                continue
            answered.setdefault(method.name, set()).add("OK")
            text = shown(answers)
            assert marker not in text, f"{method.full_name} shows the victim's text for\n{request}"
            leaked = set(UUID.findall(text)) & set(ids) - sent
            assert not leaked, f"{method.full_name} shows the victim's ids {leaked} for\n{request}"
        empty = message_factory.GetMessageClass(method.input_type)()
        try:
            text = shown(world.call(channel, method, empty, stranger.metadata))
            assert marker not in text and not set(UUID.findall(text)) & set(ids), method.full_name
        except grpc.RpcError as error:
            assert error.code() in refusals, f"{method.full_name}: {error.code()} {error.details()}"
    assert calls == len(world.methods) * len(ids)
    after = rows_of(server, victim.tenant.id)
    assert after == before, "a stranger's call changed the victim's rows"
    # The platform's RPCs take no tenant's key.
    for method in world.methods:
        if world.policy_of(method).scope == api.options.SCOPE_PLATFORM:
            assert answered[method.name] <= {"PERMISSION_DENIED"}, (method.name, answered[method.name])


def test_every_rpc_needs_a_credential(api, server, two):
    world = World(api, server.channel())
    channel = server.channel()
    for method in world.methods:
        if world.policy_of(method).scope == api.options.SCOPE_PUBLIC:
            continue
        request = message_factory.GetMessageClass(method.input_type)()
        for metadata in ((), (("authorization", "Bearer trl_wrong"),), (("authorization", "Basic eDp5"),)):
            with pytest.raises(grpc.RpcError) as failure:
                world.call(channel, method, request, metadata)
            assert failure.value.code() == grpc.StatusCode.UNAUTHENTICATED, method.full_name


def test_a_page_token_is_worth_nothing_to_another_tenant(api, server, two):
    victim, stranger, _ = two
    mine, theirs = victim.stub("tenancy"), stranger.stub("tenancy")
    for index in range(3):
        mine.CreateSite(api.tenancy.CreateSiteRequest(display_name=f"page {index}"))
    token = mine.ListSites(api.tenancy.ListSitesRequest(page_size=1)).next_page_token
    assert token
    with pytest.raises(grpc.RpcError) as failure:
        theirs.ListSites(api.tenancy.ListSitesRequest(page_size=1, page_token=token))
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    (violation,) = error_details(api, failure.value)["BadRequest"].field_violations
    assert violation.field == "page_token"


def test_64_tenants_interleave_with_random_aborts(api, server):
    """64 tenants at once over the server's few pipelined connections; calls are cancelled and time out at random."""
    tenants = [Tenant(api, server, f"t{index}") for index in range(64)]
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    counts = {"OK": 0, "ABORTED": 0}

    async def one(index, tenant):
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = api.tenancy_grpc.TenancyServiceStub(channel)
            metadata = tenant.metadata
            mark = f"only tenant {index} "
            site = await stub.CreateSite(api.tenancy.CreateSiteRequest(display_name=mark + "0"), metadata=metadata)
            for turn in range(1, 61):
                kind = chance.random()
                try:
                    if kind < 0.5:
                        call = stub.GetSite(api.tenancy.GetSiteRequest(id=site.id), metadata=metadata)
                    elif kind < 0.7:
                        call = stub.GetSite(
                            api.tenancy.GetSiteRequest(id=site.id), metadata=metadata, timeout=chance.random() / 200)
                    elif kind < 0.8:
                        call = stub.ListSites(api.tenancy.ListSitesRequest(), metadata=metadata)
                        asyncio.get_running_loop().call_later(chance.random() / 200, call.cancel)
                    elif kind < 0.9:
                        call = stub.GetSite(api.tenancy.GetSiteRequest(id=str(uuid.uuid4())), metadata=metadata)
                    else:
                        call = stub.CreateSite(
                            api.tenancy.CreateSiteRequest(display_name=f"{mark}{turn}"), metadata=metadata,
                            timeout=chance.random() / 50)
                    answer = await call
                    counts["OK"] += 1
                    sites = getattr(answer, "sites", None)
                    for shown in sites if sites is not None else [answer]:
                        own = shown.display_name.startswith(mark) or shown.display_name == "Main"
                        assert own, f"tenant {index} sees {shown.display_name}"
                except asyncio.CancelledError:
                    counts["ABORTED"] += 1
                except grpc.RpcError as error:
                    counts["ABORTED"] += 1
                    assert error.code() in (
                        grpc.StatusCode.NOT_FOUND, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED
                    ), f"{error.code()} {error.details()}"

    async def everyone():
        await asyncio.gather(*(one(index, tenant) for index, tenant in enumerate(tenants)))

    asyncio.run(everyone())
    assert counts["OK"] > 1000 and counts["ABORTED"] > 200, counts
    for index in (0, 31, 63):
        rows = server.query(f"SELECT display_name FROM trellis.site WHERE tenant_id = '{tenants[index].tenant.id}'")
        own = [name for (name,) in rows if name != "Main"]  # which every tenant begins with
        assert own and len(own) == len(rows) - 1 and all(name.startswith(f"only tenant {index} ") for name in own)
