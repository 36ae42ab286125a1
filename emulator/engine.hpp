// What holds the branches' data and computes. The service decides; an engine only carries out.
//
// Data lives in timelines, named by the service: a branch has one, and a restore gives it another.
// An endpoint is an address; it is pointed at a timeline while its compute runs. All methods are
// called on the loop's thread and return at once; `Done` comes later or during the call, with an
// empty text or the reason of the failure. Steps on one timeline run in the order of the calls.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace agent_branch::emulator {

struct EndpointAddress {
  std::string host;  // host[:port]
  std::string pooler_host;
};

struct ForkRequest {
  std::string source;
  std::string target;
  bool schema_only = false;
  // Passwords to set in the copy; the others are the source's.
  std::vector<std::pair<std::string, std::string>> passwords;
};

struct Dump {
  std::string error;  // empty: done
  std::string sql;
};

class Engine {
 public:
  using Done = std::function<void(const std::string &error)>;

  virtual ~Engine() = default;

  // A new, empty timeline with one role and one database owned by it.
  virtual void Initialize(const std::string &timeline, const std::string &role,
                          const std::string &password, const std::string &database, Done done) = 0;
  virtual void Fork(ForkRequest request, Done done) = 0;
  virtual void Drop(const std::string &timeline, Done done) = 0;
  virtual void StartCompute(const std::string &timeline, Done done) = 0;
  virtual void StopCompute(const std::string &timeline, Done done) = 0;
  // Runs statements as the superuser; starts a compute for as long as it takes if none runs.
  virtual void Execute(const std::string &timeline, const std::string &database,
                       std::vector<std::string> statements, Done done) = 0;
  virtual void DumpSchema(const std::string &timeline, const std::string &database,
                          std::function<void(Dump)> done) = 0;
  // A unified diff with the labels a/<database> and b/<database>; empty when equal.
  virtual void CompareSchemas(const std::string &base, const std::string &compared,
                              const std::string &database, std::function<void(Dump)> done) = 0;

  // Throws std::runtime_error when no address is free.
  virtual EndpointAddress OpenEndpoint(const std::string &endpoint) = 0;
  virtual void CloseEndpoint(const std::string &endpoint) = 0;
  virtual void ServeEndpoint(const std::string &endpoint, const std::string &timeline) = 0;
  virtual void HoldEndpoint(const std::string &endpoint) = 0;    // connecting wakes it
  virtual void RefuseEndpoint(const std::string &endpoint) = 0;  // drops connections, takes none
  virtual void DropConnections(const std::string &endpoint) = 0;
  // How long a served endpoint has had no connection; nothing while it has one.
  virtual std::optional<std::chrono::seconds> IdleTime(const std::string &endpoint) = 0;

  virtual std::string Uri(const std::string &role, const std::string &password,
                          const std::string &host, const std::string &database) = 0;
  virtual int PostgresVersion() const = 0;  // major
  virtual bool KeepsData() const = 0;       // false: nothing behind it, any wish is granted
  virtual void Shutdown() = 0;              // blocks until nothing is left, on disk or running

  // Set by the service: a client came to a held endpoint; a timeline's compute died by itself.
  std::function<void(const std::string &endpoint)> on_wake;
  std::function<void(const std::string &timeline)> on_lost;
};

}  // namespace agent_branch::emulator
