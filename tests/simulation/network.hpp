// Between the worker and Neon: requests take time, get lost, arrive late or twice, and so do their
// answers.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>

#include "tests/simulation/faults.hpp"
#include "tests/simulation/model_neon.hpp"
#include "worker/core/state/store.hpp"

namespace agent_branch::simulation {

class Network : public HttpTransport {
 public:
  Network(VirtualClock *clock, Agenda *agenda, Chance *chance, Witness *witness, ModelNeon *neon,
          const Faults *faults, uint64_t seed)
      : clock_(clock),
        agenda_(agenda),
        chance_(chance),
        witness_(witness),
        neon_(neon),
        faults_(faults),
        malice_(seed) {}

  // The settings that the worker has to keep to.
  const Settings *settings = nullptr;
  // Takes what the worker is to be told, at the time at which it is told.
  std::function<void(HttpCompletion)> deliver;
  std::function<void()> after_effect;
  // Whether what was sent before a crash counts for the limits after it.
  bool keeps_count = false;

  void Send(uint64_t id, HttpRequest request) override;
  void Cancel(uint64_t id) override;

  // The worker is gone: no answer reaches anybody, but what was on its way may arrive.
  void Crash();
  size_t under_way() const { return exchanges_.size(); }

 private:
  struct Exchange {
    HttpRequest request;
    bool is_change = false;
    std::string project;
    Instant sent_at{0};
  };

  void JudgeRate(const HttpRequest &request);
  void LetArrive(uint64_t id, milliseconds after);
  void Arrive(uint64_t id);
  HttpResponse Execute(const HttpRequest &request, bool on_time, Instant sent_at,
                       std::vector<std::string> *operations);
  void NoteGarbled(const HttpRequest &request);
  bool InjectWrong(const HttpRequest &request, HttpResponse *response);
  void Twist(const HttpRequest &request, HttpResponse *response);
  bool Inject(const HttpRequest &request, HttpResponse *response);
  void Answer(uint64_t id, milliseconds after, HttpResponse response,
              std::vector<std::string> operations = {});
  void Fail(uint64_t id, milliseconds after, HttpOutcome outcome);
  void ArriveLater(const HttpRequest &request, Instant sent_at, milliseconds after);

  VirtualClock *clock_;
  Agenda *agenda_;
  Chance *chance_;
  Witness *witness_;
  ModelNeon *neon_;
  const Faults *faults_;
  // Draws which answers are wrong, so that all other draws are the same with them and without.
  Chance malice_;
  uint64_t incarnation_ = 0;
  std::map<uint64_t, Exchange> exchanges_;
  std::map<std::string, std::deque<Instant>> sent_;           // by key
  std::map<std::string, std::deque<Instant>> sent_by_route_;  // by key and route
};

}  // namespace agent_branch::simulation
