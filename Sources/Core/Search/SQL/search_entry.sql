-- What can be found, and its postings: written, deleted and counted together.

-- Adds entries of one collection with the words that stand in each of them: word_entries says which entry, from 1, a
-- word belongs to and word_counts how often it stands there. PostgreSQL's dictionaries make terms of words, each
-- distinct word once; postings go in in the order of the index. A zero UUID stands for none.
-- name: EntryInsert :exec
WITH entry AS MATERIALIZED (
    SELECT *
    FROM unnest(
        @entry_ids::uuid[], @languages::text[], @stem_languages::text[], @titles::text[], @bodies::text[],
        @document_ids::uuid[], @positions::integer[], @range_starts::integer[], @range_ends::integer[],
        @concept_ids::uuid[], @concept_frameworks::text[], @concept_kinds::integer[], @concept_codes::text[]
    ) WITH ORDINALITY AS e (entry_id, language, stem_language, title, body, document_id, position, range_start,
        range_end, concept_id, concept_framework, concept_kind, concept_code, ordinality)
), occurrence AS MATERIALIZED (
    SELECT e.entry_id, e.stem_language, w.word, w.count
    FROM unnest(@word_entries::integer[], @words::text[], @word_counts::integer[]) AS w (entry, word, count)
    JOIN entry e ON e.ordinality = w.entry
), stem AS MATERIALIZED (
    SELECT word.stem_language, word.word, word.stem_language || ':' || lexeme AS term
    FROM (SELECT DISTINCT stem_language, word FROM occurrence) word
    CROSS JOIN unnest(ts_lexize(search_dictionary(word.stem_language), word.word)) AS lexeme
), posting AS MATERIALIZED (
    SELECT o.entry_id, s.term, sum(o.count)::integer AS frequency
    FROM occurrence o
    JOIN stem s ON s.stem_language = o.stem_language AND s.word = o.word
    GROUP BY o.entry_id, s.term
), measure AS MATERIALIZED (
    SELECT entry_id, sum(frequency)::integer AS length, array_agg(term) AS terms
    FROM posting
    GROUP BY entry_id
), new_entry AS (
    INSERT INTO search_entry
        (tenant_id, entry_id, collection_id, kind, language, title, body, document_id, position, range_start, range_end,
        concept_id, concept_framework, concept_kind, concept_code, length, terms)
    SELECT @tenant_id, e.entry_id, @collection_id, @kind::integer, e.language, e.title, e.body,
        nullif(e.document_id, '00000000-0000-0000-0000-000000000000'), e.position, e.range_start, e.range_end,
        nullif(e.concept_id, '00000000-0000-0000-0000-000000000000'), e.concept_framework, e.concept_kind,
        e.concept_code, coalesce(m.length, 0), coalesce(m.terms, '{}')
    FROM entry e
    LEFT JOIN measure m ON m.entry_id = e.entry_id
), new_posting AS (
    INSERT INTO search_posting (tenant_id, term, entry_id, collection_id, frequency, length)
    SELECT @tenant_id, p.term, p.entry_id, @collection_id, p.frequency, m.length
    FROM posting p
    JOIN measure m ON m.entry_id = p.entry_id
    ORDER BY p.term COLLATE "C", p.entry_id
)
INSERT INTO search_statistics AS s (tenant_id, collection_id, language, slot, entry_count, word_count)
SELECT @tenant_id, @collection_id, e.stem_language, @slot::integer, count(*), coalesce(sum(m.length), 0)
FROM entry e
LEFT JOIN measure m ON m.entry_id = e.entry_id
GROUP BY e.stem_language
ORDER BY e.stem_language
ON CONFLICT (tenant_id, collection_id, language, slot) DO UPDATE
SET entry_count = s.entry_count + excluded.entry_count, word_count = s.word_count + excluded.word_count;

-- name: EntryDeleteByDocument :exec
WITH entry AS (
    DELETE FROM search_entry
    WHERE tenant_id = @tenant_id AND document_id = @document_id
    RETURNING entry_id, collection_id, language, length, terms
), posting AS (
    DELETE FROM search_posting p
    USING (SELECT e.entry_id, unnest(e.terms) AS term FROM entry e) gone
    WHERE p.tenant_id = @tenant_id AND p.term = gone.term AND p.entry_id = gone.entry_id
)
INSERT INTO search_statistics AS s (tenant_id, collection_id, language, slot, entry_count, word_count)
SELECT @tenant_id, collection_id, lower(split_part(language, '-', 1)), @slot::integer, -count(*), -sum(length)
FROM entry
GROUP BY collection_id, lower(split_part(language, '-', 1))
ON CONFLICT (tenant_id, collection_id, language, slot) DO UPDATE
SET entry_count = s.entry_count + excluded.entry_count, word_count = s.word_count + excluded.word_count;

-- Deletes all concepts of a release.
-- name: EntryDeleteByRelease :exec
WITH entry AS (
    DELETE FROM search_entry
    WHERE tenant_id = @tenant_id AND collection_id = @release_id AND kind = 2
    RETURNING entry_id, terms
), posting AS (
    DELETE FROM search_posting p
    USING (SELECT e.entry_id, unnest(e.terms) AS term FROM entry e) gone
    WHERE p.tenant_id = @tenant_id AND p.term = gone.term AND p.entry_id = gone.entry_id
)
DELETE FROM search_statistics
WHERE tenant_id = @tenant_id AND collection_id = @release_id;

-- name: ChunkList :many ChunkRow
SELECT entry_id AS id, document_id, position, body AS text, range_start, range_end
FROM search_entry
WHERE tenant_id = @tenant_id AND document_id = @document_id AND position > @after::integer
ORDER BY position
LIMIT @count::integer;
