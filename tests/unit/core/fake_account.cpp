#include "tests/unit/core/fake_account.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "worker/core/neon/annotation.hpp"

namespace agent_branch {
namespace {

constexpr std::string_view kBase = "https://neon.test/api/v2";
constexpr char kMark[] = "agent-branch-project";

std::string ProjectJson(const AccountProject &project) {
  return "{" + JsonText("id", project.id) + "," + JsonText("name", project.name) + "}";
}

std::string Parameter(const std::string &query, const std::string &name) {
  const size_t at = ("&" + query).find("&" + name + "=");
  if (at == std::string::npos) return {};
  const std::string rest = query.substr(at + name.size() + 1);
  return rest.substr(0, rest.find('&'));
}

}  // namespace

void FakeAccount::Cancel(uint64_t id) {
  std::erase_if(queue_, [id](const auto &sent) { return sent.first == id; });
}

std::vector<HttpCompletion> FakeAccount::TakeCompletions() {
  std::vector<HttpCompletion> completions;
  for (const auto &[id, request] : std::exchange(queue_, {})) {
    HttpCompletion completion;
    completion.id = id;
    completion.response = Handle(request);
    completions.push_back(std::move(completion));
  }
  return completions;
}

void FakeAccount::HangUp(bool requests_arrive) {
  if (requests_arrive) TakeCompletions();
  queue_.clear();
}

AccountProject &FakeAccount::Add(const std::string &name, const std::string &mark) {
  AccountProject &project = projects.emplace_back();
  project.id = "project-" + std::to_string(next_++);
  project.name = name;
  project.listed_at = clock_->Now() + shows_after;
  FakeBranch first;
  first.id = "br-" + std::to_string(next_++);
  first.name = "production";
  first.is_default = true;
  if (!mark.empty()) first.annotation[kMark] = mark;
  project.branches.push_back(first);
  return project;
}

size_t FakeAccount::Count(const std::string &call) const {
  return static_cast<size_t>(std::count_if(calls.begin(), calls.end(), [&](const auto &made) {
    return made.compare(0, call.size(), call) == 0;
  }));
}

HttpResponse FakeAccount::Handle(const HttpRequest &request) {
  EXPECT_EQ(request.url.rfind(kBase, 0), 0U) << request.url;
  calls.push_back(request.method + " " + request.url.substr(kBase.size()));
  if (look) look(request);
  HttpResponse unknown;
  unknown.error = Status::Error("08006", "connection reset");
  const auto found = faults.find(calls.size());
  if (found == faults.end()) return Respond(request);
  const Fault &fault = found->second;
  if (fault.kind == Fault::Kind::kLoseRequest) return unknown;
  if (fault.kind == Fault::Kind::kAnswer) return Answered(fault.status, fault.body);
  HttpResponse done = Respond(request);
  // Lost; or, of one that is repeated on the way, the answer to the second.
  return fault.kind == Fault::Kind::kRepeat ? Answered(fault.status, fault.body) : unknown;
}

HttpResponse FakeAccount::Respond(const HttpRequest &request) {
  const std::string path = request.url.substr(kBase.size(), request.url.find('?') - kBase.size());
  const size_t question = request.url.find('?');
  const std::string query =
      question == std::string::npos ? std::string() : request.url.substr(question + 1);
  JsonDocument body;
  if (!request.body.empty()) body = std::move(ParseJson(request.body).value());
  if (path == "/projects")
    return request.method == "POST" ? CreateProject(body) : ListProjects(query);
  const std::string rest = path.substr(std::string("/projects/").size());
  const std::string id = rest.substr(0, rest.find('/'));
  const auto project = std::find_if(projects.begin(), projects.end(),
                                    [&](const AccountProject &one) { return one.id == id; });
  if (project == projects.end()) return Refused(404, "project not found");
  const std::string below = rest.substr(std::min(id.size(), rest.size()));
  if (below == "/branches" && request.method == "POST") return CreateBranch(*project, body);
  if (below == "/branches" && project->forgets_branches) return Refused(404, "project not found");
  if (below == "/branches") {
    std::string list;
    std::string annotations;
    for (const FakeBranch &branch : project->branches) {
      list += (list.empty() ? "" : ",") + BranchJson(branch);
      const auto mark = branch.annotation.find(kMark);
      if (mark == branch.annotation.end()) continue;
      annotations = "\"" + branch.id + "\":{\"value\":{" + JsonText(kMark, mark->second) + "}}";
    }
    return Answered(200, "{\"branches\":[" + list + "],\"annotations\":{" + annotations + "}}");
  }
  const std::string status = operations_fail ? "failed" : "finished";
  const std::string operation = "{" + JsonText("id", "op") + "," + JsonText("action", "create") +
                                "," + JsonText("status", status) + "}";
  if (below == "/operations") return Answered(200, "{\"operations\":[" + operation + "]}");
  return Answered(200, "{\"operation\":" + operation + "}");
}

std::string FakeAccount::Operations(const std::string &branch_id) {
  return "\"operations\":[{" + JsonText("id", "op") + "," + JsonText("branch_id", branch_id) + "," +
         JsonText("action", "create") + "," + JsonText("status", "running") + "}]";
}

HttpResponse FakeAccount::CreateProject(const JsonDocument &body) {
  const JsonValue *wanted = JsonMember(&body, "project");
  if (sets_computes && JsonMember(wanted, "default_endpoint_settings") != nullptr)
    return Refused(412, "any explicit value is rejected");
  const JsonValue *branch = JsonMember(wanted, "branch");
  const AccountProject &made =
      Add(JsonString(wanted, "name"), JsonString(JsonMember(branch, "annotations"), kMark));
  const FakeBranch &first = made.branches.front();
  return Answered(201, "{\"project\":" + ProjectJson(made) + ",\"branch\":" + BranchJson(first) +
                           "," + Operations(first.id) + "}");
}

HttpResponse FakeAccount::CreateBranch(AccountProject &project, const JsonDocument &body) {
  const JsonValue *wanted = JsonMember(&body, "branch");
  const JsonValue *endpoints = JsonArray(&body, "endpoints");
  const bool sized = endpoints != nullptr && !endpoints->Empty() &&
                     JsonNumber(&(*endpoints)[0], "autoscaling_limit_min_cu").has_value();
  if (sets_computes && sized) return Refused(412, "any explicit value is rejected");
  FakeBranch branch;
  branch.id = "br-" + std::to_string(next_++);
  branch.name = JsonString(wanted, "name");
  branch.parent_id = JsonString(wanted, "parent_id");
  for (const FakeBranch &other : project.branches)
    if (other.name == branch.name) return Refused(409, "branch already exists");
  project.branches.push_back(branch);
  return Answered(201, "{\"branch\":" + BranchJson(branch) + "," + Operations(branch.id) + "}");
}

HttpResponse FakeAccount::ListProjects(const std::string &query) const {
  const std::string search = Parameter(query, "search");
  const std::string cursor = Parameter(query, "cursor");
  if (endless) {
    return Answered(200, "{\"projects\":[{" + JsonText("id", "other") + "," +
                             JsonText("name", "other") + "}],\"pagination\":{" +
                             JsonText("cursor", cursor == "tick" ? "tock" : "tick") + "}}");
  }
  std::string list;
  int count = 0;
  size_t at = cursor.empty() ? 0 : std::stoul(cursor);
  for (; at < projects.size() && count < page_size; ++at) {
    const bool shows = projects[at].name.find(search) != std::string::npos &&
                       projects[at].listed_at <= clock_->Now();
    if (!shows) continue;
    list += (count++ == 0 ? "" : ",") + ProjectJson(projects[at]);
  }
  return Answered(200, "{\"projects\":[" + list + "],\"pagination\":{" +
                           JsonText("cursor", std::to_string(at)) + "}}");
}

Result<std::vector<ProvisionRow>> FakeProvisions::Provisions() {
  std::vector<ProvisionRow> all;
  for (const auto &[id, row] : rows)
    all.push_back(row);
  return all;
}

Status FakeProvisions::IntendProvision(const ProvisionRow &row) {
  if (Fails()) return Status::Error("53100", "no space left on device");
  if (rows.count(row.id) == 0) return Status::Error("02000", "the project has been given up");
  rows.at(row.id).asked = true;
  return {};
}

Status FakeProvisions::RecordProvision(const ProvisionRow &row, const std::string &outcome,
                                       const std::string &) {
  if (Fails()) return Status::Error("53100", "no space left on device");
  outcomes.push_back(outcome);
  rows.at(row.id).neon_id = row.neon_id;
  rows.at(row.id).asked = false;
  return {};
}

Status FakeProvisions::ShowProvision(int64_t, const std::string &error) {
  if (!error.empty()) shown.push_back(error);
  return {};
}

Status FakeProvisions::RegisterProvision(const ProvisionRow &row) {
  if (Fails()) return Status::Error("53100", "no space left on device");
  registered.push_back(row.neon_id);
  rows.erase(row.id);
  return {};
}

ProvisionDriver::ProvisionDriver() {
  settings_.api_url = "https://neon.test/api/v2";
  settings_.reap_interval = 0;
  ProvisionRow row;
  row.id = 7;
  row.name = "shop";
  row.mark = "ours";
  row.production = "production";
  row.parent = "development";
  row.database = "app";
  row.role = "owner";
  table.rows[row.id] = row;
}

void ProvisionDriver::Restart(bool requests_arrive) {
  account.HangUp(requests_arrive);
  engine_.reset();
  Engine::Services services{&account,  &branches_, &store_,  &keys_,    nullptr,
                            &scripts_, &clock,     &random_, &settings_};
  services.provisions = &table;
  engine_ = std::make_unique<Engine>(services, store_.Load().value());
}

void ProvisionDriver::CrashAt(size_t request, bool requests_arrive) {
  crash_at_ = request;
  requests_arrive_ = requests_arrive;
}

void ProvisionDriver::Turn() {
  for (const HttpCompletion &completion : account.TakeCompletions())
    engine_->OnHttp(completion);
  do {
    engine_->Advance();
    if (!engine_->HasBatch()) continue;
    const bool writes = !engine_->batch().mutations.empty();
    EXPECT_TRUE(!writes || store_.Commit(engine_->batch()).ok());
    engine_->Committed();
  } while (engine_->HasWork());
  if (crash_at_ == 0 || account.calls.size() + 1 < crash_at_) return;
  crash_at_ = 0;
  Restart(requests_arrive_);
  Turn();
}

bool ProvisionDriver::RunUntilRegistered() {
  const Instant end = clock.Now() + milliseconds(86'400'000);
  if (!engine_) Restart(true);
  while (table.registered.empty() && clock.Now() < end) {
    const size_t before = account.calls.size();
    Turn();
    if (account.calls.size() != before) continue;
    const std::optional<Instant> next = engine_->NextDeadline();
    clock.AdvanceTo(next ? std::max(*next, clock.Now() + milliseconds(1)) : end);
  }
  return !table.registered.empty();
}

}  // namespace agent_branch
