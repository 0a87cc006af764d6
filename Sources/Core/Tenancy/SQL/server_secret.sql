-- What all servers of a database share; only the platform role may read it.

-- No row affected: there is one already.
-- name: ServerSecretInsert :exec
INSERT INTO trellis.server_secret (name, value)
VALUES (@secret_name, @value)
ON CONFLICT DO NOTHING;

-- name: ServerSecretGet :one
SELECT value
FROM trellis.server_secret
WHERE name = @secret_name;
