"""The whole path, told by a foreign gRPC client: tenants, keys, sites, users, real reference data, documents, search."""
import csv
import json
import os
import pathlib
import uuid

import grpc
import pytest
from conftest import ROOT, Tenant, error_details
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SHARED = pathlib.Path(os.environ.get("TRELLIS_SHARED", ROOT.parent / "shared")) / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"SKIPPED LOUDLY: {SHARED} is not there")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def import_sdg(api, tenant, version="2024"):
    """Imports the SDG files in the form in which they are, in chunks."""
    ref, stub = api.reference, tenant.stub("reference")
    kinds = [("goals", ref.CONCEPT_KIND_SDG_GOAL), ("targets", ref.CONCEPT_KIND_SDG_TARGET),
             ("indicators", ref.CONCEPT_KIND_SDG_INDICATOR)]
    first = ref.ImportReleaseRequest()
    first.release.framework, first.release.version, first.release.title = "sdg", version, "Sustainable Development Goals"
    first.release.language = "en"
    answer = stub.ImportRelease(first)
    chunk = ref.ImportReleaseRequest(release_id=answer.release.id)
    parents = {}
    for name, kind in kinds:
        for row in lines(SHARED / "sdg" / f"{name}.jsonl"):
            concept = chunk.concepts.add(kind=kind, code=row["code"], name=row["text"])
            for language, text in sorted(row["i18n"].items()):
                concept.labels.add(language=language, name=text)
            if "parent" in row:
                parent_kind = {v: k for k, v in enumerate(kinds)}[(name, kind)] - 1
                concept.parent.kind, concept.parent.code = kinds[parent_kind][1], row["parent"]
            if len(chunk.concepts) == 100:
                stub.ImportRelease(chunk)
                chunk = ref.ImportReleaseRequest(release_id=answer.release.id)
    chunk.complete = True
    return stub.ImportRelease(chunk)


@needs_data
def test_the_whole_story(api, server):
    alpha, beta = Tenant(api, server, "alpha"), Tenant(api, server, "beta")
    tenancy = alpha.stub("tenancy")
    who = tenancy.WhoAmI(api.tenancy.WhoAmIRequest())
    assert who.tenant.id == alpha.tenant.id and "tenancy.sites.write" in who.permissions
    site = tenancy.CreateSite(api.tenancy.CreateSiteRequest(display_name="Lima", time_zone="America/Lima"))
    assert tenancy.GetSite(api.tenancy.GetSiteRequest(id=site.id)) == site
    main, own = tenancy.ListSites(api.tenancy.ListSitesRequest()).sites
    assert main.display_name == "Main" and own.id == site.id

    imported = import_sdg(api, alpha)
    counts = {c.kind: c.count for c in imported.concepts}
    assert counts == {api.reference.CONCEPT_KIND_SDG_GOAL: 17, api.reference.CONCEPT_KIND_SDG_TARGET: 169,
                      api.reference.CONCEPT_KIND_SDG_INDICATOR: 252}
    assert imported.release.state == api.reference.RELEASE_STATE_ACTIVE
    reference = alpha.stub("reference")
    goal = reference.GetConcept(api.reference.GetConceptRequest(
        framework="sdg", kind=api.reference.CONCEPT_KIND_SDG_GOAL, code="1"))
    assert goal.name == "End poverty in all its forms everywhere"
    assert {l.language for l in goal.labels} >= {"es", "fr", "de", "ru", "ar", "zh-Hans"}
    walk = api.reference.TraverseRequest(max_depth=2, page_size=1000)
    walk.start.framework, walk.start.kind, walk.start.code = "sdg", api.reference.CONCEPT_KIND_SDG_GOAL, "1"
    found = {v.concept.code for v in reference.Traverse(walk).visits}
    assert {"1.1", "1.1.1"} <= found and "2.1" not in found

    search = alpha.stub("search")
    base = search.CreateKnowledgeBase(api.search.CreateKnowledgeBaseRequest(display_name="Cranfield"))
    documents = lines(SHARED / "ir-cranfield" / "docs.jsonl")[:300]
    keys = documents[0].keys()
    text_key = "text" if "text" in keys else "content"
    for start in range(0, len(documents), 100):
        request = api.search.BatchCreateDocumentsRequest(knowledge_base_id=base.id)
        for document in documents[start:start + 100]:
            request.documents.add(title=document.get("title") or "untitled", content=document[text_key])
        assert len(search.BatchCreateDocuments(request).documents) == len(request.documents)
    query = api.search.SearchRequest(query="boundary layer heat transfer", page_size=10)
    result = search.Search(query)
    assert len(result.hits) == 10 and result.next_page_token
    for hit in result.hits:
        assert hit.snippet.matches
        for match in hit.snippet.matches:
            # Ranges count code points, as Python's strings do.
            assert hit.snippet.text[match.start:match.end].strip(), hit.snippet
    seen, token, pages = [], "", 0
    while True:
        page = search.Search(api.search.SearchRequest(query=query.query, page_size=25, page_token=token))
        # A concept can be found by its texts in several languages; each is a hit of its own.
        seen += [(h.chunk_id or h.concept_id, h.language) for h in page.hits]
        token, pages = page.next_page_token, pages + 1
        if not token:
            break
    assert pages > 2 and len(seen) == len(set(seen)) == result.total_size
    poverty = search.Search(api.search.SearchRequest(query="poverty", kinds=[api.search.HIT_KIND_CONCEPT]))
    assert any(hit.framework == "sdg" and hit.concept_code == "1" for hit in poverty.hits)

    # The second tenant sees none of it.
    other = beta.stub("search")
    assert not other.Search(query).hits
    assert not other.Search(api.search.SearchRequest(query="poverty")).hits
    with pytest.raises(grpc.RpcError) as failure:
        beta.stub("reference").GetConcept(api.reference.GetConceptRequest(id=goal.id))
    assert failure.value.code() == grpc.StatusCode.NOT_FOUND


