-- The ranking. Both queries add up the same scores; they differ in where the statistics come from.
--
-- What the planner believes about a table depends on when it was last analyzed; after a first import it is wrong, and
-- it would read all postings of a tenant instead of those of a few terms (160 ms instead of 8 ms on 1,400 documents).
-- So two things are not left to it: OFFSET 0 makes the look-up of a term's postings one of its own, by tenant and term,
-- and IS TRUE keeps the question whether a collection is searched a look-up in a hash table.

-- The first page: finds the terms, counts what BM25 needs within the collections searched, and ranks. The statistics
-- stand in the first row only (elsewhere the arrays are empty); a caller that wants the next page sends them back.
-- snapshot is the point in time that all of this is true of.
-- name: SearchFirst :many RankedEntry
WITH collection AS MATERIALIZED (
    SELECT tenant_id, knowledge_base_id AS collection_id
    FROM knowledge_base
    WHERE tenant_id = @tenant_id AND @chunks::boolean
        AND (cardinality(@knowledge_base_ids::uuid[]) = 0 OR knowledge_base_id = ANY (@knowledge_base_ids))
    UNION ALL
    SELECT * FROM unnest(@release_tenant_ids::uuid[], @release_ids::uuid[])
), size AS MATERIALIZED (
    SELECT s.language, sum(s.entry_count)::bigint AS entries, sum(s.word_count)::bigint AS words
    FROM collection c
    JOIN search_statistics s ON s.tenant_id = c.tenant_id AND s.collection_id = c.collection_id
    GROUP BY s.language
), corpus AS MATERIALIZED (
    SELECT coalesce(sum(entries), 0)::bigint AS entries, coalesce(sum(words), 0)::bigint AS words FROM size
), term AS MATERIALIZED (
    SELECT DISTINCT s.language || ':' || lexeme AS term
    FROM size s
    CROSS JOIN unnest(@words::text[]) AS word
    CROSS JOIN unnest(ts_lexize(search_dictionary(s.language), word)) AS lexeme
), owner AS MATERIALIZED (
    SELECT DISTINCT tenant_id FROM collection
), known AS MATERIALIZED (
    SELECT t.term, counted.entries
    FROM term t
    CROSS JOIN LATERAL (
        SELECT count(*) AS entries
        FROM owner o
        CROSS JOIN LATERAL (
            SELECT * FROM search_posting WHERE tenant_id = o.tenant_id AND term = t.term OFFSET 0
        ) p
        WHERE ((p.tenant_id, p.collection_id) IN (SELECT tenant_id, collection_id FROM collection)) IS TRUE
    ) counted
    WHERE counted.entries > 0
), scored AS MATERIALIZED (
    SELECT p.tenant_id, p.entry_id,
        sum(search_score(c.entries, c.words, k.entries, p.frequency, p.length))::bigint AS score
    FROM corpus c
    CROSS JOIN owner o
    CROSS JOIN known k
    CROSS JOIN LATERAL (
        SELECT * FROM search_posting WHERE tenant_id = o.tenant_id AND term = k.term OFFSET 0
    ) p
    WHERE ((p.tenant_id, p.collection_id) IN (SELECT tenant_id, collection_id FROM collection)) IS TRUE
    GROUP BY p.tenant_id, p.entry_id
), best AS MATERIALIZED (
    SELECT tenant_id, entry_id, score, row_number() OVER (ORDER BY score DESC, entry_id) AS place
    FROM scored
    ORDER BY score DESC, entry_id
    LIMIT @count::integer
)
SELECT b.score, e.entry_id, e.collection_id, e.kind, e.language, e.title, e.body,
    coalesce(e.document_id, '00000000-0000-0000-0000-000000000000') AS document_id, e.position, e.range_start,
    e.range_end, coalesce(e.concept_id, '00000000-0000-0000-0000-000000000000') AS concept_id, e.concept_framework,
    e.concept_kind, e.concept_code,
    CASE WHEN b.place = 1 THEN (SELECT array_agg(term ORDER BY term) FROM known) ELSE '{}' END AS terms,
    CASE WHEN b.place = 1 THEN (SELECT array_agg(entries ORDER BY term) FROM known) ELSE '{}' END AS term_entries,
    c.entries AS corpus_entries, c.words AS corpus_words, (SELECT count(*) FROM scored) AS total,
    pg_current_snapshot()::text AS snapshot
