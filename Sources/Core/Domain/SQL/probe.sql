-- Whether the database answers.

-- name: ProbeDatabase :one
SELECT now() AS time;
