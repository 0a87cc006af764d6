-- schema 0.5.0
--
-- Background work: jobs, the queue that servers take them from, and the schedules that start them.

-- A piece of work that a server does later. It is written by the transaction that wants it done, so it exists exactly when
-- that transaction took effect. tenant_id is the zero UUID for the platform's own.
--
-- state: 1 queued, 2 running, 3 succeeded, 4 failed, 5 cancelled. attempts counts how often a server has begun with it, and
-- is what a server must show to change it: whoever lost the job to another one shows an old number. failures are
-- those that its retries are counted by. error is a google.rpc.Status, response a google.protobuf.Any; both are
-- shown to the tenant when it is an operation. Rows are kept for 30 days after the end: payload, response and progress
-- hold ids, not personal data.
CREATE TABLE trellis.job (
    tenant_id uuid NOT NULL,
    job_id uuid NOT NULL,
    kind text NOT NULL,
    payload bytea NOT NULL,
    unique_key text,
    is_operation boolean NOT NULL,
    -- who wanted it: the credential and the user; the zero UUID for a schedule
    principal_id uuid NOT NULL,
    user_id uuid,
    state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 5),
    attempts integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    run_time timestamptz NOT NULL DEFAULT now(),
    worker_id uuid,
    lease_time timestamptz,
    cancel_time timestamptz,
    -- when a server may take it: when its time has come, or when the server that has it has not been heard of
    due_time timestamptz GENERATED ALWAYS AS (CASE state WHEN 1 THEN run_time WHEN 2 THEN lease_time END) STORED,
    progress_done bigint NOT NULL DEFAULT 0,
    progress_total bigint NOT NULL DEFAULT 0,
    progress_message text NOT NULL DEFAULT '',
    response bytea,
    error bytea,
    last_error text NOT NULL DEFAULT '',
    create_time timestamptz NOT NULL DEFAULT now(),
    update_time timestamptz NOT NULL DEFAULT now(),
    start_time timestamptz,
    finish_time timestamptz,
    expire_time timestamptz,
    PRIMARY KEY (tenant_id, job_id),
    CHECK ((state = 2) = (lease_time IS NOT NULL)),
    CHECK ((state > 2) = (expire_time IS NOT NULL))
);
CREATE UNIQUE INDEX job_unique ON trellis.job (tenant_id, kind, unique_key) WHERE state <= 2;
CREATE INDEX job_operation ON trellis.job (tenant_id, job_id) WHERE is_operation;
CREATE INDEX job_expire ON trellis.job (tenant_id, expire_time) WHERE expire_time IS NOT NULL;
CALL trellis.protect_tenant_table('trellis.job', platform => true);

-- Where servers look for what is due, of all tenants: a row for each job that has not ended. An index of trellis.job could
-- not do that, because it would begin with tenant_id. Only the triggers below write it, always under the lock of the
-- job's own row.
CREATE TABLE trellis.job_queue (
    holder uuid NOT NULL,
    job_id uuid NOT NULL,
    kind text NOT NULL,
    is_running boolean NOT NULL,
    due_time timestamptz NOT NULL,
    PRIMARY KEY (holder, job_id)
);
CREATE INDEX job_queue_due ON trellis.job_queue (kind, holder, due_time);
CALL trellis.protect_platform_table('trellis.job_queue', 'SELECT');

-- Keeps the queue, and tells the servers what they wait for, when the transaction commits: 'queued' that there is work,
-- 'cancel <id>' that a running job is to be given up, 'done <id>' that one has ended.
CREATE FUNCTION trellis.keep_job_queue() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog
AS $keep$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.due_time IS NULL THEN
        RETURN NULL;
    ELSIF TG_OP = 'DELETE' OR NEW.due_time IS NULL THEN
        DELETE FROM trellis.job_queue WHERE holder = OLD.tenant_id AND job_id = OLD.job_id;
        PERFORM pg_notify('trellis_jobs', 'done ' || OLD.job_id);
        RETURN NULL;
    END IF;
    INSERT INTO trellis.job_queue (holder, job_id, kind, is_running, due_time)
    VALUES (NEW.tenant_id, NEW.job_id, NEW.kind, NEW.state = 2, NEW.due_time)
    ON CONFLICT (holder, job_id) DO UPDATE SET is_running = excluded.is_running, due_time = excluded.due_time;
    IF NEW.state = 1 AND NEW.run_time <= clock_timestamp() THEN
        PERFORM pg_notify('trellis_jobs', 'queued');
    ELSIF TG_OP = 'UPDATE' AND NEW.state = 2 AND NEW.cancel_time IS NOT NULL AND OLD.cancel_time IS NULL THEN
        PERFORM pg_notify('trellis_jobs', 'cancel ' || NEW.job_id);
    END IF;
    RETURN NULL;
END
$keep$;
REVOKE ALL ON FUNCTION trellis.keep_job_queue() FROM PUBLIC;
CREATE TRIGGER job_inserted AFTER INSERT ON trellis.job FOR EACH ROW EXECUTE FUNCTION trellis.keep_job_queue();
CREATE TRIGGER job_updated AFTER UPDATE ON trellis.job FOR EACH ROW
    WHEN (OLD.due_time IS DISTINCT FROM NEW.due_time OR OLD.cancel_time IS DISTINCT FROM NEW.cancel_time)
    EXECUTE FUNCTION trellis.keep_job_queue();
CREATE TRIGGER job_deleted AFTER DELETE ON trellis.job FOR EACH ROW
    WHEN (OLD.due_time IS NOT NULL) EXECUTE FUNCTION trellis.keep_job_queue();

-- When jobs are started. The schedules are declared in code; the leader of the servers writes them here, and moves
-- next_time in the statement that makes the job, so that each time makes one job at most. The jobs are the platform's.
CREATE TABLE trellis.schedule (
    name text PRIMARY KEY,
    expression text NOT NULL,
    kind text NOT NULL,
    next_time timestamptz NOT NULL,
    last_time timestamptz,
    last_job_id uuid,
    create_time timestamptz NOT NULL DEFAULT now()
);
CALL trellis.protect_platform_table('trellis.schedule');

-- By which deleted users are found when their time to be restored is over.
CREATE INDEX tenant_user_purge ON trellis.tenant_user (tenant_id, purge_time) WHERE purge_time IS NOT NULL;
