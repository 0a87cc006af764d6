-- What servers do with the queue, as the platform's role.

-- Takes what is due, of each kind as many as its count at most. The holders of a kind's jobs take turns: one after the other
-- from after_holder on, as many as there is room for, and of each its oldest; so nobody waits behind all that another wants
-- done. A job whose server has not been heard of is taken, too; that counts as a failure of it.
-- name: JobClaim :many ClaimedJob
WITH RECURSIVE turn (kind, room, start, holder, is_again, turn) AS (
    SELECT kind, room, start, start, false, 0::bigint
    FROM unnest(@kinds::text[], @counts::bigint[], @after_holders::uuid[]) AS wanted (kind, room, start)
    UNION ALL
    SELECT kind, room, start, coalesce(later.holder, first.holder), is_again OR later.holder IS NULL, turn + 1
    FROM turn
    LEFT JOIN LATERAL (
        SELECT job_queue.holder FROM trellis.job_queue
        WHERE job_queue.kind = turn.kind AND job_queue.holder > turn.holder AND due_time <= now()
        ORDER BY job_queue.holder LIMIT 1
    ) AS later ON true
    LEFT JOIN LATERAL (
        SELECT job_queue.holder FROM trellis.job_queue
        WHERE later.holder IS NULL AND NOT is_again AND job_queue.kind = turn.kind AND due_time <= now()
        ORDER BY job_queue.holder LIMIT 1
    ) AS first ON true
    WHERE turn < room AND coalesce(later.holder, first.holder) IS NOT NULL
        AND (coalesce(later.holder, first.holder) <= start OR NOT is_again AND later.holder IS NOT NULL)
), share AS (
    SELECT kind, holder, turn, greatest(room / count(*) OVER (PARTITION BY kind), 1) AS room
    FROM turn WHERE turn > 0
), due AS MATERIALIZED (
    SELECT ready.tenant_id, ready.job_id, share.turn
    FROM share CROSS JOIN LATERAL (
        SELECT job.tenant_id, job.job_id
        FROM trellis.job_queue JOIN trellis.job ON job.tenant_id = job_queue.holder AND job.job_id = job_queue.job_id
        WHERE job_queue.kind = share.kind AND job_queue.holder = share.holder AND job_queue.due_time <= now()
            AND job.due_time <= now()
        ORDER BY job_queue.due_time
        LIMIT share.room
        FOR UPDATE OF job SKIP LOCKED
    ) AS ready
    LIMIT @count
)
UPDATE trellis.job
SET state = 2, attempts = attempts + 1, failures = failures + (state = 2)::integer, worker_id = @worker_id,
    lease_time = now() + @lease_milliseconds::bigint * interval '1 millisecond',
    start_time = coalesce(start_time, now()), update_time = clock_timestamp()
FROM due
WHERE job.tenant_id = due.tenant_id AND job.job_id = due.job_id
-- not null: tenant_id, job_id, kind, payload, attempts, failures, turn
RETURNING job.tenant_id, job.job_id, kind, payload, attempts, failures, cancel_time IS NOT NULL AS is_cancelled,
    response, turn;

-- Keeps the jobs that a server works on its own; one that is not answered was lost to another server.
-- name: JobRenew :many
UPDATE trellis.job
SET lease_time = now() + @lease_milliseconds::bigint * interval '1 millisecond'
FROM unnest(@tenants::uuid[], @jobs::uuid[], @attempts::integer[]) AS held (tenant_id, job_id, attempt)
WHERE job.tenant_id = held.tenant_id AND job.job_id = held.job_id AND job.attempts = held.attempt AND job.state = 2
RETURNING job.job_id, job.attempts, job.cancel_time IS NOT NULL AS is_cancelled;

-- Puts a job that failed back in the queue, for later.
-- name: JobRetryLater :exec
UPDATE trellis.job
SET state = 1, failures = failures + 1, last_error = @last_error, lease_time = NULL, update_time = now(),
    run_time = now() + @delay_milliseconds::bigint * interval '1 millisecond'
WHERE tenant_id = @tenant_id AND job_id = @job_id AND attempts = @attempt AND state = 2;

-- Puts a job that a server began and will not end back in the queue, for now. It has not failed.
-- name: JobGiveBack :exec
UPDATE trellis.job
SET state = 1, lease_time = NULL, run_time = clock_timestamp(), update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND job_id = @job_id AND attempts = @attempt AND state = 2;

-- Of all tenants: jobs that ended 30 days ago.
-- name: JobPurge :exec
DELETE FROM trellis.job
WHERE expire_time <= now();

-- For metrics: what waits and what runs, and for how many seconds the oldest has been due.
-- name: JobCounts :many
SELECT kind, count(*) FILTER (WHERE NOT is_running) AS queued, count(*) FILTER (WHERE is_running) AS running,
    coalesce(max(extract(epoch FROM now() - due_time)) FILTER (WHERE due_time <= now()), 0)::double precision AS lag
FROM trellis.job_queue
GROUP BY kind
ORDER BY kind;
