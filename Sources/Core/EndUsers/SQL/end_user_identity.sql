-- Who has which identity, by a keyed hash of the external id.

-- Takes an identity; no row says that somebody has it. Waits for whoever is just taking it.
-- name: EndUserIdentityClaim :exec
INSERT INTO trellis.end_user_identity (tenant_id, channel, external_id_index, end_user_id)
VALUES (@tenant_id, @channel, @external_id_index, @end_user_id)
ON CONFLICT DO NOTHING;

-- name: EndUserByIdentity :one EndUserRow
SELECT end_user.end_user_id, personal, time_zone, language, state, merged_into, last_active_time, version, create_time, update_time,
    delete_time, purge_time, (
        SELECT sealed_key FROM trellis.subject_key
        WHERE subject_key.tenant_id = end_user.tenant_id AND subject_id = end_user.end_user_id
    ) AS sealed_key
FROM trellis.end_user_identity JOIN trellis.end_user USING (tenant_id, end_user_id)
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND channel = @channel AND external_id_index = @external_id_index;

-- name: EndUserIdentityRelease :exec
DELETE FROM trellis.end_user_identity
WHERE tenant_id = @tenant_id AND channel = @channel AND external_id_index = @external_id_index AND end_user_id = @end_user_id;

-- name: EndUserIdentityMove :exec
UPDATE trellis.end_user_identity
SET end_user_id = @target_id
WHERE tenant_id = @tenant_id AND end_user_id = @source_id;

-- name: EndUserIdentityErase :exec
DELETE FROM trellis.end_user_identity
WHERE tenant_id = @tenant_id AND end_user_id = ANY (@end_users::uuid[]);
