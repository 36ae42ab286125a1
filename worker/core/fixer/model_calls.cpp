#include "worker/core/fixer/model_calls.hpp"

#include <algorithm>

namespace agent_branch {
namespace {

constexpr size_t kMaxUnderWay = 8;

// A server may say the key again, in an error or an answer, which are kept and shown.
void TakeOut(std::string_view key, std::string *text) {
  for (size_t at = text->find(key); at != std::string::npos; at = text->find(key, at))
    text->replace(at, key.size(), "(key)");
}

void TakeOut(const Secret &key, ModelAnswer *answer) {
  const std::string_view bytes = key.Reveal();
  if (bytes.empty()) return;
  TakeOut(bytes, &answer->reason);
  TakeOut(bytes, &answer->explanation);
  if (answer->sql.find(bytes) == std::string::npos) return;
  answer->outcome = ModelOutcome::kMalformed;
  answer->reason = "the answer has the key in it";
  answer->sql.clear();
}

}  // namespace

uint64_t ModelCalls::Enqueue(ModelQuestion question, Done done) {
  uint64_t id = next_id_++;
  Call call;
  call.question = std::move(question);
  call.done = std::move(done);
  waiting_.emplace_back(id, std::move(call));
  return id;
}

void ModelCalls::Cancel(uint64_t id) {
  auto at = std::find_if(waiting_.begin(), waiting_.end(),
                         [id](const auto &call) { return call.first == id; });
  if (at != waiting_.end()) {
    waiting_.erase(at);
  } else if (under_way_.erase(id) > 0) {
    services_.http->Cancel(id);
  }
}

void ModelCalls::Dispatch() {
  while (!waiting_.empty() && under_way_.size() < kMaxUnderWay) {
    auto [id, call] = std::move(waiting_.front());
    waiting_.pop_front();
    const Settings &settings = *services_.settings;
    std::optional<ModelProtocol> protocol = ParseModelProtocol(settings.fixer_protocol);
    Result<Secret> key = services_.keys->FixerKey();
    if (!protocol || !key.ok()) {
      std::string why = key.ok() ? "the protocol is not known" : key.status().message();
      if (!key.ok() && !key.status().detail().empty()) why += ": " + key.status().detail();
      call.done(NoAnswer(ModelOutcome::kKey, why), milliseconds(0));
      continue;
    }
    call.protocol = *protocol;
    call.sent_at = services_.clock->Now();
    HttpRequest request = ModelRequest(*protocol, settings.fixer_url, key.value(), call.question,
                                       settings.fixer_timeout);
    under_way_.emplace(id, std::move(call));
    services_.http->Send(id, std::move(request));
  }
}

void ModelCalls::OnCompletion(const HttpCompletion &completion) {
  auto found = under_way_.find(completion.id);
  if (found == under_way_.end()) return;
  Call call = std::move(found->second);
  under_way_.erase(found);
  ModelAnswer answer = ReadModelResponse(call.protocol, completion.response);
  if (Result<Secret> key = services_.keys->FixerKey(); key.ok()) TakeOut(key.value(), &answer);
  call.done(answer, services_.clock->Now() - call.sent_at);
}

}  // namespace agent_branch
