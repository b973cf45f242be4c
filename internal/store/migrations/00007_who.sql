-- +goose Up
-- Who may: accounts at an OpenID provider, passkeys, recovery codes, and the steps of
-- a sign-in that is under way.

-- Who somebody is at a provider. The subject is the provider's own word for the
-- account, which never changes; name is what it was called last, for people alone.
CREATE TABLE identity (
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    name      TEXT NOT NULL,
    made      BIGINT NOT NULL,
    last_used BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identity_of_user ON identity (user_id);

-- body is the credential as JSON: the public key, the counter, the flags. Nothing of
-- it is secret.
CREATE TABLE passkey (
    id         TEXT NOT NULL PRIMARY KEY,
    user_id    TEXT NOT NULL,
    credential TEXT NOT NULL,
    name       TEXT NOT NULL,
    body       TEXT NOT NULL,
    made       BIGINT NOT NULL,
    last_used  BIGINT NOT NULL
);
CREATE UNIQUE INDEX passkey_credential ON passkey (credential);
CREATE INDEX passkey_of_user ON passkey (user_id);

-- hash is the SHA-256 of the code with the user's id; used is 0 until then.
CREATE TABLE recovery_code (
    hash    TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    made    BIGINT NOT NULL,
    used    BIGINT NOT NULL
);
CREATE INDEX recovery_code_of_user ON recovery_code (user_id);

-- A sign-in, or the making of a passkey, that is under way: for some minutes, taken
-- once. hash is the SHA-256 of what the browser has.
CREATE TABLE sign_in_step (
    hash    TEXT NOT NULL PRIMARY KEY,
    kind    TEXT NOT NULL,
    user_id TEXT NOT NULL,
    body    TEXT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX sign_in_step_end ON sign_in_step (expires);

-- Where an API key was used from last.
ALTER TABLE api_key ADD COLUMN last_address TEXT NOT NULL DEFAULT '';