@needs_data
def test_the_2016_wording_then_today_s_shows_what_changed(api, server):
    tenant = Tenant(api, server, "versions")
    stub, ref = tenant.stub("reference"), api.reference
    request = ref.ImportReleaseRequest(complete=True)
    request.release.framework, request.release.version, request.release.title = "sdg", "2016", "SDG 2016"
    with open(SHARED / "sdg/goals-2016.csv") as goals, open(SHARED / "sdg/targets-2016.csv") as targets:
        for row in csv.DictReader(goals):
            request.concepts.add(kind=ref.CONCEPT_KIND_SDG_GOAL, code=row["goal"], name=row["description"].strip())
        for row in csv.DictReader(targets):
            concept = request.concepts.add(
                kind=ref.CONCEPT_KIND_SDG_TARGET, code=row["target"], name=row["description"].strip())
            concept.parent.kind, concept.parent.code = ref.CONCEPT_KIND_SDG_GOAL, row["goal"]
    old = stub.ImportRelease(request).release
    new = import_sdg(api, tenant)
    assert new.diff.base_release_id == old.id
    assert new.diff.added == 252 and new.diff.changed > 0 and not new.diff.identical
    stub.ActivateRelease(ref.ActivateReleaseRequest(id=old.id))
    assert stub.GetRelease(ref.GetReleaseRequest(id=new.release.id)).state == ref.RELEASE_STATE_SUPERSEDED
    # What the active release lacks stays resolvable, and says that it is retired.
    indicator = ref.GetConceptRequest(framework="sdg", kind=ref.CONCEPT_KIND_SDG_INDICATOR, code="1.1.1")
    assert stub.GetConcept(indicator).retired
    listed = stub.ListConcepts(ref.ListConceptsRequest(framework="sdg", page_size=1000)).concepts
    assert {c.kind for c in listed} == {ref.CONCEPT_KIND_SDG_GOAL, ref.CONCEPT_KIND_SDG_TARGET}
    assert len(listed) == 17 + 169


