-- People who sign in, and which tenants they are users of; only the platform's role sees them.

-- name: PersonByEmail :one PersonRow
SELECT person_id, email_index, personal, password_hash, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE tenant_id = '00000000-0000-0000-0000-000000000000' AND subject_id = person_id
) AS sealed_key
FROM trellis.person
-- nullable: sealed_key
WHERE email_index = @email_index;

-- name: PersonGet :one PersonRow
SELECT person_id, email_index, personal, password_hash, (
    SELECT sealed_key FROM trellis.subject_key
    WHERE tenant_id = '00000000-0000-0000-0000-000000000000' AND subject_id = person_id
) AS sealed_key
FROM trellis.person
-- nullable: sealed_key
WHERE person_id = @person_id;

-- name: PersonInsert :exec
INSERT INTO trellis.person (person_id, email_index, personal, password_hash)
VALUES (@person_id, @email_index, @personal, @password_hash);

-- Held while a session begins that the password has opened: whoever changes it waits, and then ends that session too.
-- name: PersonHold :one
SELECT person_id
FROM trellis.person
WHERE person_id = @person_id AND password_hash = @verified
FOR SHARE;

-- The same password, hashed anew. No row affected: it was changed meanwhile.
-- name: PersonRehash :exec
UPDATE trellis.person
SET password_hash = @password_hash
WHERE person_id = @person_id AND password_hash = @verified;

-- No row affected: it was changed meanwhile.
-- name: PersonChangePassword :exec
UPDATE trellis.person
SET password_hash = @password_hash, password_time = now()
WHERE person_id = @person_id AND password_hash = @verified;

-- name: PersonSetPassword :exec
UPDATE trellis.person
SET password_hash = @password_hash, password_time = now()
WHERE person_id = @person_id;

-- In the place of one whose user is not there any more.
-- name: MembershipInsert :exec
INSERT INTO trellis.membership (person_id, member_of, user_id)
VALUES (@person_id, @member_of, @user_id)
ON CONFLICT (person_id, member_of) DO UPDATE SET user_id = excluded.user_id;

-- The tenants that let a person in.
-- name: MembershipsByEmail :many MembershipRow
SELECT member_of, membership.user_id, tenant.slug, tenant.display_name
FROM trellis.person
    JOIN trellis.membership USING (person_id)
    JOIN trellis.tenant ON tenant.tenant_id = member_of AND tenant.state = 1
    JOIN trellis.tenant_user ON tenant_user.tenant_id = member_of AND tenant_user.user_id = membership.user_id
        AND tenant_user.state = 1 AND tenant_user.delete_time IS NULL
WHERE person.email_index = @email_index
ORDER BY tenant.display_name, member_of
LIMIT 1000;

-- All others, also those that do not let the person in at present.
-- name: MembershipsElsewhere :one
SELECT count(*) AS count
FROM trellis.membership
WHERE person_id = @person_id AND member_of <> @member_of;

-- Who signs in as a user, if anybody does.
-- name: UserPerson :one
SELECT person_id
FROM trellis.tenant_user
WHERE tenant_id = @tenant_id AND user_id = @user_id AND delete_time IS NULL;

-- Who signs in as a user, held until the transaction ends: nobody becomes a user elsewhere meanwhile. As the platform's role.
-- name: MembershipPerson :one
SELECT person_id
FROM trellis.person JOIN trellis.membership USING (person_id)
WHERE member_of = @member_of AND user_id = @user_id
FOR UPDATE OF person;

-- That somebody signs in as a user. As the platform's role.
-- name: MembershipErase :exec
DELETE FROM trellis.membership
WHERE member_of = @member_of AND user_id = @user_id;

-- Somebody who is nobody's user any more, with the key to what was personal about them. No row affected: they still are.
-- name: PersonEraseAlone :exec
WITH gone AS (
    DELETE FROM trellis.person
    WHERE person.person_id = @person_id
        AND NOT EXISTS (SELECT FROM trellis.membership WHERE membership.person_id = @person_id)
    RETURNING person.person_id
)
DELETE FROM trellis.subject_key USING gone
WHERE tenant_id = '00000000-0000-0000-0000-000000000000' AND subject_id = gone.person_id;

-- Memberships whose user was purged.
-- name: MembershipPurge :exec
DELETE FROM trellis.membership
WHERE NOT EXISTS (
    SELECT FROM trellis.tenant_user
    WHERE tenant_user.tenant_id = member_of AND tenant_user.user_id = membership.user_id
);

-- People who seem to be nobody's user any more, held until the transaction ends: nobody becomes a user meanwhile.
-- name: PersonsAlone :many
SELECT person_id FROM trellis.person
WHERE NOT EXISTS (SELECT FROM trellis.membership WHERE membership.person_id = person.person_id)
LIMIT 500
FOR UPDATE SKIP LOCKED;
