-- Deleted users whose time to be restored is over, of all tenants, but those under a legal hold, as the platform's role.

-- Deletes some of them, and with them the key that what is personal about them was sealed with, their roles (which go with
-- the row), the keys that acted for them and their invitations.
-- name: UserPurgeBatch :many
WITH gone AS MATERIALIZED (
    SELECT tenant_id, user_id FROM trellis.tenant_user
    WHERE purge_time <= now() AND NOT EXISTS (
        SELECT FROM trellis.legal_hold
        WHERE legal_hold.tenant_id = tenant_user.tenant_id AND subject_id = user_id AND release_time IS NULL
    )
    LIMIT @count
    FOR UPDATE SKIP LOCKED
), tokens AS (
    DELETE FROM trellis.subject_token USING gone
    WHERE subject_token.tenant_id = gone.tenant_id AND subject_id = gone.user_id
), exports AS (
    DELETE FROM trellis.subject_export USING gone
    WHERE subject_export.tenant_id = gone.tenant_id AND subject_id = gone.user_id
), subjects AS (
    DELETE FROM trellis.subject_key USING gone
    WHERE subject_key.tenant_id = gone.tenant_id AND subject_id = gone.user_id
), keys AS (
    DELETE FROM trellis.api_key USING gone
    WHERE api_key.tenant_id = gone.tenant_id AND api_key.user_id = gone.user_id
), invitations AS (
    DELETE FROM trellis.invitation USING gone
    WHERE invitation.tenant_id = gone.tenant_id AND invitation.user_id = gone.user_id
)
DELETE FROM trellis.tenant_user USING gone
WHERE tenant_user.tenant_id = gone.tenant_id AND tenant_user.user_id = gone.user_id
RETURNING tenant_user.tenant_id, tenant_user.user_id;
