-- Users of a tenant.

-- name: UserInsert :one User
INSERT INTO trellis.tenant_user (tenant_id, user_id, email, email_key, display_name, language, time_zone)
VALUES (@tenant_id, @user_id, @email, @email_key, @display_name, @language, @time_zone)
RETURNING user_id AS id, email, display_name, language, time_zone, create_time;

-- name: UserGet :one User
SELECT user_id AS id, email, display_name, language, time_zone, create_time
FROM trellis.tenant_user
WHERE tenant_id = @tenant_id AND user_id = @user_id;

-- name: UserList :many User
SELECT user_id AS id, email, display_name, language, time_zone, create_time
FROM trellis.tenant_user
WHERE tenant_id = @tenant_id AND user_id > @after
ORDER BY user_id
LIMIT @count;

-- name: UserListByEmail :many User
SELECT user_id AS id, email, display_name, language, time_zone, create_time
FROM trellis.tenant_user
WHERE tenant_id = @tenant_id AND email_key = @email_key AND user_id > @after
ORDER BY user_id
LIMIT @count;
