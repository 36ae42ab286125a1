#include "tests/simulation/network.hpp"

#include <algorithm>
#include <utility>

namespace agent_branch::simulation {
namespace {

constexpr std::string_view kApi = "https://neon.test/api/v2/projects/";
constexpr milliseconds kTimeout{60'000};
constexpr int64_t kRepeated = 5'000;  // milliseconds from the first to the last of one request

std::string ProjectOf(const HttpRequest &request) {
  std::string path = request.url.substr(std::min(request.url.size(), kApi.size()));
  return path.substr(0, path.find_first_of("/?"));
}

// The path with its ids left out.
std::string RouteOf(const HttpRequest &request) {
  std::string path = request.url.substr(0, request.url.find('?'));
  std::string route = request.method;
  size_t begin = std::min(path.size(), kApi.size());
  for (int part = 0; begin < path.size(); ++part) {
    size_t end = std::min(path.find('/', begin), path.size());
    bool is_id = part % 2 == 0;
    if (!is_id) route += " " + path.substr(begin, end - begin);
    begin = end + 1;
    if (is_id) route += "/";
  }
  return route;
}

HttpResponse Make(int status, std::string body) {
  HttpResponse response;
  response.outcome = HttpOutcome::kAnswered;
  response.status = status;
  response.body = std::move(body);
  return response;
}

}  // namespace

void Network::Send(uint64_t id, HttpRequest request) {
  JudgeRate(request);
  Exchange exchange;
  exchange.is_change = request.method != "GET";
  exchange.project = ProjectOf(request);
  exchange.sent_at = clock_->Now();
  exchange.request = std::move(request);
  const HttpRequest &sent = exchanges_.emplace(id, std::move(exchange)).first->second.request;
  if (witness_->tracing()) {
    witness_->Note("send " + std::to_string(id) + ": " + sent.method + " " +
                   sent.url.substr(kApi.size()) + (sent.body.empty() ? "" : " ") + sent.body);
  }
  milliseconds travel = neon_->Paced(chance_->Delay(5, 40));
  if (chance_->Happens(faults_->slow)) travel = chance_->Delay(1'000, 20'000);
  if (chance_->Happens(faults_->not_sent)) {
    Fail(id, travel, HttpOutcome::kNotSent);
  } else if (chance_->Happens(faults_->request_lost)) {
    Fail(id, chance_->Happens(0.5) ? kTimeout : travel, HttpOutcome::kUnknown);
  } else if (chance_->Happens(faults_->arrives_late)) {
    ArriveLater(sent, clock_->Now(), chance_->Delay(0, kTimeout.count()));
    Fail(id, travel, HttpOutcome::kUnknown);
  } else {
    // Who repeats a request has got no answer to the first one, and passes on that to the last. The
    // first one may still be on its way; but not for minutes, or nothing could be told of anything.
    bool twice = chance_->Happens(faults_->sent_twice);
    milliseconds apart = twice ? chance_->Delay(-kRepeated, kRepeated) : milliseconds(0);
    if (twice) ArriveLater(sent, clock_->Now(), travel + std::max(-apart, milliseconds(0)));
    LetArrive(id, travel + std::max(apart, milliseconds(0)));
  }
}

void Network::JudgeRate(const HttpRequest &request) {
  Instant now = clock_->Now();
  std::string key = KeyOf(request);
  std::deque<Instant> &sent = sent_[key];
  sent.push_back(now);
  while (sent.front() <= now - milliseconds(60'000))
    sent.pop_front();
  if (sent.size() > static_cast<size_t>(settings->rate_limit_per_minute)) {
    witness_->Violation("more requests in a minute than the settings allow");
  }
  std::string route = RouteOf(request);
  std::deque<Instant> &of_route = sent_by_route_[key + route];
  of_route.push_back(now);
  while (of_route.front() <= now - milliseconds(1'000))
    of_route.pop_front();
  if (of_route.size() > static_cast<size_t>(settings->rate_limit_burst)) {
    witness_->Violation("more requests in a second than the settings allow: " + route);
  }
}

void Network::LetArrive(uint64_t id, milliseconds after) {
  agenda_->Put(clock_->Now() + after, [this, id, incarnation = incarnation_] {
    if (incarnation == incarnation_) Arrive(id);
  });
}

void Network::ArriveLater(const HttpRequest &request, Instant sent_at, milliseconds after) {
  agenda_->Put(clock_->Now() + after, [this, request, sent_at] {
    std::vector<std::string> operations;
    HttpResponse response = Execute(request, false, sent_at, &operations);
    if (witness_->tracing()) {
      witness_->Note("late: " + request.method + " " + request.url.substr(kApi.size()) + " -> " +
                     std::to_string(response.status));
    }
  });
}

void Network::Arrive(uint64_t id) {
  auto found = exchanges_.find(id);
  if (found == exchanges_.end()) return;
  const HttpRequest &request = found->second.request;
  bool is_change = found->second.is_change;
  if (is_change && chance_->Happens(faults_->check_runs)) {
    ModelProject &project = neon_->projects[found->second.project];
    if (!project.busy()) {
      neon_->AddOperation(project, "", "check_availability", chance_->Delay(500, 8'000));
    }
  }
  milliseconds back = neon_->Paced(chance_->Delay(5, 40));
  HttpResponse response;
  if (Inject(request, &response) || InjectWrong(request, &response)) {
    Answer(id, back, std::move(response));
    return;
  }
  std::vector<std::string> operations;
  bool broken = chance_->Happens(faults_->broken);
  bool had_effect = !broken || chance_->Happens(0.5);
  if (had_effect) response = Execute(request, true, found->second.sent_at, &operations);
  if (broken) {
    static constexpr int kStatuses[] = {500, 502, 504, 524};
    int status = kStatuses[chance_->Between(0, 3)];
    Answer(id, back, Make(status, "<html><body>" + std::to_string(status) + "</body></html>"));
  } else if (chance_->Happens(faults_->answer_lost)) {
    Fail(id, chance_->Happens(0.5) ? kTimeout : back, HttpOutcome::kUnknown);
  } else {
    bool garbled = response.status < 300 && chance_->Happens(faults_->garbled);
    if (garbled) NoteGarbled(request);
    if (garbled) response.body = chance_->Happens(0.5) ? "{}" : "<html>hello</html>";
    if (garbled) operations.clear();
    if (!garbled && malice_.Happens(faults_->wrong)) Twist(request, &response);
    Answer(id, back, std::move(response), std::move(operations));
  }
  if (had_effect && is_change && chance_->Happens(faults_->crash_after_effect)) after_effect();
}

void Network::NoteGarbled(const HttpRequest &request) {
  constexpr std::string_view kBranches = "/branches/";
  size_t at = request.url.find(kBranches);
  if (at == std::string::npos) return;
  std::string id = request.url.substr(at + kBranches.size());
  neon_->harms->Note(Harm::kAnswerGarbled, id.substr(0, id.find_first_of("/?")));
}

HttpResponse Network::Execute(const HttpRequest &request, bool on_time, Instant sent_at,
                              std::vector<std::string> *operations) {
  ModelNeon::Answer answer = neon_->Handle(request, on_time, sent_at);
  *operations = std::move(answer.operations);
  return Make(answer.status, std::move(answer.body));
}

bool Network::Inject(const HttpRequest &request, HttpResponse *response) {
  if (request.method != "GET" && chance_->Happens(faults_->busy)) {
    *response = Make(423, R"({"message":"endpoint is in some transitive state"})");
  } else if (chance_->Happens(faults_->throttled)) {
    *response = Make(429, R"({"code":"","message":"rate limit exceeded"})");
    if (chance_->Happens(0.5))
      response->retry_after = std::chrono::seconds(chance_->Between(0, 20));
  } else if (chance_->Happens(faults_->unavailable)) {
    *response = Make(503, "<html>503</html>");
  } else {
    return false;
  }
  return true;
}

// An answer that says another thing than it seems to; nothing was done.
bool Network::InjectWrong(const HttpRequest &request, HttpResponse *response) {
  if (!malice_.Happens(faults_->wrong)) return false;
  const bool restores = request.url.find("/restore") != std::string::npos;
  switch (malice_.Between(0, 2)) {
    case 0:
      *response = Make(403, R"({"code":"","message":"blocked by a firewall"})");
      return true;
    case 1:
      if (request.method != "GET" || request.url.find("/branches/") == std::string::npos)
        return false;
      *response = Make(404, R"({"code":"","message":"branch not found"})");
      return true;
    default:
      if (!restores) return false;
      *response = Make(409, R"({"code":"","message":"the project is being moved"})");
      return true;
  }
}

// What was done is told of another branch, or in a word that nobody knows.
void Network::Twist(const HttpRequest &request, HttpResponse *response) {
  std::string &body = response->body;
  const ModelProject &project = neon_->projects[ProjectOf(request)];
  constexpr std::string_view kBranch = "{\"branch\":";
  const bool of_branch = body.rfind(kBranch, 0) == 0;
  if (of_branch && malice_.Happens(0.5)) {
    const size_t end = body.find('}');
    body = std::string(kBranch) + BranchJson(project, project.branches.begin()->second) +
           body.substr(std::min(body.size(), end + 1));
    return;
  }
  constexpr std::string_view kRunning = "\"status\":\"running\"";
  for (size_t at = body.find(kRunning); at != std::string::npos; at = body.find(kRunning))
    body.replace(at, kRunning.size(), "\"status\":\"waiting_for_tide\"");
}

void Network::Answer(uint64_t id, milliseconds after, HttpResponse response,
                     std::vector<std::string> operations) {
  HttpCompletion completion;
  completion.id = id;
  completion.response = std::move(response);
  agenda_->Put(
      clock_->Now() + after, [this, incarnation = incarnation_, completion = std::move(completion),
                              operations = std::move(operations)] {
        if (incarnation != incarnation_ || exchanges_.erase(completion.id) == 0) return;
        if (witness_->tracing()) {
          const HttpResponse &told = completion.response;
          witness_->Note("answer " + std::to_string(completion.id) + ": " +
                         (told.outcome == HttpOutcome::kAnswered
                              ? std::to_string(told.status) + " " + told.body.substr(0, 160)
                              : told.error.message()));
        }
        neon_->Told(operations);
        deliver(completion);
      });
}

void Network::Fail(uint64_t id, milliseconds after, HttpOutcome outcome) {
  HttpResponse response;
  response.outcome = outcome;
  response.error = outcome == HttpOutcome::kNotSent
                       ? Status::Error("08001", "could not connect")
                       : Status::Error("08006", "the connection was lost");
  Answer(id, after, std::move(response));
}

void Network::Cancel(uint64_t id) {
  // What was sent may still have its effect; only the answer is not wanted any more.
  exchanges_.erase(id);
}

void Network::Crash() {
  ++incarnation_;
  for (const auto &[id, exchange] : exchanges_) {
    // Whether it had arrived already is not looked at: arriving twice is possible as well.
    if (exchange.is_change && chance_->Happens(0.3)) {
      ArriveLater(exchange.request, exchange.sent_at, chance_->Delay(0, 20'000));
    }
  }
  exchanges_.clear();
  // Neon counts on, whoever has forgotten what was sent.
  if (!keeps_count) {
    sent_.clear();
    sent_by_route_.clear();
  }
  neon_->Forgotten();
}

}  // namespace agent_branch::simulation
