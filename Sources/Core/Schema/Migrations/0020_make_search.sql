-- schema 0.20.0
--
-- Knowledge bases, their documents, and the inverted index over chunks of documents and reference concepts.
--
-- The index is a table of postings found by equality on (tenant_id, term): under row-level security PostgreSQL would
-- not use a GIN index for `tsvector @@ tsquery`, whose operator is not leakproof
-- (docs/decisions/0004-lexical-search.md).

CREATE TABLE knowledge_base (
    tenant_id uuid NOT NULL REFERENCES tenant,
    knowledge_base_id uuid NOT NULL,
    display_name text NOT NULL,
    display_name_key text NOT NULL,
    description text NOT NULL,
    language text NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, knowledge_base_id)
);
CREATE UNIQUE INDEX knowledge_base_display_name ON knowledge_base (tenant_id, display_name_key);
CALL protect_tenant_table('knowledge_base');

CREATE TABLE document (
    tenant_id uuid NOT NULL,
    document_id uuid NOT NULL,
    knowledge_base_id uuid NOT NULL,
    title text NOT NULL,
    content text NOT NULL,
    source_uri text NOT NULL,
    metadata jsonb NOT NULL,
    language text NOT NULL,
    chunk_count integer NOT NULL,
    content_hash bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, document_id),
    FOREIGN KEY (tenant_id, knowledge_base_id) REFERENCES knowledge_base
);
CREATE INDEX document_knowledge_base ON document (tenant_id, knowledge_base_id, document_id);
CALL protect_tenant_table('document');

-- What can be found: a chunk of a document (kind 1) or a reference concept in one of its languages (kind 2). Its
-- collection is the knowledge base or the release that it belongs to. It never changes. `terms` are the distinct terms
-- that it has postings for, so that they can be found again when it is deleted; `length` is the number of its words,
-- those without meaning left out.
--
-- created_by is the transaction that made it: the later pages of a search see what was visible to the first one.
CREATE TABLE search_entry (
    tenant_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    collection_id uuid NOT NULL,
    kind integer NOT NULL CHECK (kind BETWEEN 1 AND 2),
    language text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    -- Chunks: the document, the place in it, and the range of its content in code points.
    document_id uuid,
    position integer NOT NULL,
    range_start integer NOT NULL,
    range_end integer NOT NULL,
    -- Concepts: what it is.
    concept_id uuid,
    concept_framework text NOT NULL,
    concept_kind integer NOT NULL,
    concept_code text NOT NULL,
    length integer NOT NULL,
    terms text[] NOT NULL,
    created_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant_id, entry_id)
);
CREATE INDEX search_entry_document ON search_entry (tenant_id, document_id, position) WHERE document_id IS NOT NULL;
CREATE INDEX search_entry_collection ON search_entry (tenant_id, collection_id) WHERE kind = 2;
CALL protect_tenant_table('search_entry', shared => true);

-- How often a term stands in an entry. A term is `language:lexeme`. All that a score needs stands in the index, so that
-- a search reads nothing else. There is no foreign key to search_entry: it would cost every insert a look-up and every
-- deletion a scan; an entry and its postings are written and deleted in one transaction, by the same two queries.
CREATE TABLE search_posting (
    tenant_id uuid NOT NULL,
    term text COLLATE "C" NOT NULL,
    entry_id uuid NOT NULL,
    collection_id uuid NOT NULL,
    frequency integer NOT NULL,
    length integer NOT NULL,
    PRIMARY KEY (tenant_id, term, entry_id) INCLUDE (collection_id, frequency, length)
);
CALL protect_tenant_table('search_posting', shared => true);

-- How many entries and words a collection has, a language. It is kept in slots, each a row that a transaction adds to,
-- so that imports side by side seldom wait for each other; a sum over the slots is the number.
CREATE TABLE search_statistics (
    tenant_id uuid NOT NULL,
    collection_id uuid NOT NULL,
    language text COLLATE "C" NOT NULL,
    slot integer NOT NULL,
    entry_count bigint NOT NULL,
    word_count bigint NOT NULL,
    PRIMARY KEY (tenant_id, collection_id, language, slot)
) WITH (fillfactor = 70);
CALL protect_tenant_table('search_statistics', shared => true);

