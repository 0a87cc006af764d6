-- The schedules, as the platform's role.

-- Makes a schedule known; when it has changed, what was its next time counts no longer.
-- name: ScheduleDeclare :exec
INSERT INTO trellis.schedule (name, expression, kind, next_time)
VALUES (@schedule_name, @expression, @kind, @next_time)
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, expression = excluded.expression,
    next_time = CASE WHEN schedule.expression = excluded.expression THEN schedule.next_time ELSE excluded.next_time END;

-- name: ScheduleForgetOthers :exec
DELETE FROM trellis.schedule
WHERE name <> ALL (@schedule_names::text[]);

-- name: ScheduleDue :many
SELECT name, next_time, now() AS now
FROM trellis.schedule
WHERE next_time <= now()
ORDER BY next_time;

-- Makes the job of a time, and moves on to the next: exactly once, because only who finds the time still ahead does. When the
-- job before has not ended, that one is the job of this time, too.
-- name: ScheduleStart :exec
WITH due AS MATERIALIZED (
    SELECT name FROM trellis.schedule
    WHERE name = @schedule_name AND next_time = @next_time
    FOR NO KEY UPDATE
), made AS (
    INSERT INTO trellis.job (tenant_id, job_id, kind, payload, unique_key, is_operation, principal_id)
    SELECT '00000000-0000-0000-0000-000000000000', @job_id, @kind, @payload, 'schedule ' || name, false,
        '00000000-0000-0000-0000-000000000000'
    FROM due
    ON CONFLICT (tenant_id, kind, unique_key) WHERE state <= 2 DO NOTHING
    RETURNING job_id
)
UPDATE trellis.schedule
SET next_time = @following, last_time = @next_time, last_job_id = coalesce((SELECT job_id FROM made), last_job_id)
WHERE name = (SELECT name FROM due);

-- name: ScheduleList :many Schedule
SELECT name, expression, kind, next_time, last_time, last_job_id
FROM trellis.schedule
ORDER BY name;

-- Whoever gets this lock leads until the session ends. Nobody waits for it: a statement that waits holds a snapshot.
-- name: LeadershipTake :one
SELECT pg_try_advisory_lock(hashtextextended('trellis.scheduler', 0)) AS is_taken;
