create table "knex_jobs" ("id" bigserial primary key, "payload" jsonb not null default '{}', "run_at" timestamptz null);
alter table "knex_jobs" add constraint "knex_jobs_payload_check" check (jsonb_typeof("payload") = 'object');
create index "knex_jobs_run_at_index" on "knex_jobs" ("run_at");
