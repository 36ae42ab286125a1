#include "emulator/cluster.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "emulator/copy_tree.hpp"
#include "emulator/process.hpp"
#include "emulator/request_fields.hpp"
#include "emulator/superuser.hpp"

namespace agent_branch::emulator {
namespace {

constexpr std::chrono::milliseconds kPoll{2};
constexpr std::chrono::seconds kStartTime{60};
constexpr std::chrono::seconds kStopTime{20};

// A branch lives for minutes and is thrown away: nothing is synced, but a commit is written, so
// that a server that dies loses nothing acknowledged. Sizes are for hundreds of clusters side by
// side, 6.6 MB each. WAL is kept for as long as one copy of it may take.
const std::vector<std::string> kSettings = {
    "listen_addresses=", "shared_buffers=8MB", "max_connections=100", "fsync=off",
    "synchronous_commit=on", "full_page_writes=on", "wal_level=replica", "max_wal_senders=2",
    "max_wal_size=32MB", "min_wal_size=2MB", "wal_keep_size=32MB", "jit=off",
    "autovacuum_naptime=60s", "logging_collector=off", "log_min_messages=fatal",
    "max_worker_processes=2",
    // In the data directory, not in /dev/shm: after SIGKILL nothing is left outside it.
    "dynamic_shared_memory_type=mmap", "unix_socket_permissions=0700"};

bool StartsWith(const std::string &text, const std::string &start) {
  return text.compare(0, start.size(), start) == 0;
}

// What belongs to the running server and not to its data.
bool IsData(const std::string &path) {
  return path != "postmaster.pid" && path != "postmaster.opts" && path != "backup_label" &&
         !StartsWith(path, "pg_dynshmem/") && !StartsWith(path, "pg_notify/") &&
         !StartsWith(path, "pg_serial/") && !StartsWith(path, "pg_snapshots/") &&
         !StartsWith(path, "pg_stat_tmp/") && !StartsWith(path, "pg_subtrans/") &&
         !StartsWith(path, "pg_replslot/") && path.find("pgsql_tmp") == std::string::npos;
}

bool IsWalSegment(const std::string &name) {
  return name.size() == 24 && name.find_first_not_of("0123456789ABCDEF") == std::string::npos;
}

// pg_dump of newer minor versions writes a random word here, which would make every two differ.
std::string WithoutRestrict(const std::string &dump) {
  std::istringstream lines(dump);
  std::string line, result;
  while (std::getline(lines, line)) {
    if (!StartsWith(line, "\\restrict") && !StartsWith(line, "\\unrestrict")) result += line + "\n";
  }
  return result;
}

}  // namespace

Cluster::Cluster(const Installation &installation, std::string directory, int number)
    : installation_(installation),
      directory_(std::move(directory)),
      log_path_(directory_ + ".log"),
      number_(number) {}

std::string Cluster::socket_path() const {
  return installation_.sockets + "/.s.PGSQL." + std::to_string(number_);
}

std::string Cluster::LogTail() const {
  std::ifstream file(log_path_);
  std::ostringstream text;
  text << file.rdbuf();
  std::string log = text.str();
  return log.size() > 600 ? log.substr(log.size() - 600) : log;
}

std::string Cluster::Initialize(const std::string &role, const std::string &password,
                                const std::string &database) {
  std::string password_path = directory_ + ".password";
  {
    std::ofstream file(password_path);
    chmod(password_path.c_str(), 0600);
    file << installation_.superuser_password << "\n";
  }
  ProcessResult made =
      RunProcess({{installation_.binaries + "/initdb", "-D", directory_, "-N", "--wal-segsize=1",
                   "--locale=C.UTF-8", "-E", "UTF8", "--no-instructions", "-U", "cloud_admin", "-A",
                   "scram-sha-256", "--pwfile", password_path},
                  {}});
  unlink(password_path.c_str());
  if (made.status != 0) return "initdb failed: " + made.errors;
  std::string error = Start();
  if (!error.empty()) return error;
  // The roles Neon makes: an owner who is no superuser but may do most of what one may.
  const std::string powers = " CREATEDB CREATEROLE BYPASSRLS REPLICATION ";
  return Execute("postgres",
                 {"CREATE ROLE neon_superuser NOLOGIN" + powers +
                      "IN ROLE pg_read_all_data, pg_write_all_data, pg_monitor",
                  "CREATE ROLE " + QuoteName(role) + " LOGIN" + powers +
                      "IN ROLE neon_superuser PASSWORD " + QuoteLiteral(password),
                  "CREATE DATABASE " + QuoteName(database) + " OWNER " + QuoteName(role)});
}

std::string Cluster::CopyFrom(Cluster &source) {
  if (source.IsRunning()) return CopyRunning(source);
  return CopyTree(source.directory_, directory_, IsData);
}

// Data files first, then the WAL that makes them consistent, from where the backup began. The first
// round takes WAL as well: a segment may be recycled before the second one comes to it.
std::string Cluster::CopyRunning(Cluster &source) {
  Superuser connection(installation_.sockets, source.number_, installation_.superuser_password,
                       "postgres");
  if (!connection.IsConnected()) return "cannot copy: " + connection.error();
  if (!connection.Run("SELECT pg_walfile_name(pg_backup_start('fork', true))")) {
    return "cannot copy: " + connection.error();
  }
  std::string first = connection.Value(0, 0);
  auto wanted_segment = [&](const std::string &name) {
    return !IsWalSegment(name) || name >= first;
  };
  std::string error = CopyTree(source.directory_, directory_, [&](const std::string &path) {
    if (StartsWith(path, "pg_wal/archive_status/")) return false;
    if (StartsWith(path, "pg_wal/")) return wanted_segment(path.substr(7));
    return IsData(path);
  });
  if (!error.empty()) return error;
  if (!connection.Run("SELECT pg_walfile_name(lsn), labelfile FROM pg_backup_stop(false)")) {
    return "cannot copy: " + connection.error();
  }
  std::string last = connection.Value(0, 0);
  std::ofstream(directory_ + "/backup_label") << connection.Value(0, 1);
  std::error_code ignored;
  for (const auto &entry :
       std::filesystem::directory_iterator(source.directory_ + "/pg_wal", ignored)) {
    std::string name = entry.path().filename();
    if (!IsWalSegment(name) || name < first || name > last) continue;
    error = CopyFile(entry.path(), directory_ + "/pg_wal/" + name);
    if (!error.empty()) return error;
  }
  return "";
}

std::string Cluster::Start() {
  if (IsRunning()) return "";
  Command command{{installation_.binaries + "/postgres", "-D", directory_, "-p",
                   std::to_string(number_), "-k", installation_.sockets},
                  {}};
  for (const std::string &setting : kSettings) {
    command.arguments.emplace_back("-c");
    command.arguments.push_back(setting);
  }
  // Immediate shutdown: the postmaster still ends its children and removes its shared memory.
  pid_ = StartProcess(command, log_path_, SIGQUIT);
  if (pid_ <= 0) {
    pid_ = 0;
    return "cannot start postgres";
  }
  return WaitUntilReady();
}

std::string Cluster::WaitUntilReady() {
  std::string port = std::to_string(number_);
  const char *names[] = {"host", "port", "dbname", nullptr};
  const char *values[] = {installation_.sockets.c_str(), port.c_str(), "postgres", nullptr};
  auto end = std::chrono::steady_clock::now() + kStartTime;
  while (true) {
    if (PQpingParams(names, values, 0) == PQPING_OK) return "";
    if (HasDied()) return "postgres did not start: " + LogTail();
    if (ShuttingDown()) return "the emulator is shutting down";
    if (std::chrono::steady_clock::now() > end) return "postgres did not start in time";
    std::this_thread::sleep_for(kPoll);
  }
}

std::string Cluster::Stop() {
  if (!IsRunning()) return "";
  SignalProcess(pid_, SIGINT);
  if (!WaitUntilEnded(pid_, kStopTime)) {
    SignalProcess(pid_, SIGQUIT);
    if (!WaitUntilEnded(pid_, kStopTime)) return "postgres did not stop";
  }
  pid_ = 0;
  return "";
}

void Cluster::Remove() {
  if (IsRunning()) {
    SignalProcess(pid_, SIGQUIT);
    if (!WaitUntilEnded(pid_, kStopTime)) SignalProcess(pid_, SIGKILL);
    pid_ = 0;
  }
  RemoveTree(directory_);
  unlink(log_path_.c_str());
}

bool Cluster::HasDied() {
  if (!IsRunning() || !HasEnded(pid_)) return false;
  pid_ = 0;
  return true;
}

std::string Cluster::Execute(const std::string &database,
                             const std::vector<std::string> &statements) {
  Superuser connection(installation_.sockets, number_, installation_.superuser_password, database);
  if (!connection.IsConnected()) return connection.error();
  for (const std::string &statement : statements) {
    if (!connection.Run(statement)) return connection.error();
  }
  return "";
}

std::string Cluster::EmptyTables() {
  std::vector<std::string> databases;
  {
    Superuser connection(installation_.sockets, number_, installation_.superuser_password,
                         "postgres");
    if (!connection.Run("SELECT datname FROM pg_database WHERE datallowconn")) {
      return connection.error();
    }
    for (int i = 0; i < connection.rows(); ++i)
      databases.push_back(connection.Value(i, 0));
  }
  for (const std::string &database : databases) {
    std::string error = Execute(
        database, {"DO $$ DECLARE names text; BEGIN"
                   " SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') INTO names"
                   " FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema');"
                   " IF names IS NOT NULL THEN"
                   "  EXECUTE 'TRUNCATE ' || names || ' RESTART IDENTITY CASCADE';"
                   " END IF; END $$"});
    if (!error.empty()) return error;
  }
  return "";
}

Dump Cluster::DumpSchema(const std::string &database) {
  ProcessResult result =
      RunProcess({{installation_.binaries + "/pg_dump", "-s", "-h", installation_.sockets, "-p",
                   std::to_string(number_), "-U", "cloud_admin", "-d", database},
                  {{"PGPASSWORD", installation_.superuser_password}}});
  if (result.status != 0) return {result.errors.empty() ? "pg_dump failed" : result.errors, ""};
  return {"", WithoutRestrict(result.output)};
}

}  // namespace agent_branch::emulator
