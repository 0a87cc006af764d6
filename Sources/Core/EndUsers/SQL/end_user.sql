-- End users. What is personal about them comes sealed, with the key that opens it: null once they were erased.

-- name: EndUserInsert :exec
INSERT INTO trellis.end_user (tenant_id, end_user_id, personal, time_zone, language)
VALUES (@tenant_id, @end_user_id, @personal, @time_zone, @language);

-- name: EndUserGet :one EndUserRow
SELECT end_user_id, personal, time_zone, language, state, merged_into, last_active_time, version, create_time, update_time,
    delete_time, purge_time, (
        SELECT sealed_key FROM trellis.subject_key
        WHERE subject_key.tenant_id = end_user.tenant_id AND subject_id = end_user_id
    ) AS sealed_key
FROM trellis.end_user
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND end_user_id = @end_user_id;

-- The same, held until the transaction ends.
-- name: EndUserLock :one EndUserRow
SELECT end_user_id, personal, time_zone, language, state, merged_into, last_active_time, version, create_time, update_time,
    delete_time, purge_time, (
        SELECT sealed_key FROM trellis.subject_key
        WHERE subject_key.tenant_id = end_user.tenant_id AND subject_id = end_user_id
    ) AS sealed_key
FROM trellis.end_user
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND end_user_id = @end_user_id
FOR NO KEY UPDATE;

-- Several, held until the transaction ends, in an order that all who hold several keep.
-- name: EndUserLockAll :many EndUserRow
SELECT end_user_id, personal, time_zone, language, state, merged_into, last_active_time, version, create_time, update_time,
    delete_time, purge_time, (
        SELECT sealed_key FROM trellis.subject_key
        WHERE subject_key.tenant_id = end_user.tenant_id AND subject_id = end_user_id
    ) AS sealed_key
FROM trellis.end_user
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND end_user_id = ANY (@end_users::uuid[])
ORDER BY end_user_id
FOR NO KEY UPDATE;

-- name: EndUserList :many EndUserRow
SELECT end_user_id, personal, time_zone, language, state, merged_into, last_active_time, version, create_time, update_time,
    delete_time, purge_time, (
        SELECT sealed_key FROM trellis.subject_key
        WHERE subject_key.tenant_id = end_user.tenant_id AND subject_id = end_user_id
    ) AS sealed_key
FROM trellis.end_user
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND end_user_id > @after AND merged_into IS NULL AND (@show_deleted OR delete_time IS NULL)
ORDER BY end_user_id
LIMIT @count;

-- Who was active last comes first.
-- name: EndUserListByActivity :many EndUserRow
SELECT end_user_id, personal, time_zone, language, state, merged_into, last_active_time, version, create_time, update_time,
    delete_time, purge_time, (
        SELECT sealed_key FROM trellis.subject_key
        WHERE subject_key.tenant_id = end_user.tenant_id AND subject_id = end_user_id
    ) AS sealed_key
FROM trellis.end_user
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND (last_active_time, end_user_id) < (@time, @before) AND merged_into IS NULL
    AND (@show_deleted OR delete_time IS NULL)
ORDER BY last_active_time DESC, end_user_id DESC
LIMIT @count;

-- name: EndUserUpdate :exec
UPDATE trellis.end_user
SET personal = @personal, time_zone = @time_zone, language = @language, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND end_user_id = @end_user_id;

-- name: EndUserSetState :exec
UPDATE trellis.end_user
SET state = @state::smallint, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND end_user_id = @end_user_id;

-- They can be restored until purge_time.
-- name: EndUserDelete :exec
UPDATE trellis.end_user
SET delete_time = now(), purge_time = now() + interval '30 days', version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND end_user_id = @end_user_id;

-- name: EndUserUndelete :exec
UPDATE trellis.end_user
SET delete_time = NULL, purge_time = NULL, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND end_user_id = @end_user_id;

