-- The history of merges of end users. The identities that moved come sealed, with the key that opens them.

-- name: EndUserMergeInsert :exec
INSERT INTO trellis.end_user_merge (tenant_id, merge_id, source_id, target_id, personal)
VALUES (@tenant_id, @merge_id, @source_id, @target_id, @personal);

-- name: EndUserMergeList :many EndUserMergeRow
SELECT merge_id, source_id, target_id, personal, create_time, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE subject_key.tenant_id = end_user_merge.tenant_id AND subject_id = source_id
) AS sealed_key
FROM trellis.end_user_merge
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND merge_id > @after
ORDER BY merge_id
LIMIT @count;

-- Those into and of one end user.
-- name: EndUserMergeListOf :many EndUserMergeRow
SELECT merge_id, source_id, target_id, personal, create_time, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE subject_key.tenant_id = end_user_merge.tenant_id AND subject_id = source_id
) AS sealed_key
FROM trellis.end_user_merge
-- nullable: sealed_key
WHERE tenant_id = @tenant_id AND (source_id = @end_user_id OR target_id = @end_user_id) AND merge_id > @after
ORDER BY merge_id
LIMIT @count;

-- name: EndUserMergeErase :exec
UPDATE trellis.end_user_merge
SET personal = ''
WHERE tenant_id = @tenant_id AND source_id = ANY (@end_users::uuid[]);