FROM best b
JOIN search_entry e ON e.tenant_id = b.tenant_id AND e.entry_id = b.entry_id
CROSS JOIN corpus c
ORDER BY b.score DESC, e.entry_id;

-- A later page: the terms and statistics of the first one, what was visible then, and only what comes after the last
-- hit. An entry whose transaction lies in the future of this cluster was restored from another one: it is older than
-- any search.
-- name: SearchNext :many RankedEntry
WITH collection AS MATERIALIZED (
    SELECT tenant_id, knowledge_base_id AS collection_id
    FROM knowledge_base
    WHERE tenant_id = @tenant_id AND @chunks::boolean
        AND (cardinality(@knowledge_base_ids::uuid[]) = 0 OR knowledge_base_id = ANY (@knowledge_base_ids))
    UNION ALL
    SELECT * FROM unnest(@release_tenant_ids::uuid[], @release_ids::uuid[])
), known AS MATERIALIZED (
    SELECT k.term COLLATE "C" AS term, k.entries
    FROM unnest(@terms::text[], @term_entries::bigint[]) AS k (term, entries)
), owner AS MATERIALIZED (
    SELECT DISTINCT tenant_id FROM collection
), scored AS MATERIALIZED (
    SELECT p.tenant_id, p.entry_id,
        sum(search_score(@corpus_entries, @corpus_words, k.entries, p.frequency, p.length))::bigint AS score
    FROM owner o
    CROSS JOIN known k
    CROSS JOIN LATERAL (
        SELECT * FROM search_posting WHERE tenant_id = o.tenant_id AND term = k.term OFFSET 0
    ) p
    WHERE ((p.tenant_id, p.collection_id) IN (SELECT tenant_id, collection_id FROM collection)) IS TRUE
    GROUP BY p.tenant_id, p.entry_id
)
SELECT s.score, e.entry_id, e.collection_id, e.kind, e.language, e.title, e.body,
    coalesce(e.document_id, '00000000-0000-0000-0000-000000000000') AS document_id, e.position, e.range_start,
    e.range_end, coalesce(e.concept_id, '00000000-0000-0000-0000-000000000000') AS concept_id, e.concept_framework,
    e.concept_kind, e.concept_code, '{}'::text[] AS terms, '{}'::bigint[] AS term_entries,
    @corpus_entries::bigint AS corpus_entries, @corpus_words::bigint AS corpus_words, 0::bigint AS total,
    @snapshot::text AS snapshot
FROM (
    SELECT *
    FROM scored
    WHERE score < @after_score::bigint OR (score = @after_score AND entry_id > @after_entry_id::uuid)
    ORDER BY score DESC, entry_id
) s
CROSS JOIN LATERAL (
    -- Looked up in the order of the ranking, until the page is full.
    SELECT *
    FROM search_entry
    WHERE tenant_id = s.tenant_id AND entry_id = s.entry_id
        AND (pg_visible_in_snapshot(created_by, (@snapshot::text)::pg_snapshot)
            OR created_by >= pg_snapshot_xmax(pg_current_snapshot()))
    OFFSET 0
) e
ORDER BY s.score DESC, s.entry_id
LIMIT @count::integer;

-- Which words, each in its language, stand for one of the terms.
-- name: WordMatch :many MatchedWord
SELECT w.language, w.word, w.language || ':' || lexeme AS term
FROM unnest(@languages::text[], @words::text[]) AS w (language, word)
CROSS JOIN unnest(ts_lexize(search_dictionary(w.language), w.word)) AS lexeme
WHERE w.language || ':' || lexeme = ANY (@terms::text[]);