-- The dictionary that brings the words of a language (its primary subtag, such as 'en') to their stems and drops those
-- without meaning. Languages that PostgreSQL knows no stemmer for are compared word by word.
CREATE FUNCTION search_dictionary(language text) RETURNS regdictionary
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE language
    WHEN 'ar' THEN 'pg_catalog.arabic_stem'::regdictionary
    WHEN 'ca' THEN 'pg_catalog.catalan_stem'::regdictionary
    WHEN 'da' THEN 'pg_catalog.danish_stem'::regdictionary
    WHEN 'de' THEN 'pg_catalog.german_stem'::regdictionary
    WHEN 'el' THEN 'pg_catalog.greek_stem'::regdictionary
    WHEN 'en' THEN 'pg_catalog.english_stem'::regdictionary
    WHEN 'es' THEN 'pg_catalog.spanish_stem'::regdictionary
    WHEN 'eu' THEN 'pg_catalog.basque_stem'::regdictionary
    WHEN 'fi' THEN 'pg_catalog.finnish_stem'::regdictionary
    WHEN 'fr' THEN 'pg_catalog.french_stem'::regdictionary
    WHEN 'ga' THEN 'pg_catalog.irish_stem'::regdictionary
    WHEN 'hi' THEN 'pg_catalog.hindi_stem'::regdictionary
    WHEN 'hu' THEN 'pg_catalog.hungarian_stem'::regdictionary
    WHEN 'hy' THEN 'pg_catalog.armenian_stem'::regdictionary
    WHEN 'id' THEN 'pg_catalog.indonesian_stem'::regdictionary
    WHEN 'it' THEN 'pg_catalog.italian_stem'::regdictionary
    WHEN 'lt' THEN 'pg_catalog.lithuanian_stem'::regdictionary
    WHEN 'ne' THEN 'pg_catalog.nepali_stem'::regdictionary
    WHEN 'nl' THEN 'pg_catalog.dutch_stem'::regdictionary
    WHEN 'no' THEN 'pg_catalog.norwegian_stem'::regdictionary
    WHEN 'nb' THEN 'pg_catalog.norwegian_stem'::regdictionary
    WHEN 'pt' THEN 'pg_catalog.portuguese_stem'::regdictionary
    WHEN 'ro' THEN 'pg_catalog.romanian_stem'::regdictionary
    WHEN 'ru' THEN 'pg_catalog.russian_stem'::regdictionary
    WHEN 'sr' THEN 'pg_catalog.serbian_stem'::regdictionary
    WHEN 'sv' THEN 'pg_catalog.swedish_stem'::regdictionary
    WHEN 'ta' THEN 'pg_catalog.tamil_stem'::regdictionary
    WHEN 'tr' THEN 'pg_catalog.turkish_stem'::regdictionary
    WHEN 'yi' THEN 'pg_catalog.yiddish_stem'::regdictionary
    ELSE 'pg_catalog.simple'::regdictionary
END;

-- What one term adds to an entry's score: BM25 (Robertson and Zaragoza 2009, with the idf that is never negative) with
-- k1 = 1.2 and b = 0.75, in millionths. Whole numbers add up to the same sum in any order, so that equal entries have
-- equal scores in each plan and on each page.
CREATE FUNCTION search_score(
    entries bigint, words bigint, term_entries bigint, frequency integer, length integer
) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(
    1e6::double precision
    * ln(1 + (entries - term_entries + 0.5::double precision) / (term_entries + 0.5::double precision))
    * 2.2::double precision * frequency
    / (frequency + 1.2::double precision
        * (0.25::double precision + 0.75::double precision * length * entries / greatest(words, 1)))
)::bigint;

GRANT EXECUTE ON FUNCTION search_dictionary(text), search_score(bigint, bigint, bigint, integer, integer)
    TO trellis_server, trellis_platform;
