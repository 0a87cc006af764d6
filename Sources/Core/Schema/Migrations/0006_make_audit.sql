-- schema 0.6.0
--
-- What is remembered of everything: audit events, and the chain by which a change of any of them is found.
--
-- An event is written in the transaction of what it tells of, with a code (`mac`) over all its columns that is made with a
-- key outside the database. It is put into audit_pending by the same statement; a moment later a server links it to the
-- tenant's chain. So writers of one tenant do not wait for each other. docs/audit.md, decision 0011.

-- A month's partitions are tables of a schema of their own: nobody reaches them but through their parents, whose policies
-- hold for what is read and written there.
CREATE SCHEMA IF NOT EXISTS trellis_audit;

-- How long events are kept, by category: those of trellis.options.v1.AuditCategory. Servers know the same by themselves.
CREATE FUNCTION trellis.audit_retention(category smallint) RETURNS interval
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog
    RETURN CASE category
        WHEN 1 THEN interval '730 days'   -- data changes
        WHEN 2 THEN interval '365 days'   -- access
        WHEN 3 THEN interval '730 days'   -- authentication
        WHEN 4 THEN interval '1095 days'  -- administration
        ELSE interval '1825 days'         -- schema
    END;

-- The first id of version 7 that is made at a time: ids order events by their time, and a month is a range of ids.
CREATE FUNCTION trellis.audit_first_id(moment timestamptz) RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog
    RETURN (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

-- A row for each call that took effect, each read of personal data, and each kind of refusal in a minute. It outlives what
-- it tells of, so nothing refers to it and it refers to nothing. tenant_id is the tenant that the call was about, the zero
-- UUID if it was about none. targets and request are JSON, in text because the bytes are what mac proves; what is personal
-- in them is sealed with a key of whom it is about. create_time is the server's clock, and the time in the id.
CREATE TABLE trellis.audit_event (
    tenant_id uuid NOT NULL,
    audit_event_id uuid NOT NULL,
    create_time timestamptz NOT NULL,
    category smallint NOT NULL CHECK (category BETWEEN 1 AND 5),
    actor_kind text NOT NULL,
    principal_id uuid NOT NULL,
    user_id uuid,
    method text NOT NULL,
    call_id text NOT NULL,
    address text NOT NULL,
    -- OK, or the name of the gRPC status of a refusal; reason is the refusal's
    outcome text NOT NULL,
    reason text NOT NULL,
    -- how many calls it stands for: more than one for refusals only
    calls integer NOT NULL,
    targets text NOT NULL,
    request text NOT NULL,
    mac bytea NOT NULL CHECK (octet_length(mac) = 32),
    PRIMARY KEY (tenant_id, audit_event_id)
) PARTITION BY RANGE (audit_event_id);
CREATE INDEX audit_event_category ON trellis.audit_event (tenant_id, category, audit_event_id);
CREATE INDEX audit_event_principal ON trellis.audit_event (tenant_id, principal_id, audit_event_id);
CREATE INDEX audit_event_user ON trellis.audit_event (tenant_id, user_id, audit_event_id) WHERE user_id IS NOT NULL;
-- For months that have no partition, so that no write ever fails.
CREATE TABLE trellis_audit.event_default PARTITION OF trellis.audit_event DEFAULT;
CALL trellis.protect_tenant_table('trellis.audit_event', platform => true, privileges => 'SELECT, INSERT');

-- By what events are found that are about something. Nothing is proven by it: what an event is about is in the event.
CREATE TABLE trellis.audit_target (
    tenant_id uuid NOT NULL,
    target_id text NOT NULL,
    target_type text NOT NULL,
    audit_event_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, target_id, target_type, audit_event_id)
) PARTITION BY RANGE (audit_event_id);
CREATE TABLE trellis_audit.target_default PARTITION OF trellis.audit_target DEFAULT;
CALL trellis.protect_tenant_table('trellis.audit_target', platform => true, privileges => 'SELECT, INSERT');

-- What an event is in the archive: its row, but for the tenant.
CREATE TYPE trellis.archived_event AS (
    audit_event_id uuid,
    create_time timestamptz,
    category smallint,
    actor_kind text,
    principal_id uuid,
    user_id uuid,
    method text,
    call_id text,
    address text,
    outcome text,
    reason text,
    calls integer,
    targets text,
    request text,
    mac bytea
);

