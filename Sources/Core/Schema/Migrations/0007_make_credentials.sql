-- schema 0.7.0
--
-- How people sign in: who they are, which tenants they are users of, their sessions and tokens, the keys that access tokens
-- are signed with, and who has tried how often. No password and no token is in here, only what proves them: Argon2id of
-- passwords, SHA-256 of tokens, which are random.

-- Somebody who signs in. email_index is a keyed hash of the folded address, personal the address and the name sealed with the
-- zero tenant's subject_key of the person; email_index and password_hash are null once they are erased.
CREATE TABLE trellis.person (
    person_id uuid PRIMARY KEY,
    email_index bytea UNIQUE,
    personal bytea NOT NULL,
    password_hash text,
    password_time timestamptz NOT NULL DEFAULT now(),
    create_time timestamptz NOT NULL DEFAULT now()
);
CALL trellis.protect_platform_table('trellis.person');

-- Which tenants a person is a user of, to find them by the person: an index of tenant_user cannot begin with it.
CREATE TABLE trellis.membership (
    person_id uuid NOT NULL REFERENCES trellis.person ON DELETE CASCADE,
    member_of uuid NOT NULL REFERENCES trellis.tenant,
    user_id uuid NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (person_id, member_of)
);
CALL trellis.protect_platform_table('trellis.membership');

-- Somebody's being signed in. personal holds from where and with which program, sealed with the subject_key of the user.
CREATE TABLE trellis.session (
    tenant_id uuid NOT NULL REFERENCES trellis.tenant,
    session_id uuid NOT NULL,
    user_id uuid NOT NULL,
    person_id uuid NOT NULL,
    personal bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    use_time timestamptz NOT NULL DEFAULT now(),
    expire_time timestamptz NOT NULL,
    revoke_time timestamptz,
    PRIMARY KEY (tenant_id, session_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES trellis.tenant_user ON DELETE CASCADE
);
CREATE INDEX session_by_user ON trellis.session (tenant_id, user_id, session_id);
CALL trellis.protect_tenant_table('trellis.session', platform => true);

-- The refresh tokens of a session, by their SHA-256. One that was used stays, so that its second use is found.
CREATE TABLE trellis.refresh_token (
    tenant_id uuid NOT NULL,
    session_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    use_time timestamptz,
    PRIMARY KEY (tenant_id, session_id, token_hash),
    FOREIGN KEY (tenant_id, session_id) REFERENCES trellis.session ON DELETE CASCADE
);
CALL trellis.protect_tenant_table('trellis.refresh_token', platform => true);

-- Tokens with which people choose new passwords, by their SHA-256. member_of and user_id say in whose audit trail that is told.
CREATE TABLE trellis.password_reset (
    person_id uuid NOT NULL REFERENCES trellis.person ON DELETE CASCADE,
    token_hash bytea NOT NULL,
    member_of uuid NOT NULL REFERENCES trellis.tenant,
    user_id uuid NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    expire_time timestamptz NOT NULL,
    use_time timestamptz,
    PRIMARY KEY (person_id, token_hash)
);
CALL trellis.protect_platform_table('trellis.password_reset');

-- The keys that access tokens are signed with (Ed25519), their private parts sealed with a key that is not in the database.
-- state: 1 next, 2 current, 3 retired; of the first two there is one each.
CREATE TABLE trellis.signing_key (
    signing_key_id uuid PRIMARY KEY,
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 3),
    public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
    sealed_private_key bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    activate_time timestamptz,
    retire_time timestamptz
);
CREATE UNIQUE INDEX signing_key_state ON trellis.signing_key (state) WHERE state < 3;
CALL trellis.protect_platform_table('trellis.signing_key');

-- How often a password was tried, by account and network, and by account alone (an empty network). Both are keyed hashes, of
-- accounts that do not exist too. trust_time: when somebody last signed in to the account from the network.
CREATE TABLE trellis.sign_in_attempt (
    account bytea NOT NULL,
    network bytea NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    attempt_time timestamptz NOT NULL DEFAULT now(),
    trust_time timestamptz,
    PRIMARY KEY (account, network)
) WITH (fillfactor = 80);
CALL trellis.protect_platform_table('trellis.sign_in_attempt');
