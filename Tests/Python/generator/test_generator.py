"""What scripts/generate refuses, and says about it. What it makes of right input is the fixture that --check compares."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "scripts"))

from generator import baseline, c_messages, descriptors, names, sql_database, sql_files, sql_swift  # noqa: E402
from generator import swift_messages, swift_services  # noqa: E402
from generator.layout import Layout  # noqa: E402
from generator.output import GenerationError, Output  # noqa: E402

HEAD = 'syntax = "proto3";\npackage trellis.x.v1;\nimport "trellis/options/v1/options.proto";\n'
RULES = "(trellis.options.v1.rules)"
POLICY = 'option (trellis.options.v1.policy) = { permission: "x.read", scope: SCOPE_TENANT, effect: EFFECT_READ };'

DECLARATION = 'option (trellis.options.v1.permissions) = { name: "x.read", description: "Read x." };'


def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, "CXAPI", "XAPI", "C", "M", "S", "K", "Core", (ROOT / "proto",))


def read(tmp_path: Path, text: str, head: str = HEAD):
    where = layout(tmp_path)
    path = where.protos / "trellis/x/v1/x.proto"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head + text)
    return where, descriptors.read(descriptors.compile_protos(where.protos, where.provided), where.protos)


def generate(tmp_path: Path, text: str, head: str = HEAD) -> Output:
    where, api = read(tmp_path, text, head)
    out = Output(tmp_path)
    known = c_messages.generate(api, where, out)
    swift_messages.generate(api, known, where, out)
    swift_services.generate(api, where, out)
    return out


def message(field: str, before: str = "") -> str:
    return f"// A message.\nmessage M {{\n  // A field.\n  {field}\n}}\n{before}"


def service(options: str, comment: str = "// Does it.", request: str = "M") -> str:
    return message("string id = 1;") + (
        f"// A service.\nservice XService {{\n  {DECLARATION}\n  {comment}\n  rpc Do({request}) returns (M) {{ {options} }}\n}}\n")


@pytest.mark.parametrize("text, expected", [
    (service(""), "trellis/x/v1/x.proto: rpc XService.Do has no policy; add option"),
    (service("option (trellis.options.v1.policy) = { permission: \"x\" };"), "has a policy without scope or effect; set both"),
    (service("option (trellis.options.v1.policy) = { scope: SCOPE_TENANT, effect: EFFECT_READ };"), "has a policy without a permission"),
    (service("option (trellis.options.v1.policy) = { permission: \"x\", scope: SCOPE_TENANT, effect: EFFECT_WRITE };"), "has no request_id; add string request_id"),
    (service(POLICY.replace("x.read", "x.write")), "needs the permission \"x.write\", which no service declares"),
    (service(POLICY.replace("scope:", 'personal_permission: "x.see", scope:')), "needs the permission \"x.see\", which no service declares"),
    (service(POLICY.replace("scope:", 'site_field: "site_id", scope:')), "site_field \"site_id\", which is no string field of trellis.x.v1.M"),
    (service(POLICY).replace(DECLARATION, DECLARATION + DECLARATION), "is declared by XService, too; declare it once"),
    (service(POLICY).replace(', description: "Read x."', ""), "has no name or no description; give it both"),
    (service(POLICY, comment=""), "rpc XService.Do has no comment"),
    (service(POLICY, request="stream M"), "streams its requests"),
    (message("string id = 1;").replace("// A field.", ""), "trellis.x.v1.M.id has no comment; say what it holds"),
    (message("string id = 1;").replace("// A message.", ""), "message trellis.x.v1.M has no comment"),
    ("// E.\nenum E {\n  E_UNSPECIFIED = 0;\n}\n", "E_UNSPECIFIED has no comment"),
    ("// E.\nenum E {\n  option allow_alias = true;\n  // A.\n  A = 0;\n  // B.\n  B = 0;\n}\n", "has two names for one number"),
    ("// A.\nmessage String {}\n", "trellis.x.v1.String would hide Swift's String; rename it"),
    ("// A.\nmessage Site {}\n// B.\nmessage Timestamp {}\n", "would both be Timestamp in Swift"),
    (message("M self = 1;"), "trellis.x.v1.M > trellis.x.v1.M is recursive without a list between"),
    (message("map<int32, string> by_number = 1;"), "has keys that are not strings"),
    (message(f"int32 n = 1 [{RULES} = {{ max_length: 3 }}];"), "has a length rule, but is neither string nor bytes"),
    (message(f"string s = 1 [{RULES} = {{ max_items: 3 }}];"), "has a rule for the number of items, but is no list"),
    (message(f"string s = 1 [{RULES} = {{ minimum: 3 }}];"), "has minimum or maximum, but is no single number"),
    (message(f"bytes b = 1 [{RULES} = {{ format: FORMAT_UUID }}];"), "has a format, but is no string"),
    (message(f"string s = 1 [{RULES} = {{ min_length: 4, max_length: 3 }}];"), "has a min_length over its max_length"),
    (message(f"int32 n = 1 [{RULES} = {{ required: true }}];"), "cannot be absent; use minimum: 1"),
    ("message {", "protoc refuses the proto files"),
])
def test_refuses_a_contract_with(tmp_path, text, expected):
    head = HEAD if "Timestamp" not in text else HEAD + 'import "google/protobuf/timestamp.proto";\n'
    with pytest.raises(GenerationError) as error:
        generate(tmp_path, text, head)
    assert expected in str(error.value)


def test_generates_the_same_twice(tmp_path):
    text = service(POLICY)
    first = generate(tmp_path, text)
    assert first.files == generate(tmp_path, text).files
    assert any(path.endswith("XService.swift") for path in first.files)


def test_writes_only_what_differs_and_removes_what_nothing_makes_any_more(tmp_path):
    out = generate(tmp_path, service(POLICY))
    assert len(out.write()) == len(out.files)
    assert out.write() == [] and out.differences() == []
    stale = tmp_path / "M/Old.swift"
    stale.write_text("// old\n")
    path = next(p for p in out.files if p.startswith("M/"))
    (tmp_path / path).write_text("// edited\n")
    assert len(out.differences()) == 2
    assert sorted(out.write()) == sorted(["M/Old.swift", path]) and not stale.exists()


@pytest.mark.parametrize("snake, swift", [
    ("id", "id"), ("tenant_id", "tenantID"), ("api_key_url", "apiKeyURL"), ("metadata_json", "metadataJSON"),
    ("site_ids", "siteIDs"), ("display_name", "displayName"), ("sha256_hex", "sha256Hex"),
])
def test_names(snake, swift):
    assert names.camel(snake) == swift


def test_enum_cases():
    assert names.enum_case("SiteKind", "SITE_KIND_STAGING") == "staging"
    assert names.enum_case("SDGKind", "SDG_KIND_GOAL_TARGET") == "goalTarget"
    assert names.enum_case("Size", "SIZE_3XL") == "size3xl"
    assert names.enum_case("Status", "SERVING") == "serving"


# --- queries ---

MIGRATION = """-- schema 0.1.0
CREATE SCHEMA trellis;
CREATE TABLE trellis.thing (
    id uuid PRIMARY KEY, name text NOT NULL, note text, size integer NOT NULL, price numeric, place point, parts text[] NOT NULL
);
"""
THING = """// A thing.
message Thing {
  // Its id.
  string id = 1;
  // Its name.
  string name = 2;
  // A note.
  optional string note = 3;
  // Its size.
  int32 size = 4;
  // Its parts.
  repeated string parts = 5;
}
"""


@pytest.fixture(scope="module")
def server():
    with sql_database.server(ROOT) as make:
        yield make


def queries(tmp_path, server, *texts: str) -> dict[str, str]:
    where, api = read(tmp_path, THING)
    (tmp_path / "Core/Schema/Migrations").mkdir(parents=True, exist_ok=True)
    (tmp_path / "Core/Schema/Migrations/0001_make_thing.sql").write_text(MIGRATION)
    (tmp_path / "Core/A/SQL").mkdir(parents=True, exist_ok=True)
    for index, text in enumerate(texts):
        (tmp_path / f"Core/A/SQL/file{index}.sql").write_text(text)
    out = Output(tmp_path)
    with server(where) as database:
        sql_swift.generate(api, database, where, out)
    return out.files


@pytest.mark.parametrize("sql, expected", [
    ("-- name: A :one Thing\nSELECT nothing FROM thing;", 'Core/A/SQL/file0.sql:1: A: PostgreSQL refuses it: column "nothing" does not exist, at `nothing FROM thing` in line 1'),
    ("\n-- name: A :many Thing\nSELECT id, price FROM thing;", "file0.sql:2: A: trellis.x.v1.Thing has no field price; name the column as one of: id, name, note, size, parts"),
    ("-- name: A :one Thing\nSELECT id AS size FROM thing;", "the column size is uuid, which does not fit Int32 of trellis.x.v1.Thing.size"),
    ("-- name: A :one\nSELECT place FROM thing;", "the column place is point, which has no Swift form; cast it"),
    ("-- name: A :one\nSELECT 1, 2;", "the column ?column? needs a name of its own; write AS after it"),
    ("-- name: A :exec\nSELECT id FROM thing;", ":exec throws rows away, but it returns some"),
    ("-- name: A :one\nDELETE FROM thing;", ":one wants rows, but it returns none; add RETURNING or make it :exec"),
    ("-- name: A :one Thing\nSELECT id FROM thing WHERE name = $1;", "$1 is what the generator writes; name the parameter"),
    ("-- name: A :exec\nDELETE FROM thing; DELETE FROM thing;", "there is more than one command"),
    ("-- name: A :exec\n", "there is no SQL below the name"),
    ("-- name: a_b :exec\nDELETE FROM thing;", "a query's name is UpperCamelCase"),
    ("-- name: A\nDELETE FROM thing;", "write it as `-- name: SiteInsert :one Site`"),
    ("-- name: A :exec Thing\nDELETE FROM thing;", ":exec returns no rows, so leave Thing out"),
    ("-- name: A :exec\nDELETE FROM thing WHERE name = @name;", "a parameter cannot be @name"),
    ("-- name: A :one\n-- nullable: nowhere\nSELECT id FROM thing;", "a hint names nowhere, but there is no such column"),
    ("-- name: A :exec\nDELETE FROM thing WHERE place ~= @where_it_is;", "@where_it_is is point, which has no Swift form"),
    ("-- name: A :exec\nDELETE FROM thing;\n-- name: A :exec\nDELETE FROM thing;", "file0.sql:3: A: Core/A/SQL/file0.sql:1 has the name already"),
    ("-- name: A :one Pair\nSELECT id, name FROM thing;\n-- name: B :one Pair\nSELECT id FROM thing;", "its columns differ from those of A, which makes Pair too: name (String)"),
])
def test_refuses_a_query_that(tmp_path, server, sql, expected):
    with pytest.raises(GenerationError) as error:
        queries(tmp_path, server, sql)
    assert expected in str(error.value)


def test_says_where_a_migration_fails(tmp_path, server):
    queries(tmp_path, server)
    (tmp_path / "Core/Schema/Migrations/0002_break.sql").write_text("-- schema 0.2.0\nSELECT 1;\nSELECT nothing;\n")
    with pytest.raises(GenerationError, match=r'0002_break.sql:3: the migration fails: column "nothing" does not exist'):
        with server(layout(tmp_path)):
            pass


def test_nullability_comes_from_the_table_the_join_and_the_hints(tmp_path, server):
    text = next(iter(queries(tmp_path, server, """-- name: A :many
