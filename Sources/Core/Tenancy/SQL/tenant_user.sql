-- Users of a tenant. What is personal about them comes sealed, with the key that opens it: null once they were erased.

-- name: UserInsert :exec
INSERT INTO trellis.tenant_user (tenant_id, user_id, email_index, personal, language, time_zone)
VALUES (@tenant_id, @user_id, @email_index, @personal, @language, @time_zone);

-- name: UserGet :one UserRow
SELECT user_id, person_id, personal, language, time_zone, state, version, create_time, update_time, delete_time, purge_time, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE subject_key.tenant_id = tenant_user.tenant_id AND subject_id = user_id
) AS sealed_key
FROM trellis.tenant_user
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND user_id = @user_id;

-- The same, held until the transaction ends.
-- name: UserLock :one UserRow
SELECT user_id, person_id, personal, language, time_zone, state, version, create_time, update_time, delete_time, purge_time, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE subject_key.tenant_id = tenant_user.tenant_id AND subject_id = user_id
) AS sealed_key
FROM trellis.tenant_user
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND user_id = @user_id
FOR NO KEY UPDATE;

-- name: UserList :many UserRow
SELECT user_id, person_id, personal, language, time_zone, state, version, create_time, update_time, delete_time, purge_time, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE subject_key.tenant_id = tenant_user.tenant_id AND subject_id = user_id
) AS sealed_key
FROM trellis.tenant_user
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND user_id > @after AND (@show_deleted OR delete_time IS NULL)
ORDER BY user_id
LIMIT @count;

-- At most one.
-- name: UserListByEmail :many UserRow
SELECT user_id, person_id, personal, language, time_zone, state, version, create_time, update_time, delete_time, purge_time, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE subject_key.tenant_id = tenant_user.tenant_id AND subject_id = user_id
) AS sealed_key
FROM trellis.tenant_user
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND email_index = @email_index AND user_id > @after
    AND (@show_deleted OR delete_time IS NULL)
ORDER BY user_id
LIMIT @count;

-- name: UserUpdate :exec
UPDATE trellis.tenant_user
SET email_index = @email_index, personal = @personal, language = @language, time_zone = @time_zone,
    version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND user_id = @user_id;

-- name: UserSetState :exec
UPDATE trellis.tenant_user
SET state = @state::smallint, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND user_id = @user_id;

-- They can be restored until purge_time.
-- name: UserDelete :exec
UPDATE trellis.tenant_user
SET delete_time = now(), purge_time = now() + interval '30 days', version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND user_id = @user_id;

-- name: UserUndelete :exec
UPDATE trellis.tenant_user
SET delete_time = NULL, purge_time = NULL, version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = @tenant_id AND user_id = @user_id;

-- Held by whoever may take away an owner, so that two of them do not each leave the other's as the last.
-- name: TenantOwnersLock :one
SELECT tenant_id
FROM trellis.tenant
WHERE tenant_id = @tenant_id
FOR NO KEY UPDATE;

-- The owners who are let in, beside one user.
-- name: OtherOwnersCount :one
SELECT count(*) AS count
FROM trellis.role_binding JOIN trellis.tenant_user USING (tenant_id, user_id)
WHERE tenant_id = @tenant_id AND user_id <> @user_id AND role_binding.role = 'owner'
    AND site_id = '00000000-0000-0000-0000-000000000000' AND state = 1 AND delete_time IS NULL;

-- name: UserIsOwner :one
SELECT count(*) AS count
FROM trellis.role_binding
WHERE tenant_id = @tenant_id AND user_id = @user_id AND role_binding.role = 'owner'
    AND site_id = '00000000-0000-0000-0000-000000000000';
