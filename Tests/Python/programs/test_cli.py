"""The trellis command, end to end: the story that README.md tells, and its mistakes."""
import json
import os
import stat
import subprocess

import pytest

from programs_support import BUILT, CLEAN, ROOT


def test_a_site_is_made_listed_changed_and_read(story):
    site = story.json("tenancy", "create-site", "--display-name", "Centro", "--time-zone", "America/Lima")
    assert site["timeZone"] == "America/Lima"
    assert "Centro" in story.text("tenancy", "list-sites")
    story.run("tenancy", "update-site", site["id"], "--description", "downtown", "--etag", site["etag"])
    assert "downtown" in story.text("tenancy", "get-site", site["id"])
    stale = story.error("tenancy", "update-site", site["id"], "--description", "x", "--etag", site["etag"], code=5)
    assert "aborted" in stale and "-> somebody else changed it" in stale


def test_a_call_by_its_own_name_takes_and_gives_json(story, tmp_path):
    made = json.loads(story.text("call", "TenancyService/CreateSite", '{"displayName": "By call"}'))
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"id": made["id"]}))
    assert json.loads(story.text("call", "tenancy/get-site", f"@{request}"))["displayName"] == "By call"
    again = story.text("call", "trellis.tenancy.v1.TenancyService/GetSite", "-", stdin=request.read_text())
    assert json.loads(again)["id"] == made["id"]
    assert "did you mean TenancyService/GetSite?" in story.error("call", "TenancyService/GetSit", "{}", code=2)
    assert "line 1" in story.error("call", "tenancy/get-site", "{", code=2)


def test_all_pages_are_read_when_asked(story):
    for number in range(5):
        story.run("tenancy", "create-user", "--email", f"u{number}@example.org", "--display-name", f"U{number}")
    first = story.run("tenancy", "list-users", "--page-size", "2")
    assert first.stdout.count("@example.org") == 2 and "--all shows everything" in first.stderr
    assert story.text("tenancy", "list-users", "--page-size", "2", "--all").count("@example.org") == 5
    assert len(story.json("tenancy", "list-users", "--page-size", "2", "--all")["users"]) == 5


def test_an_import_can_be_run_again(story):
    assert "is there already" in story.text("--platform", "import", "sdg", str(ROOT / "demo/sdg"))
    release = story.json("--platform", "import", "sdg", str(ROOT / "demo/sdg"))
    assert release["imported"] is False and release["concepts"] == 438


def states(story, version):
    releases = story.json("--platform", "reference", "list-releases", "--framework", "sdg", "--all")["releases"]
    return [release["state"] for release in releases if release["version"] == version]


def test_a_dry_run_keeps_nothing(story):
    sdg = ["--platform", "import", "sdg", str(ROOT / "demo/sdg"), "--release", "trial"]
    assert "nothing was kept" in story.text(*sdg, "--dry-run")
    assert states(story, "trial") == ["RELEASE_STATE_ABANDONED"]
    assert story.json(*sdg)["imported"] is True
    assert states(story, "trial") == ["RELEASE_STATE_ABANDONED", "RELEASE_STATE_ACTIVE"]
    against = story.json("--platform", "import", "sdg", str(ROOT / "demo/sdg"), "--release", "same")
    assert against["imported"] is True


def test_an_import_that_was_killed_goes_on_where_it_was_or_begins_anew(story):
    def killed(version):
        sdg = ["--platform", "import", "sdg", str(ROOT / "demo/sdg"), "--release", version]
        process = subprocess.Popen(
            [BUILT / "trellis", "--home", story.home, *sdg], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=CLEAN)
        while not states(story, version):
            assert process.poll() is None, "the import ended before it could be killed"
        process.kill()
        process.wait()
        assert states(story, version) == ["RELEASE_STATE_STAGING"]
        return sdg

    done = story.json(*killed("resumed"))
    assert done["imported"] is True and done["concepts"] == 438
    assert states(story, "resumed") == ["RELEASE_STATE_ACTIVE"], "the same release went on"
    assert story.json(*killed("restarted"), "--restart")["imported"] is True
    assert states(story, "restarted") == ["RELEASE_STATE_ABANDONED", "RELEASE_STATE_ACTIVE"]