SELECT t.id, t.note, o.name AS other, count(*) OVER () AS total, max(t.size) OVER () AS largest
-- nullable: largest
FROM thing t LEFT JOIN trellis.thing o ON o.id = t.id;
""").values()))
    assert "package var id: UUID?" in text  # the same table is on the side that may be missing
    assert "package var other: String?" in text and "package var note: String?" in text
    assert "package var total: Int64\n" in text and "package var largest: Int32?" in text


def test_parameters_are_found_where_they_are_and_nowhere_else(tmp_path):
    path = tmp_path / "q.sql"
    path.write_text("""-- The file.

-- What it is for.
-- name: A :exec
UPDATE thing SET name = @new_name, note = @note? -- not @this
WHERE parts @> @parts::text[] AND name <> 'me@here, it''s @nobody' AND note @@ @new_name AND $$ @no $$ <> "@no"
    /* nor @that */ AND id = ANY(@ids);

-- For the next one.
-- name: B :exec
DELETE FROM thing
""")
    first, second = sql_files.read(tmp_path, path)
    assert [(p.name, p.nullable) for p in first.parameters] == [("new_name", False), ("note", True), ("parts", False), ("ids", False)]
    assert first.comment == " What it is for." and second.comment == " For the next one."
    assert "$3::text[]" in first.sql and "note @@ $1" in first.sql and "'me@here, it''s @nobody'" in first.sql
    assert "--" not in first.sql and "/*" not in first.sql and not first.sql.endswith(";")
    assert second.sql == "DELETE FROM thing"


# --- the baseline of the wire format ---


@pytest.mark.parametrize("old, new, expected", [
    ("string id = 1;", "string id = 2;", "M.id was number 1 and is 2"),
    ("string id = 1;", "int32 id = 1;", "M.id was string and is int32"),
    ("string id = 1;", "repeated string id = 1;", "M.id was singular and is a list"),
    ("string id = 1;", "", "M.id (number 1) is gone; keep it, or write `reserved 1;`"),
    ("string id = 1;", "string ident = 1;", "M.id is called ident now"),
])
def test_the_baseline_holds_a_change_that_breaks_clients(tmp_path, old, new, expected):
    _, before = read(tmp_path, message(old))
    _, after = read(tmp_path, message(new))
    found = baseline.breaks(before, after)
    assert len(found) == 1 and expected in found[0]


def test_the_baseline_lets_additions_and_reserved_removals_through(tmp_path):
    _, before = read(tmp_path, message("string id = 1;"))
    _, after = read(tmp_path, "// A message.\nmessage M {\n  reserved 1;\n  // New.\n  string other = 2;\n}\n")
    assert baseline.breaks(before, after) == []


def test_the_baseline_holds_services_and_enums(tmp_path):
    enum = "// E.\nenum E {\n  // A.\n  E_A = 0;\n  // B.\n  E_B = 1;\n}\n"
    _, before = read(tmp_path, service(POLICY) + enum)
    _, after = read(tmp_path, message("string id = 1;") + enum.replace("E_B = 1", "E_C = 2"))
    found = "\n".join(baseline.breaks(before, after))
    assert "service trellis.x.v1.XService is gone" in found and "E_B (number 1) is gone" in found
