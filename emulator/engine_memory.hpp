// The engine without data: everything succeeds at once. For load and for tests of the protocol.
#pragma once

#include <string>

#include "emulator/engine.hpp"

namespace agent_branch::emulator {

class MemoryEngine : public Engine {
 public:
  // fixed_uri: what is handed out as every endpoint's connection URI; empty: a plausible one.
  explicit MemoryEngine(std::string fixed_uri) : fixed_uri_(std::move(fixed_uri)) {}

  void Initialize(const std::string &, const std::string &, const std::string &,
                  const std::string &, Done done) override {
    done("");
  }
  void Fork(ForkRequest, Done done) override { done(""); }
  void Drop(const std::string &, Done done) override { done(""); }
  void StartCompute(const std::string &, Done done) override { done(""); }
  void StopCompute(const std::string &, Done done) override { done(""); }
  void Execute(const std::string &, const std::string &, std::vector<std::string>,
               Done done) override {
    done("");
  }
  void DumpSchema(const std::string &, const std::string &,
                  std::function<void(Dump)> done) override {
    done({});
  }
  void CompareSchemas(const std::string &, const std::string &, const std::string &,
                      std::function<void(Dump)> done) override {
    done({});
  }
  EndpointAddress OpenEndpoint(const std::string &endpoint) override;
  void CloseEndpoint(const std::string &) override {}
  void ServeEndpoint(const std::string &, const std::string &) override {}
  void HoldEndpoint(const std::string &) override {}
  void RefuseEndpoint(const std::string &) override {}
  void DropConnections(const std::string &) override {}
  std::optional<std::chrono::seconds> IdleTime(const std::string &) override {
    return std::nullopt;
  }
  std::string Uri(const std::string &role, const std::string &password, const std::string &host,
                  const std::string &database) override;
  int PostgresVersion() const override { return 17; }
  bool KeepsData() const override { return false; }
  void Shutdown() override {}

 private:
  std::string fixed_uri_;
};

}  // namespace agent_branch::emulator