def test_goals_are_listed_and_walked(story):
    goals = story.json("reference", "list-concepts", "--framework", "sdg", "--kind", "sdg-goal", "--all")["concepts"]
    assert [goal["code"] for goal in goals] == [str(number) for number in range(1, 18)]
    walk = ["reference", "traverse", "--start.framework", "sdg", "--start.kind", "sdg-goal", "--start.code", "6"]
    reached = story.json(*walk, "--max-depth", "2", "--all")["visits"]
    assert {"6.1", "6.1.1"} <= {visit["concept"]["code"] for visit in reached}
    assert "sdg sdg-target 6.1 By 2030" in story.text(*walk), "a table says what nested records are"


def test_documents_go_in_once_and_are_found_with_their_snippet(story, tmp_path):
    (tmp_path / "returns.md").write_text("# Returns\n\nA refund is paid to a gift card within five days.\n")
    (tmp_path / "list.jsonl").write_text('{"id": "a", "title": "Parking", "text": "Behind the shop."}\n')
    added = story.json("import", "documents", str(tmp_path), "--into", "Manual")
    assert (added["added"], added["skipped"]) == (2, 0)
    again = story.json("import", "documents", str(tmp_path), "--into", "manual")
    assert (again["added"], again["skipped"]) == (0, 2)
    hits = story.json("search", "gift", "card", "--in", "Manual")["hits"]
    assert hits[0]["title"] == "Returns" and "gift card" in hits[0]["snippet"]
    assert "Returns" in story.text("search", "refund gift card", "--in", "Manual")
    assert "there is no knowledge base 'Nope'" in story.error("search", "x", "--in", "Nope", code=3)


def test_reference_concepts_are_found_by_all_tenants_but_documents_by_their_own_only(story, tmp_path):
    (tmp_path / "secret.txt").write_text("The zanzibar plan.")
    story.run("import", "documents", str(tmp_path), "--into", "Plans")
    assert story.json("search", "zanzibar")["totalSize"] == 1
    assert story.json("--profile", "oslo", "search", "zanzibar")["hits"] == []
    for profile in ("lima", "oslo"):
        hits = story.json("--profile", profile, "search", "clean water sanitation", "--framework", "sdg")["hits"]
        assert any(hit["conceptCode"] == "6" for hit in hits)


def test_a_wrong_request_names_the_flags(story):
    error = story.error("--platform", "tenancy", "create-tenant", "--slug", "No Slug", "--display-name", "x", code=2)
    assert "--slug: is \"No Slug\"" in error and "[INVALID_FIELDS]" in error
    assert "--display-name is required" in story.error("tenancy", "create-site", code=2)
    as_json = json.loads(story.error("--json", "tenancy", "get-site", "00000000-0000-0000-0000-000000000000", code=3))
    assert as_json["error"]["code"] == "NOT_FOUND"


def test_exit_codes_say_what_kind_of_failure_it_was(story):
    assert "or give a key with --token" in story.error("--token", "trl_tenant_x_y", "tenancy", "list-sites", code=4)
    assert "--platform" in story.error("tenancy", "list-tenants", code=4)
    story.error("--platform", "tenancy", "create-tenant", "--slug", "lima", "--display-name", "x", code=5)
    nowhere = story.error("--address", "127.0.0.1:1", "--timeout", "3", "tenancy", "list-sites", code=6)
    assert "is the server running?" in nowhere
    assert "did you mean 'tenancy create-site'?" in story.error("tenancy", "craete-site", code=2)


def test_keys_are_stored_privately_and_chosen_by_name(story):
    mode = stat.S_IMODE(os.stat(story.home / "profiles.json").st_mode)
    assert mode == 0o600
    profiles = story.json("profiles")
    assert profiles["current"] == "lima" and [p["name"] for p in profiles["profiles"]] == ["lima", "oslo"]
    assert "trl_" not in story.text("profiles")
    assert "Oslo (oslo)" in story.text("--profile", "oslo", "status")
    assert "the platform" in story.text("--platform", "status")
    assert "no profile 'rome'" in story.error("--profile", "rome", "status", code=2)
    story.error("login", "bad", stdin="nonsense\n", code=4)
    assert "bad" not in story.text("profiles")


