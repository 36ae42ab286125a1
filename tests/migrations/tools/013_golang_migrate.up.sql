CREATE EXTENSION IF NOT EXISTS pgcrypto;
ALTER TABLE account ADD COLUMN IF NOT EXISTS token_hash bytea;
CREATE UNIQUE INDEX IF NOT EXISTS account_token_hash ON account (token_hash) WHERE token_hash IS NOT NULL;