-- The events of months that ended more than a year ago, up to a thousand of a tenant in a row, which PostgreSQL compresses
-- as one value. The ids of a row's events lie between first_id and last_id. What they are about stays in audit_target.
CREATE TABLE trellis.audit_archive (
    tenant_id uuid NOT NULL,
    first_id uuid NOT NULL,
    last_id uuid NOT NULL,
    events trellis.archived_event[] NOT NULL,
    PRIMARY KEY (tenant_id, first_id)
) PARTITION BY RANGE (first_id);
CREATE INDEX audit_archive_last ON trellis.audit_archive (tenant_id, last_id);
CALL trellis.protect_tenant_table('trellis.audit_archive', platform => true, privileges => 'SELECT');

-- Events that are not linked yet; a row is deleted by the transaction that links its event.
CREATE TABLE trellis.audit_pending (
    tenant_id uuid NOT NULL,
    audit_event_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, audit_event_id)
);
CALL trellis.protect_tenant_table('trellis.audit_pending', platform => true, privileges => 'SELECT, INSERT, DELETE');

-- A tenant's chain: hash is a code over the link before and all columns of this one. A link stays when its event is forgotten,
-- so that the chain can be verified from its beginning.
CREATE TABLE trellis.audit_link (
    tenant_id uuid NOT NULL,
    sequence bigint NOT NULL,
    audit_event_id uuid NOT NULL,
    create_time timestamptz NOT NULL,
    category smallint NOT NULL,
    event_mac bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
);
CREATE UNIQUE INDEX audit_link_event ON trellis.audit_link (tenant_id, audit_event_id);
CALL trellis.protect_tenant_table('trellis.audit_link', platform => true, privileges => 'SELECT, INSERT');

-- Where a tenant's chain ends. mac is a code over the rest of the row: who cuts links off cannot make the head that fits.
CREATE TABLE trellis.audit_head (
    tenant_id uuid PRIMARY KEY,
    sequence bigint NOT NULL,
    hash bytea NOT NULL,
    mac bytea NOT NULL
) WITH (fillfactor = 50);
CALL trellis.protect_tenant_table('trellis.audit_head', platform => true, privileges => 'SELECT, INSERT, UPDATE');

-- Nobody changes an event or a link, and nobody deletes an event before its time: not even who owns the tables.
CREATE FUNCTION trellis.refuse_audit_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $refuse$
BEGIN
    IF TG_OP = 'DELETE' AND TG_ARGV[0] = 'event'
        AND OLD.create_time < now() - trellis.audit_retention(OLD.category) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit trail is added to, not changed: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$refuse$;
CREATE TRIGGER audit_event_stays BEFORE UPDATE OR DELETE ON trellis.audit_event
    FOR EACH ROW EXECUTE FUNCTION trellis.refuse_audit_change('event');
CREATE TRIGGER audit_link_stays BEFORE UPDATE OR DELETE ON trellis.audit_link
    FOR EACH ROW EXECUTE FUNCTION trellis.refuse_audit_change('link');

-- Nobody changes what is archived, but for events whose time is over, which may go.
CREATE FUNCTION trellis.refuse_archive_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $refuse$
DECLARE
    kept CONSTANT trellis.archived_event[] := CASE TG_OP WHEN 'UPDATE' THEN NEW.events ELSE '{}' END;
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.tenant_id, NEW.first_id, NEW.last_id) <> (OLD.tenant_id, OLD.first_id, OLD.last_id)
        OR EXISTS (SELECT * FROM unnest(kept) EXCEPT SELECT * FROM unnest(OLD.events))
        OR EXISTS (
            SELECT FROM (SELECT * FROM unnest(OLD.events) EXCEPT SELECT * FROM unnest(kept)) AS gone
            WHERE gone.create_time >= now() - trellis.audit_retention(gone.category)
        ) THEN
        RAISE EXCEPTION 'the audit trail is added to, not changed: % of % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN CASE TG_OP WHEN 'UPDATE' THEN NEW ELSE OLD END;
END
$refuse$;
CREATE TRIGGER audit_archive_stays BEFORE UPDATE OR DELETE ON trellis.audit_archive
    FOR EACH ROW EXECUTE FUNCTION trellis.refuse_archive_change();

-- Makes the partitions of a month unless they are there. When the default partitions hold rows of the month already, they
-- keep it.
CREATE PROCEDURE trellis.audit_add_month(month date)
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $month$
DECLARE
    suffix CONSTANT text := to_char(month, 'YYYY_MM');
    first_day CONSTANT timestamp := date_trunc('month', month::timestamp);
    lower CONSTANT uuid := trellis.audit_first_id(first_day AT TIME ZONE 'UTC');
    upper CONSTANT uuid := trellis.audit_first_id((first_day + interval '1 month') AT TIME ZONE 'UTC');
    base text;
