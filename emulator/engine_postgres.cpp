#include "emulator/engine_postgres.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "emulator/copy_tree.hpp"
#include "emulator/process.hpp"
#include "emulator/request_fields.hpp"

namespace agent_branch::emulator {
namespace {

constexpr std::chrono::milliseconds kWatchInterval{250};
constexpr char kGone[] = "the timeline is gone";
constexpr int kOldestVersion = 15;  // pg_backup_start() and its kin

// Runs `work` with the cluster up, and leaves it as it was.
template <typename Work>
std::string WhileRunning(Cluster &cluster, Work work) {
  bool was_running = cluster.IsRunning();
  std::string error = cluster.Start();
  if (!error.empty()) return error;
  error = work();
  std::string stopped = was_running ? "" : cluster.Stop();
  return error.empty() ? stopped : error;
}

int AskVersion(const std::string &binaries) {
  ProcessResult result = RunProcess({{binaries + "/postgres", "--version"}, {}});
  size_t digit = result.output.find_first_of("0123456789");
  int version = digit == std::string::npos ? 0 : std::atoi(result.output.c_str() + digit);
  if (version < kOldestVersion) {
    throw std::runtime_error("PostgreSQL " + std::to_string(kOldestVersion) +
                             " or newer is needed in " + binaries);
  }
  return version;
}

std::string AlterPassword(const std::pair<std::string, std::string> &entry) {
  return "ALTER ROLE " + QuoteName(entry.first) + " PASSWORD " + QuoteLiteral(entry.second);
}

std::string MakeCopy(Cluster &source, Cluster &target, const ForkRequest &request) {
  std::string error = target.CopyFrom(source);
  if (!error.empty() || (request.passwords.empty() && !request.schema_only)) return error;
  return WhileRunning(target, [&]() -> std::string {
    if (request.schema_only) {
      std::string failure = target.EmptyTables();
      if (!failure.empty()) return failure;
    }
    std::vector<std::string> statements;
    for (const auto &entry : request.passwords)
      statements.push_back(AlterPassword(entry));
    return target.Execute("postgres", statements);
  });
}

Dump DiffTexts(const std::string &folder, const std::string &database, const std::string &base,
               const std::string &compared) {
  std::string old_path = folder + "/base.sql", new_path = folder + "/compared.sql";
  std::ofstream(old_path) << base;
  std::ofstream(new_path) << compared;
  ProcessResult result = RunProcess({{"/usr/bin/diff", "-u", "--label", "a/" + database, "--label",
                                      "b/" + database, old_path, new_path},
                                     {}});
  RemoveTree(folder);
  if (result.status > 1 || result.status < 0) return {"diff failed: " + result.errors, ""};
  return {"", result.output};
}

}  // namespace

PostgresEngine::PostgresEngine(Loop &loop, const std::string &data_directory,
                               const std::string &binaries, std::string superuser_password)
    : loop_(loop), data_(data_directory), proxy_(loop) {
  installation_ = {binaries, data_.sockets(), std::move(superuser_password)};
  proxy_.on_wake = [this](const std::string &endpoint) { on_wake(endpoint); };
  try {
    version_ = AskVersion(binaries);
  } catch (const std::runtime_error &) {
    data_.RemoveEverything();
    throw;
  }
  loop_.After(kWatchInterval, [this] { WatchClusters(); });
}

PostgresEngine::TimelinePtr PostgresEngine::Find(const std::string &name) {
  auto found = timelines_.find(name);
  return found == timelines_.end() ? nullptr : found->second;
}

PostgresEngine::TimelinePtr PostgresEngine::Make(const std::string &name) {
  auto timeline = std::make_shared<Timeline>();
  timeline->name = name;
  timeline->cluster =
      std::make_unique<Cluster>(installation_, data_.clusters() + "/" + name, next_number_++);
  if (next_number_ > 65535) next_number_ = 1;
  timelines_[name] = timeline;
  return timeline;
}

void PostgresEngine::Acquire(const TimelinePtr &timeline, std::function<void()> turn) {
  if (timeline->busy) {
    timeline->waiting.push_back(std::move(turn));
    return;
  }
  timeline->busy = true;
  turn();
}

void PostgresEngine::Release(const TimelinePtr &timeline) {
  if (timeline->waiting.empty()) {
    timeline->busy = false;
    return;
  }
  auto turn = std::move(timeline->waiting.front());
  timeline->waiting.pop_front();
  turn();
}

void PostgresEngine::RunOn(const TimelinePtr &timeline, std::function<std::string(Cluster &)> work,
                           Done done) {
  if (timeline == nullptr) return done(kGone);
  Acquire(timeline, [this, timeline, work = std::move(work), done = std::move(done)] {
    auto error = std::make_shared<std::string>();
    loop_.RunBlocking([timeline, work, error] { *error = work(*timeline->cluster); },
                      [this, timeline, done, error] {
                        Release(timeline);
                        done(*error);
                      });
  });
}

void PostgresEngine::Initialize(const std::string &timeline, const std::string &role,
                                const std::string &password, const std::string &database,
                                Done done) {
  RunOn(
      Make(timeline),
      [=](Cluster &cluster) { return cluster.Initialize(role, password, database); },
      std::move(done));
}

// The target is new: holding it while waiting for the source cannot end in a deadlock.
void PostgresEngine::Fork(ForkRequest request, Done done) {
  TimelinePtr source = Find(request.source);
  if (source == nullptr) return done(kGone);
  TimelinePtr target = Make(request.target);
  target->busy = true;
  auto release_target = [this, target, done = std::move(done)](const std::string &error) {
    Release(target);
    done(error);
  };
  RunOn(
      source,
      [target, request = std::move(request)](Cluster &cluster) {
        return MakeCopy(cluster, *target->cluster, request);
      },
      std::move(release_target));
}

void PostgresEngine::Drop(const std::string &name, Done done) {
  TimelinePtr timeline = Find(name);
  if (timeline == nullptr) return done("");
  timelines_.erase(name);
  RunOn(
      timeline,
      [](Cluster &cluster) {
        cluster.Remove();
        return std::string();
      },
      std::move(done));
}

void PostgresEngine::StartCompute(const std::string &timeline, Done done) {
  RunOn(
      Find(timeline), [](Cluster &cluster) { return cluster.Start(); }, std::move(done));
}

void PostgresEngine::StopCompute(const std::string &timeline, Done done) {
  RunOn(
      Find(timeline), [](Cluster &cluster) { return cluster.Stop(); }, std::move(done));
}

void PostgresEngine::Execute(const std::string &timeline, const std::string &database,
                             std::vector<std::string> statements, Done done) {
  RunOn(
      Find(timeline),
      [database, statements = std::move(statements)](Cluster &cluster) {
        return WhileRunning(cluster, [&] { return cluster.Execute(database, statements); });
      },
      std::move(done));
}

void PostgresEngine::DumpSchema(const std::string &timeline, const std::string &database,
                                std::function<void(Dump)> done) {
  auto dump = std::make_shared<Dump>();
  RunOn(
      Find(timeline),
      [database, dump](Cluster &cluster) {
        return WhileRunning(cluster, [&] {
          *dump = cluster.DumpSchema(database);
          return dump->error;
        });
      },
      [dump, done = std::move(done)](const std::string &error) {
        done({error, std::move(dump->sql)});
      });
}

void PostgresEngine::CompareSchemas(const std::string &base, const std::string &compared,
                                    const std::string &database, std::function<void(Dump)> done) {
  std::string folder = data_.clusters() + "/diff" + std::to_string(next_number_++);
  DumpSchema(base, database, [=](const Dump &old_dump) {
    if (!old_dump.error.empty()) return done(old_dump);
    DumpSchema(compared, database, [=](const Dump &new_dump) {
      if (!new_dump.error.empty()) return done(new_dump);
      auto result = std::make_shared<Dump>();
      loop_.RunBlocking(
          [=] {
            mkdir(folder.c_str(), 0700);
            *result = DiffTexts(folder, database, old_dump.sql, new_dump.sql);
          },
          [=] { done(*result); });
    });
  });
}

EndpointAddress PostgresEngine::OpenEndpoint(const std::string &endpoint) {
  return proxy_.Open(endpoint);
}

void PostgresEngine::ServeEndpoint(const std::string &endpoint, const std::string &name) {
  TimelinePtr timeline = Find(name);
  if (timeline == nullptr) return proxy_.Refuse(endpoint);
  proxy_.Serve(endpoint, timeline->cluster->socket_path());
}

std::string PostgresEngine::Uri(const std::string &role, const std::string &password,
                                const std::string &host, const std::string &database) {
  return "postgresql://" + role + ":" + password + "@" + host + "/" + database + "?sslmode=disable";
}

void PostgresEngine::WatchClusters() {
  std::vector<std::string> lost;
  for (const auto &[name, timeline] : timelines_) {
    if (!timeline->busy && timeline->cluster->HasDied()) lost.push_back(name);
  }
  for (const std::string &name : lost)
    on_lost(name);
  loop_.After(kWatchInterval, [this] { WatchClusters(); });
}

void PostgresEngine::Shutdown() {
  BeginShutdown();
  loop_.JoinThreads();
  EndProcesses();
  // A waiting turn holds the timeline in whose queue it waits.
  for (auto &[name, timeline] : timelines_)
    timeline->waiting.clear();
  data_.RemoveEverything();
}

}  // namespace agent_branch::emulator
