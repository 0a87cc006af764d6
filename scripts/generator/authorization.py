"""Who may call what, as a table for people to review: docs/authorization.md. Tests/Python/wire/test_authorization.py holds
the server to it."""

from .descriptors import API, Method
from .layout import Layout
from .output import Output

FILE = "docs/authorization.md"
ROLES = ("member", "manager", "admin", "owner")
HEAD = """# Who may call what

Written by `scripts/generate` from the policies in `proto/`; review a change of it like code. Every cell is tried against a running
server by `Tests/Python/wire/test_authorization.py`: each RPC, by a user of each role, on the tenant, on the site, on another site.

- **tenant**: a user who has the role on the tenant may call it; **site**: one who has it on the site that the call is
  about may, too (or, of lists, on any site, and is shown what belongs to it); **any**: it needs no permission.
- A role of the tenant's own holds what it lists. An API key holds what it lists; one that acts for a user holds no more than the user.
- **platform**: whether the platform's own credential may call it. **public**: no credential is needed.
- **address**: the call is subject to the tenant's list of allowed addresses. **audit**: the category of the event that it leaves.
"""


def generate(api: API, layout: Layout, out: Output) -> None:
    services = [s for file in api.own_files() if file.is_ours for s in file.services]
    least = {p.name: p.least_role for s in services for p in s.permissions}
    text = HEAD
    for service in services:
        text += f"\n## {service.full_name}\n\n"
        text += f"| RPC | permission | {' | '.join(ROLES)} | platform | address | audit |\n|---|---|{'---|' * (len(ROLES) + 3)}\n"
        text += "".join(_row(m, least) for m in service.methods)
    text += "\n## Permissions\n\n| permission | what it allows | least system role |\n|---|---|---|\n"
    for permission in sorted((p for s in services for p in s.permissions), key=lambda p: p.name):
        role = ROLES[permission.least_role - 1] if permission.least_role else "the platform only"
        text += f"| {permission.name} | {permission.description} | {role} |\n"
    out.add(FILE, text)


def _row(m: Method, least: dict[str, int]) -> str:
    policy = m.policy
    scope = _value(policy, "scope").removeprefix("SCOPE_")
    cells = []
    for number in range(1, len(ROLES) + 1):
        if scope in ("PUBLIC", "AUTHENTICATED"):
            cells.append("any")
        elif scope == "PLATFORM" or not least[policy.permission] or number < least[policy.permission]:
            cells.append("")
        else:
            cells.append("tenant, site" if policy.site_field or policy.any_site else "tenant")
    platform = "public" if scope == "PUBLIC" else "yes" if scope != "TENANT" else ""
    category = _value(policy, "category").removeprefix("AUDIT_CATEGORY_")
    if category == "UNSPECIFIED":
        category = "ACCESS" if policy.classified else "DATA_CHANGE" if policy.audited else ""
    return (f"| {m.name} | {policy.permission} | {' | '.join(cells)} | {platform} | {'yes' if policy.administrative else ''}"
            f" | {category.lower()} |\n")


def _value(policy, field: str) -> str:
    return policy.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[getattr(policy, field)].name
