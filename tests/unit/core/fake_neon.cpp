#include "tests/unit/core/fake_neon.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "worker/core/base/timestamp.hpp"

namespace agent_branch {
namespace {

constexpr char kBase[] = "https://neon.test/api/v2/projects/p1";

std::string AnnotationJson(const FakeBranch &branch) {
  std::string values;
  for (const auto &[key, value] : branch.annotation)
    values += (values.empty() ? "" : ",") + JsonText(key, value);
  return "{\"value\":{" + values + "}}";
}

std::string Unescape(const std::string &text) {
  std::string plain;
  for (size_t n = 0; n < text.size(); ++n) {
    bool escaped = text[n] == '%' && n + 2 < text.size();
    plain += escaped ? static_cast<char>(std::stoi(text.substr(n + 1, 2), nullptr, 16)) : text[n];
    if (escaped) n += 2;
  }
  return plain;
}

}  // namespace

HttpResponse Answered(int status, std::string body) {
  HttpResponse response;
  response.outcome = HttpOutcome::kAnswered;
  response.status = status;
  response.body = std::move(body);
  return response;
}

HttpResponse Refused(int status, const std::string &message, const std::string &code) {
  return Answered(status, R"({"code":")" + code + R"(","message":")" + message + "\"}");
}

std::string JsonText(const std::string &name, const std::string &value) {
  return "\"" + name + "\":\"" + value + "\"";
}

std::string BranchJson(const FakeBranch &branch) {
  std::string json = "{" + JsonText("id", branch.id) + "," + JsonText("name", branch.name) + "," +
                     JsonText("current_state", "ready") + "," +
                     JsonText("created_at", "2026-06-01T00:00:00Z") +
                     ",\"default\":" + (branch.is_default ? "true" : "false") +
                     ",\"protected\":" + (branch.is_protected ? "true" : "false");
  if (!branch.parent_id.empty()) json += "," + JsonText("parent_id", branch.parent_id);
  if (!branch.expires_at.empty()) json += "," + JsonText("expires_at", branch.expires_at);
  if (!branch.last_reset_at.empty()) json += "," + JsonText("last_reset_at", branch.last_reset_at);
  return json + "}";
}

std::string FakeUri(const std::string &branch_id, bool pooled) {
  return "postgresql://owner:secret@ep-" + branch_id + (pooled ? "-pooler" : "") + ".test/shop";
}

FakeNeon::FakeNeon(FakeClock *clock) : clock_(clock) {
  FakeBranch main;
  main.id = "br-main";
  main.name = "main";
  main.is_default = true;
  branches[main.id] = main;
  FakeBranch dev;
  dev.id = "br-dev";
  dev.name = "dev";
  dev.parent_id = "br-main";
  branches[dev.id] = dev;
}

void FakeNeon::Send(uint64_t id, HttpRequest request) {
  queue_.emplace_back(id, std::move(request));
}

void FakeNeon::Cancel(uint64_t id) {
  queue_.erase(std::remove_if(queue_.begin(), queue_.end(),
                              [id](const auto &sent) { return sent.first == id; }),
               queue_.end());
}

std::vector<HttpCompletion> FakeNeon::TakeCompletions() {
  std::vector<HttpCompletion> completions;
  for (const auto &[id, request] : std::exchange(queue_, {})) {
    HttpCompletion completion;
    completion.id = id;
    completion.response = Handle(request);
    completions.push_back(std::move(completion));
  }
  return completions;
}

void FakeNeon::HangUp(bool requests_arrive) {
  if (requests_arrive) TakeCompletions();
  queue_.clear();
}

void FakeNeon::Expect(const std::string &call, Fault fault) {
  faults_.emplace_back(call, std::move(fault));
}

FakeBranch *FakeNeon::Named(const std::string &name) {
  for (auto &[id, branch] : branches) {
    if (branch.name == name) return &branch;
  }
  return nullptr;
}

size_t FakeNeon::Count(const std::string &call) const {
  return static_cast<size_t>(std::count_if(calls.begin(), calls.end(), [&](const auto &made) {
    return made.compare(0, call.size(), call) == 0;
  }));
}

std::vector<std::string> FakeNeon::CallsWithoutPolls() const {
  std::vector<std::string> found;
  for (const std::string &call : calls) {
    if (call.rfind("GET /operations", 0) != 0) found.push_back(call);
  }
  return found;
}