def test_a_secret_is_shown_once(story):
    key = story.json("tenancy", "create-api-key", "--display-name", "once", "--permissions", "tenancy.sites.read",
                     "--expire-time", "+90d")
    assert key["secret"].startswith("trl_tenant_")
    assert key["secret"] not in story.text("--json", "tenancy", "list-api-keys")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_there(story, shell):
    assert "__complete" in story.text("completion", shell)


def test_bash_completes_commands_flags_and_enum_values(story):
    script = f"""
        PATH={BUILT}:$PATH
        source <(trellis completion bash)
        complete_line() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _trellis; echo "${{COMPREPLY[*]}}"; }}
        complete_line trellis ten
        complete_line trellis tenancy create-s
        complete_line trellis tenancy create-site --time
        complete_line trellis reference list-concepts --kind sdg-
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=CLEAN)
    assert done.stdout.splitlines() == ["tenancy", "create-site", "--time-zone --timeout", "sdg-goal sdg-indicator sdg-target"], done


def test_a_reader_that_goes_away_is_no_error(story):
    done = subprocess.run(
        ["bash", "-c", f"{BUILT}/trellis --home {story.home} reference list-concepts --framework sdg --all | head -1"],
        capture_output=True, text=True, env=CLEAN)
    assert done.returncode == 0 and done.stderr == ""


def test_help_comes_from_the_contract(story):
    page = story.text("help", "tenancy", "create-site")
    assert "Makes a site of the caller's tenant." in page and "Needs the permission tenancy.sites.write." in page
    assert story.text("tenancy", "create-site", "--help") == page
    assert story.text("tenancy", "--help") == story.text("help", "tenancy")
    assert "CONCEPT_KIND_SDG_GOAL" in story.text("describe", "ConceptKind")
    assert story.text("version").startswith("trellis 0.")


def test_people_sign_in_with_passwords_and_their_sessions_renew_themselves(story):
    tenant = story.json("--platform", "tenancy", "create-tenant", "--slug", "quito", "--display-name", "Quito")
    key = story.json("--platform", "tenancy", "issue-tenant-key", tenant["id"], "first")["secret"]
    invitation = story.json(
        "--token", key, "tenancy", "invite-user", "ana@example.com", "Ana", "--roles", '{"role": "owner"}')
    password = "four unusual words here"
    try:
        weak = story.error("accept-invitation", invitation["token"], stdin="password1234\n", code=2)
        assert "password" in weak and "tried first" in weak
        assert "signed in to Quito as Ana" in story.text(
            "accept-invitation", invitation["token"], stdin=password + "\n")
        assert "the user ana@example.com" in story.text("status")
        wrong = story.error("sign-in", "ana@example.com", stdin="something else entirely\n", code=4)
        assert "SIGN_IN_REFUSED" in wrong and "trellis sign-in" in wrong
        story.run("sign-in", "ana@example.com", "--tenant", "quito", stdin=password)
        file = story.home / "profiles.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600 and password not in file.read_text()

        def stored():
            return json.loads(file.read_text())["profiles"]["quito"]

        # A token that has run out is exchanged; a program that was interrupted before it kept the answer gets it again.
        content = json.loads(file.read_text())
        content["profiles"]["quito"].update(expire_time=0)
        file.write_text(json.dumps(content))
        before = stored()
        for _ in range(2):
            file.write_text(json.dumps(content))
            assert "the user ana@example.com" in story.text("status")
            assert stored()["refresh_token"] != before["refresh_token"] and stored()["expire_time"] > 0
        sessions = story.json("credential", "list-sessions")["sessions"]
        assert [session["current"] for session in sessions] == [False, True]
        assert "signed out of 'quito'" in story.text("sign-out")
        assert "no session is in use" in story.error("--profile", "lima", "sign-out", code=2)
        assert "SIGN_IN" not in story.error("--token", before["token"], "tenancy", "list-sites", code=4)
    finally:
        story.run("use", "lima")