def test_an_import_that_fails_shows_nothing_to_readers(api, tenant):
    stub, ref = tenant.stub("reference"), api.reference
    request = ref.ImportReleaseRequest(complete=True)
    request.release.framework, request.release.version, request.release.title = "mine", "1", "Mine"
    request.concepts.add(kind=ref.CONCEPT_KIND_THEME, code="t1", name="A theme")
    edge = request.edges.add(kind=ref.EDGE_KIND_RELATED)
    edge.source.kind, edge.source.code = ref.CONCEPT_KIND_THEME, "t1"
    edge.target.kind, edge.target.code = ref.CONCEPT_KIND_THEME, "nowhere"
    with pytest.raises(grpc.RpcError) as failure:
        stub.ImportRelease(request)
    assert failure.value.code() in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT)
    assert "nowhere" in failure.value.details() + str(error_details(api, failure.value))
    with pytest.raises(grpc.RpcError) as failure:
        stub.ListConcepts(ref.ListConceptsRequest(framework="mine"))
    assert failure.value.code() == grpc.StatusCode.FAILED_PRECONDITION


def test_an_error_says_which_field_is_wrong_and_how(api, tenant):
    with pytest.raises(grpc.RpcError) as failure:
        tenant.stub("tenancy").CreateSite(api.tenancy.CreateSiteRequest(display_name="x" * 101))
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    details = error_details(api, failure.value)
    assert details["ErrorInfo"].domain == "trellis" and details["ErrorInfo"].reason.isupper()
    (violation,) = details["BadRequest"].field_violations
    assert violation.field == "display_name" and "100" in violation.description


def test_a_retry_returns_the_first_answer_and_another_body_is_refused(api, tenant):
    stub = tenant.stub("tenancy")
    request = api.tenancy.CreateSiteRequest(display_name="once", request_id=str(uuid.uuid4()))
    first = stub.CreateSite(request)
    assert stub.CreateSite(request) == first
    assert len(stub.ListSites(api.tenancy.ListSitesRequest()).sites) == 2  # with the one that it began with
    request.display_name = "twice"
    with pytest.raises(grpc.RpcError) as failure:
        stub.CreateSite(request)
    assert failure.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error_details(api, failure.value)["ErrorInfo"].reason == "REQUEST_ID_REUSED"


def test_a_revoked_key_is_refused_at_once(api, tenant):
    stub = tenant.stub("tenancy")
    key = stub.CreateApiKey(api.tenancy.CreateApiKeyRequest(display_name="brief", permissions=["tenancy.sites.read"]))
    metadata = (("authorization", f"Bearer {key.secret}"),)
    plain = api.tenancy_grpc.TenancyServiceStub(tenant.channel)
    plain.ListSites(api.tenancy.ListSitesRequest(), metadata=metadata)
    with pytest.raises(grpc.RpcError) as failure:
        plain.CreateSite(api.tenancy.CreateSiteRequest(display_name="no"), metadata=metadata)
    assert failure.value.code() == grpc.StatusCode.PERMISSION_DENIED
    stub.RevokeApiKey(api.tenancy.RevokeApiKeyRequest(id=key.id))
    # On a connection of its own, so that another loop may answer, too.
    for _ in range(4):
        with tenant.server.channel() as channel, pytest.raises(grpc.RpcError) as failure:
            api.tenancy_grpc.TenancyServiceStub(channel).ListSites(
                api.tenancy.ListSitesRequest(), metadata=metadata)
        assert failure.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert all(not k.secret for k in stub.ListApiKeys(api.tenancy.ListApiKeysRequest(show_revoked=True)).api_keys)


def test_health_and_reflection(api, server):
    channel = server.channel()
    health = health_pb2_grpc.HealthStub(channel)
    assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
    name = "trellis.tenancy.v1.TenancyService"
    assert health.Check(health_pb2.HealthCheckRequest(service=name)).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as failure:
        health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"))
    assert failure.value.code() == grpc.StatusCode.NOT_FOUND
    watch = health.Watch(health_pb2.HealthCheckRequest())
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()
    services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    assert {name, "trellis.reference.v1.ReferenceService", "trellis.search.v1.SearchService",
            "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} <= services