HttpResponse FakeNeon::Handle(const HttpRequest &request) {
  EXPECT_EQ(request.url.rfind(kBase, 0), 0u) << request.url;
  std::string path = request.url.substr(sizeof kBase - 1);
  std::string name = request.method + " " + path;
  calls.push_back(name);
  bodies.push_back(request.body);
  HttpResponse unknown;
  unknown.error = Status::Error("08006", "connection reset");
  auto fault = std::find_if(faults_.begin(), faults_.end(), [&](const auto &expected) {
    return name.compare(0, expected.first.size(), expected.first) == 0;
  });
  std::optional<HttpResponse> told;  // in place of the answer
  if (fault != faults_.end()) {
    Fault met = fault->second;
    faults_.erase(fault);
    if (met.kind == Fault::Kind::kNotSent) unknown.outcome = HttpOutcome::kNotSent;
    if (met.kind == Fault::Kind::kNotSent || met.kind == Fault::Kind::kLoseRequest) return unknown;
    if (met.kind == Fault::Kind::kAnswer) {
      HttpResponse response = Answered(met.status, met.body);
      response.retry_after = met.retry_after;
      return response;
    }
    told = met.kind == Fault::Kind::kRepeat ? Answered(met.status, met.body) : unknown;
  }
  FakeCall call;
  call.method = request.method;
  call.path = path.substr(0, path.find('?'));
  std::string query = path.size() > call.path.size() ? path.substr(call.path.size() + 1) : "";
  while (!query.empty()) {
    std::string pair = query.substr(0, query.find('&'));
    query.erase(0, pair.size() + 1);
    call.query[pair.substr(0, pair.find('='))] = Unescape(pair.substr(pair.find('=') + 1));
  }
  if (!request.body.empty()) {
    Result<JsonDocument> body = ParseJson(request.body);
    EXPECT_TRUE(body.ok()) << request.body;
    call.body = std::move(body.value());
  }
  HttpResponse response = Respond(call);
  return told.value_or(response);
}

HttpResponse FakeNeon::Respond(const FakeCall &call) {
  if (call.method != "GET") return Change(call);
  if (call.path.empty()) return Answered(200, R"({"project":{"id":"p1"}})");
  if (call.path == "/branches") return List(call);
  if (call.path.rfind("/operations", 0) == 0) {
    if (call.path == "/operations") return ListOperations();
    for (const FakeOperation &operation : operations_) {
      if (call.path == "/operations/" + operation.id)
        return Answered(200, "{\"operation\":" + OperationJson(operation) + "}");
    }
    return Refused(404, "operation not found");
  }
  if (call.path == "/connection_uri") {
    const std::string &id = call.query.at("branch_id");
    if (branches.count(id) == 0) return Refused(404, "branch not found");
    return Answered(200, "{" + JsonText("uri", FakeUri(id, call.query.count("pooled") > 0)) + "}");
  }
  std::string id = call.path.substr(std::string("/branches/").size());
  bool endpoints = id.find("/endpoints") != std::string::npos;
  id = id.substr(0, id.find('/'));
  auto found = branches.find(id);
  if (found == branches.end()) return Refused(404, "branch not found");
  if (endpoints)
    return Answered(200, "{\"endpoints\":[{" + JsonText("type", "read_write") + "," +
                             JsonText("id", "ep-" + id) + "}]}");
  return Answered(200, "{\"branch\":" + BranchJson(found->second) +
                           ",\"annotation\":" + AnnotationJson(found->second) + "}");
}

HttpResponse FakeNeon::List(const FakeCall &call) {
  auto search = call.query.find("search");
  std::string list;
  std::string annotations;
  for (const auto &[id, branch] : branches) {
    bool matches = search == call.query.end() ||
                   branch.name.find(search->second) != std::string::npos ||
                   id.find(search->second) != std::string::npos;
    if (!matches) continue;
    list += (list.empty() ? "" : ",") + BranchJson(branch);
    annotations += (annotations.empty() ? "\"" : ",\"") + id + "\":" + AnnotationJson(branch);
  }
  return Answered(200, "{\"branches\":[" + list + "],\"annotations\":{" + annotations + "}}");
}

}  // namespace agent_branch