BEGIN
    IF to_regclass('trellis_audit.target_' || suffix) IS NOT NULL THEN RETURN; END IF;
    FOREACH base IN ARRAY ARRAY['event', 'target'] LOOP
        -- Made beside its parent and then attached, which does not stop who writes.
        EXECUTE format(
            'CREATE TABLE trellis_audit.%I (LIKE trellis.%I INCLUDING CONSTRAINTS INCLUDING INDEXES)',
            base || '_' || suffix, 'audit_' || base);
        EXECUTE format(
            'ALTER TABLE trellis.%I ATTACH PARTITION trellis_audit.%I FOR VALUES FROM (%L) TO (%L)',
            'audit_' || base, base || '_' || suffix, lower, upper);
    END LOOP;
EXCEPTION WHEN check_violation THEN
    RAISE WARNING 'the default partition of the audit trail keeps month %: it has rows of it already', suffix;
END
$month$;
REVOKE ALL ON PROCEDURE trellis.audit_add_month(date) FROM PUBLIC;

-- Which categories of which months have been forgotten.
CREATE TABLE trellis.audit_forgotten (
    month text NOT NULL,
    category smallint NOT NULL,
    PRIMARY KEY (month, category)
);
CALL trellis.protect_platform_table('trellis.audit_forgotten', 'SELECT');

-- Makes partitions for this month and the next three. Called by every server when it starts, and every hour.
CREATE FUNCTION trellis.audit_prepare() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog
AS $prepare$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('trellis.audit_event', 0));
    FOR ahead IN 0..3 LOOP
        CALL trellis.audit_add_month((date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead))::date);
    END LOOP;
    RETURN (SELECT count(*) FROM pg_inherits WHERE inhparent = 'trellis.audit_event'::regclass);
END
$prepare$;
REVOKE ALL ON FUNCTION trellis.audit_prepare() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trellis.audit_prepare() TO trellis_platform;

-- Forgets the events whose time is over, of all tenants: a category when all of a month is over, a month when all its
-- categories are. Returns how many events. Their links stay.
CREATE FUNCTION trellis.audit_forget() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog
    -- Whoever writes events waits behind who waits to drop a month.
    SET lock_timeout = '2s'
