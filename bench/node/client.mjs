// What a platform writes with Neon's own client for Node: sessions with @neondatabase/api-client and
// pg, plain, or with each step journalled durably in a database of its own before and after it.
//
// usage: node client.mjs '{"api_url":..,"api_key_file":..,"projects":[..],"statements":[..],
//        "merge":"none|restore|replay","sessions":N,"parallel":N,"journal":URI or null, ...}'
// Prints the same JSON as bench-client. Its packages are found from the folder NODE_MODULES.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

const require = createRequire(process.env.NODE_MODULES + '/');
const { createApiClient } = require('@neondatabase/api-client');
const pg = require('pg');

const options = JSON.parse(process.argv[2]);
const give_up_ms = (options.give_up_s ?? 600) * 1000;
const attempts = options.attempts ?? Infinity;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const key = readFileSync(options.api_key_file, 'utf8').split('\n')[0].trim();
const { Agent } = require('node:http');
const api = createApiClient({
  apiKey: key, baseURL: options.api_url, httpAgent: new Agent({ keepAlive: true }),
});

let journal = null;
if (options.journal) {
  journal = new pg.Pool({ connectionString: options.journal, max: Math.min(options.parallel, 20) });
  await journal.query('CREATE TABLE IF NOT EXISTS journal (id bigserial PRIMARY KEY, session text, step text, '
    + 'state text, at timestamptz DEFAULT now(), done_at timestamptz)');
}

// Intended and committed before, recorded and committed after.
async function step(session, what, act) {
  if (!journal) return act();
  const { rows } = await journal.query(
    "INSERT INTO journal (session, step, state) VALUES ($1, $2, 'intended') RETURNING id", [session, what]);
  const result = await act();
  await journal.query("UPDATE journal SET state = 'done', done_at = now() WHERE id = $1", [rows[0].id]);
  return result;
}

async function call(times, act) {
  const began = performance.now();
  let pause = 100;
  for (let attempt = 1; ; attempt += 1) {
    times.calls += 1;
    try {
      return (await act()).data;
    } catch (error) {
      const status = error.response?.status;
      if (![423, 429, 503].includes(status)) throw error;
      times.refused += 1;
      if (performance.now() - began > give_up_ms || attempt >= attempts) throw error;
      await sleep(pause * (0.5 + Math.random() / 2));
      pause = Math.min(pause * 2, 10000);
    }
  }
}

const ended = (operation) => ['finished', 'skipped', 'failed'].includes(operation.status);

async function change(times, project, act) {
  const answer = await call(times, act);
  const waiting = new Set((answer.operations ?? []).filter((one) => !ended(one)).map((one) => one.id));
  while (waiting.size > 0) {
    await sleep(options.poll_ms ?? 1);
    const { operations } = await call(times, () => api.listProjectOperations({ projectId: project, limit: 100 }));
    operations.filter(ended).forEach((one) => waiting.delete(one.id));
  }
  return answer;
}

async function find(times, project, name) {
  const { branches } = await call(times, () => api.listProjectBranches({ projectId: project, search: name }));
  return branches.find((one) => one.name === name).id;
}

const parents = new Map();
async function parentOf(project) {
  if (!parents.has(project)) parents.set(project, find({ calls: 0, refused: 0 }, project, 'development'));
  return parents.get(project);
}

async function onDatabase(uri, act) {
  const client = new pg.Client({ connectionString: uri });
  await client.connect();
  try {
    return await act(client);
  } finally {
    await client.end();
  }
}

async function inOne(client, statements) {
  await client.query('BEGIN');
  for (const sql of statements) await client.query(sql);
  await client.query('COMMIT');
}

async function run(session, project) {
  const times = { ready_ms: 0, total_ms: 0, calls: 0, refused: 0, error: '' };
  try {
    const parent = await parentOf(project);
    const began = performance.now();
    const created = await step(session, 'create', () => change(times, project, () => api.createProjectBranch(project, {
      branch: { name: session, parent_id: parent }, endpoints: [{ type: 'read_write' }],
    })));
    const branch = created.branch.id;
    await onDatabase(created.connection_uris[0].connection_uri, async (client) => {
      await client.query('SELECT 1');
      times.ready_ms = performance.now() - began;
      for (let n = 0; n < (options.work_times ?? 0); n += 1) await client.query(options.work);
      for (const sql of options.statements) await step(session, 'migrate', () => inOne(client, [sql]));
    });
    if (options.merge === 'restore') {
      const backup = `before-${session}`;
      await step(session, 'restore', () => change(times, project, () => api.restoreProjectBranch(project, parent, {
        source_branch_id: branch, preserve_under_name: backup,
      })));
      await step(session, 'delete', () => change(times, project, () => api.deleteProjectBranch(project, branch)));
      const id = await find(times, project, backup);
      await step(session, 'delete backup', () => change(times, project, () => api.deleteProjectBranch(project, id)));
    } else {
      if (options.merge === 'replay') {
        const { uri } = await call(times, () => api.getConnectionUri({
          projectId: project, branch_id: parent, database_name: 'neondb', role_name: 'neondb_owner',
        }));
        await step(session, 'replay', () => onDatabase(uri, (client) => inOne(client, options.statements)));
      }
      await step(session, 'delete', () => change(times, project, () => api.deleteProjectBranch(project, branch)));
    }
    times.total_ms = performance.now() - began;
  } catch (error) {
    times.error = `${error.message} ${JSON.stringify(error.response?.data ?? '')}`;
  }
  return times;
}

const sessions = new Array(options.sessions);
let next = 0;
const began = performance.now();
await Promise.all(Array.from({ length: Math.min(options.parallel, options.sessions) }, async () => {
  for (let n = next++; n < options.sessions; n = next++) {
    sessions[n] = await run(`${options.prefix}${n}`, options.projects[n % options.projects.length]);
  }
}));
const makespan_ms = performance.now() - began;
if (journal) await journal.end();
console.log(JSON.stringify({ makespan_ms, sessions }));
