#!/bin/bash
# Runs a test binary against a throwaway cluster: run.sh BINARY [ARGUMENT...]
#
# The cluster listens on a free port of the loopback; the binary finds it by AGENT_BRANCH_TEST_URI,
# a superuser's URI with a password. PG_CONFIG chooses the server's version.
set -euo pipefail

binary=$1
shift
bin=$("${PG_CONFIG:-pg_config}" --bindir)
shm=/dev/shm
[ -w "$shm" ] || shm=${TMPDIR:-/tmp}
data=$(mktemp -d "$shm/agent_branch_test.XXXXXX")

# PostgreSQL does not run as root.
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid=postgres --regid=postgres --init-groups)
  chown postgres "$data"
fi

stop() {
  "${as[@]}" "$bin/pg_ctl" -D "$data/cluster" -m immediate -s stop >/dev/null 2>&1 || true
  rm -rf "$data"
}
trap stop EXIT
trap 'exit 1' INT TERM

cd "$data"
printf 'open sesame\n' >password
chmod a+r password
"${as[@]}" "$bin/initdb" -D cluster -U postgres --auth-host=scram-sha-256 --auth-local=reject \
  --pwfile=password --encoding=UTF8 --locale=C --no-sync >initdb.log 2>&1 || {
  cat initdb.log >&2
  exit 1
}

cat >>cluster/postgresql.conf <<'SETTINGS'
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
autovacuum = off
max_connections = 100
wal_level = logical
max_prepared_transactions = 10
shared_buffers = 64MB
SETTINGS

# With TLS, as at Neon, where libpq's own default asks for it.
if command -v openssl >/dev/null; then
  "${as[@]}" openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,DNS:branch.test -keyout cluster/server.key -out cluster/server.crt 2>/dev/null
  chmod 600 cluster/server.key
  cp cluster/server.crt authorities.pem
  chmod a+rx . && chmod a+r authorities.pem
  export AGENT_BRANCH_TEST_CA=$data/authorities.pem
  echo 'ssl = on' >>cluster/postgresql.conf
  export AGENT_BRANCH_TEST_TLS=1
fi

# Another program may take a free port between the look and the start.
for _ in 1 2 3 4 5 6 7 8 9 10; do
  port=$((20000 + RANDOM % 12000))
  if "${as[@]}" "$bin/pg_ctl" -D cluster -s -w -l server.log -o "-p $port" start >/dev/null 2>&1
  then
    started=1
    break
  fi
done
if [ -z "${started:-}" ]; then
  cat server.log >&2
  exit 1
fi

cd - >/dev/null
export AGENT_BRANCH_TEST_URI="postgresql://postgres:open%20sesame@127.0.0.1:$port/postgres"
export AGENT_BRANCH_TEST_BINDIR=$bin
"$binary" "$@"