AS $forget$
DECLARE
    suffix text;
    month_end timestamptz;
    is_archived boolean;
    kept integer;
    gone bigint;
    forgotten bigint := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('trellis.audit_event', 0));
    FOR suffix IN
        SELECT substr(relname, 8) FROM pg_class
        WHERE relnamespace = 'trellis_audit'::regnamespace AND relkind = 'r' AND relname ~ '^target_\d{4}_\d{2}$'
        ORDER BY relname
    LOOP
        month_end := (to_date(suffix, 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC';
        is_archived := to_regclass('trellis_audit.archive_' || suffix) IS NOT NULL;
        kept := 0;
        FOR kind IN 1..5 LOOP
            IF month_end > now() - trellis.audit_retention(kind::smallint) THEN
                kept := kept + 1;
                CONTINUE;
            END IF;
            INSERT INTO trellis.audit_forgotten (month, category) VALUES (suffix, kind) ON CONFLICT DO NOTHING;
            CONTINUE WHEN NOT FOUND;
            IF is_archived THEN
                EXECUTE format(
                    'SELECT count(*) FROM trellis_audit.%I CROSS JOIN unnest(events) AS event WHERE event.category = $1',
                    'archive_' || suffix) INTO gone USING kind;
                EXECUTE format(
                    'UPDATE trellis_audit.%I SET events = ARRAY(SELECT event FROM unnest(events) AS event'
                        ' WHERE event.category <> $1 ORDER BY event.audit_event_id)'
                        ' WHERE EXISTS (SELECT FROM unnest(events) AS event WHERE event.category = $1)',
                    'archive_' || suffix) USING kind;
                EXECUTE format('DELETE FROM trellis_audit.%I WHERE cardinality(events) = 0', 'archive_' || suffix);
                EXECUTE format(
                    'DELETE FROM trellis_audit.%I WHERE (tenant_id, audit_event_id) NOT IN ('
                        'SELECT tenant_id, event.audit_event_id FROM trellis_audit.%I CROSS JOIN unnest(events) AS event)',
                    'target_' || suffix, 'archive_' || suffix);
            ELSE
                EXECUTE format('DELETE FROM trellis_audit.%I WHERE category = $1', 'event_' || suffix) USING kind;
                GET DIAGNOSTICS gone = ROW_COUNT;
                EXECUTE format(
                    'DELETE FROM trellis_audit.%I AS target WHERE NOT EXISTS (SELECT FROM trellis_audit.%I AS event'
                        ' WHERE event.tenant_id = target.tenant_id AND event.audit_event_id = target.audit_event_id)',
                    'target_' || suffix, 'event_' || suffix);
            END IF;
            forgotten := forgotten + gone;
        END LOOP;
        IF kept = 0 THEN
            EXECUTE format(
                'DROP TABLE trellis_audit.%I, trellis_audit.%I',
                CASE WHEN is_archived THEN 'archive_' ELSE 'event_' END || suffix, 'target_' || suffix);
            DELETE FROM trellis.audit_forgotten WHERE month = suffix;
        END IF;
    END LOOP;
    DELETE FROM trellis_audit.event_default WHERE create_time < now() - trellis.audit_retention(category);
    GET DIAGNOSTICS gone = ROW_COUNT;
    IF gone > 0 THEN
        DELETE FROM trellis_audit.target_default AS target WHERE NOT EXISTS (
            SELECT FROM trellis_audit.event_default AS event
            WHERE event.tenant_id = target.tenant_id AND event.audit_event_id = target.audit_event_id);
    END IF;
    RETURN forgotten + gone;
END
$forget$;
REVOKE ALL ON FUNCTION trellis.audit_forget() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trellis.audit_forget() TO trellis_platform;

-- Archives the oldest month that ended more than a year ago, of all tenants, and returns how many events; NULL when there is
-- none. Their links stay.
CREATE FUNCTION trellis.audit_archive_month() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog
    -- Whoever writes events waits behind who waits to drop a month.
    SET lock_timeout = '2s'
AS $archive$
DECLARE
    suffix text;
    first_day timestamp;
    archived bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('trellis.audit_event', 0));
    SELECT min(substr(relname, 7)) INTO suffix FROM pg_class
    WHERE relnamespace = 'trellis_audit'::regnamespace AND relkind = 'r' AND relname ~ '^event_\d{4}_\d{2}$';
    first_day := to_date(suffix, 'YYYY_MM');
    IF suffix IS NULL OR (first_day + interval '1 month') AT TIME ZONE 'UTC' > now() - interval '365 days' THEN
        RETURN NULL;
    END IF;
    EXECUTE format(
        'CREATE TABLE trellis_audit.%I (LIKE trellis.audit_archive INCLUDING CONSTRAINTS INCLUDING INDEXES)',
        'archive_' || suffix);
    EXECUTE format(
        'INSERT INTO trellis_audit.%I (tenant_id, first_id, last_id, events)'
            ' SELECT tenant_id, (array_agg(audit_event_id ORDER BY audit_event_id))[1],'
            ' (array_agg(audit_event_id ORDER BY audit_event_id DESC))[1], array_agg(ROW('
            'audit_event_id, create_time, category, actor_kind, principal_id, user_id, method, call_id, address, outcome,'
            ' reason, calls, targets, request, mac)::trellis.archived_event ORDER BY audit_event_id)'
            ' FROM (SELECT *, (row_number() OVER (PARTITION BY tenant_id ORDER BY audit_event_id) - 1) / 1000 AS part'
            ' FROM trellis_audit.%I) AS event GROUP BY tenant_id, part',
        'archive_' || suffix, 'event_' || suffix);
    EXECUTE format('SELECT count(*) FROM trellis_audit.%I', 'event_' || suffix) INTO archived;
    EXECUTE format(
        'ALTER TABLE trellis.audit_archive ATTACH PARTITION trellis_audit.%I FOR VALUES FROM (%L) TO (%L)',
        'archive_' || suffix, trellis.audit_first_id(first_day AT TIME ZONE 'UTC'),
        trellis.audit_first_id((first_day + interval '1 month') AT TIME ZONE 'UTC'));
    EXECUTE format('DROP TABLE trellis_audit.%I', 'event_' || suffix);
    RETURN archived;
END
$archive$;
REVOKE ALL ON FUNCTION trellis.audit_archive_month() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trellis.audit_archive_month() TO trellis_platform;

SELECT trellis.audit_prepare();
