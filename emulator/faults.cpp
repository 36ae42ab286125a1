#include "emulator/faults.hpp"

#include "emulator/errors.hpp"
#include "emulator/render.hpp"

namespace agent_branch::emulator {
namespace {

// What Cloudflare, in front of Neon, answers when the origin takes too long.
constexpr char kHtml524[] =
    "<!DOCTYPE html>\n<html><head><title>console.neon.tech | 524: A timeout occurred</title></head>"
    "<body><h1>A timeout occurred</h1><p>Error code 524</p></body></html>\n";

Response StatusAnswer(const ObjectReader &fault) {
  Response response;
  response.status = static_cast<int>(fault.Integer("status").value_or(503));
  if (response.status < 200 || response.status > 599) fault.Reject("status", "must be 200 to 599");
  if (const rapidjson::Value *body = fault.Find("body")) {
    if (body->IsString()) {
      response.body = std::string(body->GetString(), body->GetStringLength());
    } else {
      JsonWriter json;
      json.Value(*body);
      response.body = json.Take();
    }
  } else {
    response.body = ErrorResponse(ApiError(500, "injected by a fault")).body;
  }
  if (auto headers = fault.TextMap("headers")) {
    for (const auto &[name, value] : *headers)
      response.headers.emplace_back(name, value);
  }
  return response;
}

int64_t Delay(const ObjectReader &fault, const char *name) {
  auto delay = fault.Integer("ms");
  if (!delay) delay = fault.Integer(name);
  if (!delay || *delay < 0) fault.Reject(name, "a number of milliseconds is required");
  return *delay;
}

FaultEffects ReadEffects(const ObjectReader &fault) {
  FaultEffects effects;
  std::string what = fault.Text("do").value_or("");
  if (what == "status") {
    effects.answer_instead = StatusAnswer(fault);
    effects.has_effect = fault.Bool("effect").value_or(false);
  } else if (what == "html_524") {
    effects.answer_instead = Response{524, kHtml524, "text/html; charset=UTF-8", {}};
  } else if (what == "drop_before") {
    effects.drop = true;
    effects.has_effect = false;
  } else if (what == "drop_after") {
    effects.drop = true;
  } else if (what == "truncate") {
    effects.truncate = true;
  } else if (what == "delay_ms") {
    effects.delay_before_ms = Delay(fault, "delay_ms");
  } else if (what == "delay_after_ms") {
    effects.delay_after_ms = Delay(fault, "delay_after_ms");
  } else if (what == "fail_operation") {
    effects.fate = Fate::kFail;
  } else if (what == "cancel_operation") {
    effects.fate = Fate::kCancel;
  } else if (what == "skip_operation") {
    effects.fate = Fate::kSkip;
  } else if (what == "get_404_once") {
    effects.hide_created = true;
  } else {
    fault.Reject("do", "unknown value");
  }
  if (auto action = fault.Text("action")) {
    if (effects.fate.kind == Fate::kNormal)
      fault.Reject("action", "is for fail_operation, cancel_operation and skip_operation");
    effects.fate.action = *action;
  }
  return effects;
}

void Merge(const FaultEffects &one, FaultEffects *all) {
  if (one.answer_instead) all->answer_instead = one.answer_instead;
  all->has_effect = all->has_effect && one.has_effect;
  all->drop = all->drop || one.drop;
  all->truncate = all->truncate || one.truncate;
  all->delay_before_ms += one.delay_before_ms;
  all->delay_after_ms += one.delay_after_ms;
  if (one.fate.kind != Fate::kNormal) all->fate = one.fate;
  all->hide_created = all->hide_created || one.hide_created;
}

}  // namespace

int64_t Faults::Add(const std::string &json) {
  rapidjson::Document document = ParseJson(json);
  ObjectReader object(document, "",
                      {"match", "do", "status", "body", "headers", "effect", "action", "ms",
                       "delay_ms", "delay_after_ms"});
  Fault fault;
  fault.text = json;
  fault.effects = ReadEffects(object);
  std::string path;
  if (const rapidjson::Value *value = object.Find("match")) {
    ObjectReader match(*value, "match", {"method", "path", "nth", "count"});
    fault.method = match.Text("method").value_or("");
    path = match.Text("path").value_or("");
    fault.nth = match.Integer("nth").value_or(1);
    fault.count = match.Integer("count").value_or(1);
  }
  try {
    fault.path = std::regex(path);
  } catch (const std::regex_error &error) {
    object.Reject("match.path", error.what());
  }
  fault.id = ++made_;
  faults_.push_back(std::move(fault));
  return made_;
}

FaultEffects Faults::Meet(const std::string &method, const std::string &path) {
  FaultEffects all;
  for (Fault &fault : faults_) {
    if (!fault.method.empty() && fault.method != method) continue;
    if (!std::regex_search(path, fault.path)) continue;
    if (++fault.met < fault.nth || fault.done >= fault.count) continue;
    ++fault.done;
    Merge(fault.effects, &all);
  }
  return all;
}

void Faults::Write(JsonWriter &json) const {
  json.BeginArray();
  for (const Fault &fault : faults_) {
    json.BeginObject();
    json.Field("id", fault.id);
    json.Field("met", fault.met);
    json.Field("done", fault.done);
    json.Key("fault");
    json.Raw(fault.text);
    json.EndObject();
  }
  json.EndArray();
}

}  // namespace agent_branch::emulator
