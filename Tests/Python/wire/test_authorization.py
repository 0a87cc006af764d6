"""docs/authorization.md against the server: every RPC, by a user of every system role, on the tenant, on the site that the
call is about, and on another site."""
import pathlib
import re

import grpc
import pytest

from conftest import Tenant
from test_isolation import World, cycle

ROOT = pathlib.Path(__file__).resolve().parents[3]
ROLES = ("member", "manager", "admin", "owner")


def table():
    """{full name of an RPC: its cells by column}, as the document has them."""
    rows, service, columns = {}, None, None
    for line in (ROOT / "docs/authorization.md").read_text().splitlines():
        if heading := re.fullmatch(r"## (trellis\.\S+)", line):
            service, columns = heading[1], None
        elif line.startswith("## "):
            service = None
        elif service and line.startswith("| "):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if columns is None:
                columns = cells
            else:
                rows[f"{service}.{cells[0]}"] = dict(zip(columns, cells))
    return rows


class User:
    """A user with one role somewhere, and a key that acts for them."""

    def __init__(self, api, tenant, role, site):
        tenancy = tenant.stub("tenancy")
        where = "site" if site else "tenant"
        user = tenancy.CreateUser(api.tenancy.CreateUserRequest(email=f"{role}.{where}.{site[-4:]}@example.org", display_name=role))
        tenant.stub("access").AssignRole(api.access.AssignRoleRequest(user_id=user.id, role=role, site_id=site))
        key = tenancy.CreateApiKey(api.tenancy.CreateApiKeyRequest(display_name=role, permissions=["*"], user_id=user.id))
        self.metadata = (("authorization", f"Bearer {key.secret}"),)


def is_let_through(world, channel, method, request, metadata):
    """Whether the call got past the policy: how it ends after that is another matter."""
    try:
        world.call(channel, method, request, metadata)
    except grpc.RpcError as error:
        assert error.code() is not grpc.StatusCode.UNAUTHENTICATED, f"{method.full_name}: {error.details()}"
        if error.code() is grpc.StatusCode.PERMISSION_DENIED:
            # Giving away what one does not hold is refused by what the request says, not by the policy.
            return "nobody can give away" in error.details()
    return True


@pytest.fixture(scope="module")
def tenant(api, server):
    return Tenant(api, server, "matrix")


@pytest.mark.parametrize("role", ROLES)
def test_every_rpc_by_role_and_scope(api, server, tenant, role):
    world, channel, rows = World(api, server.channel()), server.channel(), table()
    assert set(rows) == {method.full_name for method in world.methods}, "the document and the server differ in their RPCs"
    tenancy = tenant.stub("tenancy")
    site, other = (
        tenancy.CreateSite(api.tenancy.CreateSiteRequest(display_name=f"{role} {name}")).id for name in ("own", "other"))
    wrong = []
    for scope, held in (("tenant", ""), ("site", site), ("another site", other)):
        user = User(api, tenant, role, held)
        for method in world.methods:
            policy, cell = world.policy_of(method), rows[method.full_name][role]
            if policy.scope == api.options.SCOPE_PUBLIC:
                assert cell == "any"
                continue
            request = world.request(method, cycle(["01890000-0000-7000-8000-000000000001"]))
            if not policy.permission and "user_id" in request.DESCRIPTOR.fields_by_name:
                request.user_id = ""  # about oneself: who asks about others is a question of the request, not of the policy
            if policy.site_field:
                setattr(request, policy.site_field, site)
            if cell == "any":
                # About oneself: questions about others need a permission, which the document's prose says.
                for field in [f for f in method.input_type.fields if f.name == "user_id" and not world.rules_of(f).required]:
                    request.ClearField(field.name)
            expected = cell == "any" or scope in cell.split(", ") or (scope == "another site" and "site" in cell and policy.any_site)
            if is_let_through(world, channel, method, request, user.metadata) != expected:
                wrong.append(f"{method.full_name} by {role} on {scope}: {'refused' if expected else 'let through'}")
    assert not wrong, "\n".join(wrong)


def test_the_platform_calls_what_the_document_says(api, server):
    world, channel, rows = World(api, server.channel()), server.channel(), table()
    metadata = (("authorization", f"Bearer {server.platform_key}"),)
    for method in world.methods:
        request = world.request(method, cycle(["01890000-0000-7000-8000-000000000001"]))
        if rows[method.full_name]["platform"] != "public":
            expected = rows[method.full_name]["platform"] == "yes"
            assert is_let_through(world, channel, method, request, metadata) == expected, method.full_name