-- The source of a merge and its own aliases become aliases of the target.
-- name: EndUserBecomeAlias :exec
UPDATE trellis.end_user
SET merged_into = @target_id, personal = CASE WHEN end_user_id = @source_id THEN @personal ELSE personal END,
    version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND (end_user_id = @source_id OR merged_into = @source_id);

-- Those of the given ids whose end user is there, each with the id that activity is recorded under.
-- name: EndUserLive :many
SELECT named.end_user_id, live.end_user_id AS live_id
FROM trellis.end_user AS named JOIN trellis.end_user AS live
    ON live.tenant_id = named.tenant_id AND live.end_user_id = coalesce(named.merged_into, named.end_user_id)
WHERE named.tenant_id = @tenant_id AND named.end_user_id = ANY (@end_users::uuid[]) AND live.delete_time IS NULL
    AND live.state <> 3
ORDER BY named.end_user_id;

-- Time never goes backwards. The rows are held in the order of their ids, in which all who hold several do it.
-- name: EndUserRecordActivity :exec
WITH activity AS (
    SELECT end_user_id, 'epoch'::timestamptz + microseconds * interval '1 microsecond' AS time
    FROM unnest(@end_users::uuid[], @microseconds::bigint[]) AS given (end_user_id, microseconds)
), held AS (
    SELECT end_user.end_user_id, activity.time
    FROM trellis.end_user JOIN activity USING (end_user_id)
    WHERE tenant_id = @tenant_id AND last_active_time < activity.time
    ORDER BY end_user.end_user_id
    FOR NO KEY UPDATE OF end_user
)
UPDATE trellis.end_user
SET last_active_time = held.time
FROM held
WHERE tenant_id = @tenant_id AND end_user.end_user_id = held.end_user_id AND last_active_time < held.time;

-- The aliases of an end user.
-- name: EndUserAliases :many
SELECT end_user_id
FROM trellis.end_user
WHERE tenant_id = @tenant_id AND merged_into = @end_user_id
ORDER BY end_user_id;

-- Nothing personal stays, but that there was somebody.
-- name: EndUserErase :exec
UPDATE trellis.end_user
SET personal = '', time_zone = 'UTC', language = 'en', state = 3, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND end_user_id = ANY (@end_users::uuid[]);

-- Those of all tenants whose time to be restored is over, with their aliases and the keys and tokens of both; those left out who
-- are under a legal hold, or whose alias is. As the platform's role.
-- name: EndUserPurge :many
WITH due AS (
    SELECT tenant_id, end_user_id
    FROM trellis.end_user
    WHERE purge_time < now() AND NOT EXISTS (
        SELECT FROM trellis.legal_hold JOIN trellis.end_user AS held
            ON held.tenant_id = legal_hold.tenant_id AND held.end_user_id = subject_id
        WHERE legal_hold.tenant_id = end_user.tenant_id AND release_time IS NULL
            AND coalesce(held.merged_into, held.end_user_id) = end_user.end_user_id
    )
    LIMIT @count
    FOR UPDATE SKIP LOCKED
), everybody AS (
    SELECT tenant_id, end_user_id FROM due
    UNION ALL
    SELECT tenant_id, alias.end_user_id
    FROM due JOIN trellis.end_user AS alias USING (tenant_id)
    WHERE alias.merged_into = due.end_user_id
), keys AS (
    DELETE FROM trellis.subject_key USING everybody
    WHERE subject_key.tenant_id = everybody.tenant_id AND subject_id = end_user_id
), tokens AS (
    DELETE FROM trellis.subject_token USING everybody
    WHERE subject_token.tenant_id = everybody.tenant_id AND subject_id = end_user_id
), exports AS (
    DELETE FROM trellis.subject_export USING everybody
    WHERE subject_export.tenant_id = everybody.tenant_id AND subject_id = end_user_id
)
DELETE FROM trellis.end_user USING everybody
WHERE end_user.tenant_id = everybody.tenant_id AND end_user.end_user_id = everybody.end_user_id
RETURNING end_user.tenant_id, end_user.end_user_id;
