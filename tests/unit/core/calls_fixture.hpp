// ApiCalls with fakes around it, two projects, and a record of what it tells.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/core/fakes.hpp"
#include "worker/core/neon/api_calls.hpp"

namespace agent_branch {

struct CallsFixture {
  CallsFixture() {
    settings.api_url = "https://neon.test/api/v2";
    project.row.id = 1;
    project.row.neon_id = "p1";
    other.row.id = 2;
    other.row.neon_id = "p2";
    Restart();
  }

  void Restart() {
    calls = std::make_unique<ApiCalls>(
        ApiCalls::Services{&http, &journal, &keys, nullptr, &clock, &random, &settings});
  }

  uint64_t Read(const std::string &method, const std::string &path,
                Priority priority = Priority::kCreate, Project *of = nullptr) {
    return Enqueue({method, path, {}, method + " x"}, priority, of, std::nullopt);
  }
  uint64_t Change(const std::string &method, const std::string &path, const std::string &body = {},
                  Project *of = nullptr) {
    return Enqueue({method, path, body, method + " x"}, Priority::kCreate, of,
                   StepKind::kCreateBranch);
  }

  // Dispatches and commits.
  void Turn() {
    calls->Dispatch();
    for (const Mutation &mutation : journal.batch().mutations) {
      const auto *step = std::get_if<StepRow>(&mutation);
      steps_intended += step != nullptr && step->status == "intended" ? 1 : 0;
    }
    journal.Committed();
  }
  // Answers the n-th request that was sent.
  void Answer(size_t n, int status, const std::string &body = R"({"operations":[]})") {
    calls->OnCompletion(FakeTransport::Answer(http.sent.at(n).id, status, body));
  }
  // Paths, in the order they were sent.
  std::vector<std::string> Sent() const {
    std::vector<std::string> paths;
    for (const auto &sent : http.sent)
      paths.push_back(sent.request.url.substr(settings.api_url.size()));
    return paths;
  }

  FakeTransport http;
  Journal journal{0};
  FakeKeys keys;
  FakeClock clock;
  FakeRandom random;
  Settings settings;
  Project project;
  Project other;
  std::unique_ptr<ApiCalls> calls;
  std::vector<std::string> ended;     // "path kind"
  std::vector<std::string> troubles;  // "path message", "path over"
  int steps_intended = 0;

 private:
  uint64_t Enqueue(NeonRequest request, Priority priority, Project *of,
                   std::optional<StepKind> step) {
    ApiCall call;
    call.priority = priority;
    call.project = of == nullptr ? &project : of;
    std::string path = request.path;
    call.request = std::move(request);
    call.step = step;
    call.done = [this, path](const ApiAnswer &answer, const StepRow &) {
      std::string kind = answer.classified.kind == ResponseKind::kDone      ? "done"
                         : answer.classified.kind == ResponseKind::kUnknown ? "unknown"
                                                                            : "refused";
      ended.push_back(path + " " + kind);
    };
    call.trouble = [this, path](const Status &why) {
      troubles.push_back(path + " " + (why.ok() ? "over" : why.message()));
    };
    return calls->Enqueue(std::move(call));
  }
};

}  // namespace agent_branch
