#include "emulator/api.hpp"

#include <cstdio>
#include <exception>

#include "emulator/render.hpp"
#include "emulator/router.hpp"

namespace agent_branch::emulator {
namespace {

int64_t SteadyMilliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Control characters from a client must not forge lines on the terminal.
std::string Printable(const std::string &text) {
  std::string result = text.substr(0, 300);
  for (char &c : result) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return result;
}

// The id that the client chose is echoed in errors, as Neon does.
std::string WithRequestId(const std::string &body, const std::string &request_id) {
  if (body.compare(0, 8, "{\"code\":") != 0) return body;
  JsonWriter json;
  json.Text(request_id);
  return "{\"request_id\":" + json.Take() + "," + body.substr(1);
}

template <typename Function>
void CatchErrors(Function function, const Reply &reply) {
  try {
    function();
  } catch (const ApiError &error) {
    reply(ErrorResponse(error));
  } catch (const std::exception &error) {
    std::fprintf(stderr, "neon-emulator: internal error: %s\n", error.what());
    reply(ErrorResponse(ApiError(500, std::string("internal error: ") + error.what())));
  }
}

}  // namespace

Api::Api(Service &service, std::vector<ApiKey> keys) : service_(service), keys_(std::move(keys)) {
  if (service_.kept() != nullptr) log_.Keep(service_.kept()->requests_path());
}

void Api::Handle(Call call, Deliver deliver) {
  auto exchange = std::make_shared<Exchange>();
  exchange->call = std::move(call);
  exchange->deliver = std::move(deliver);
  exchange->at = Now();
  exchange->begun = std::chrono::steady_clock::now();
  if (exchange->call.request_id.empty()) exchange->call.request_id = service_.ids.Uuid();
  CatchErrors([&] { Admit(exchange); },
              [&](Response response) { Return(exchange, std::move(response)); });
}

void Api::Admit(const ExchangePtr &exchange) {
  Call &call = exchange->call;
  const ApiKey &key = RequireKey(call);
  call.scope = key.project_id;
  std::string below = call.path.substr(sizeof(kPrefix) - 1);
  const Route *route = FindRoute(call.method, below, &call.arguments);
  RequireRate(key, call, route == nullptr ? "" : std::string(route->method) + route->pattern);
  if (!faults_.empty()) exchange->effects = faults_.Meet(call.method, call.path);
  call.fate = exchange->effects.fate;
  call.hide_created = exchange->effects.hide_created;
  if (exchange->effects.delay_before_ms > 0) {
    service_.loop.After(std::chrono::milliseconds(exchange->effects.delay_before_ms),
                        [this, exchange] { Perform(exchange); });
  } else {
    Perform(exchange);
  }
}

const ApiKey &Api::RequireKey(const Call &call) const {
  constexpr char kScheme[] = "Bearer ";
  if (call.authorization.compare(0, sizeof(kScheme) - 1, kScheme) == 0) {
    std::string given = call.authorization.substr(sizeof(kScheme) - 1);
    for (const ApiKey &key : keys_) {
      if (key.key == given) return key;
    }
  }
  throw ApiError(401, "supplied credentials do not pass authentication");
}

void Api::RequireRate(const ApiKey &key, const Call &call, const std::string &route) {
  const Limits &limits = service_.options.limits;
  const std::string &account = key.key;
  if (!rate_.Admit(account, route, limits.rate_per_minute, limits.rate_burst,
                   SteadyMilliseconds())) {
    throw ApiError(429, "rate limit exceeded");
  }
  bool in_project = call.path.find("/projects/") != std::string::npos && !call.arguments.empty();
  if (in_project && !key.project_id.empty() && call.arguments[0] != key.project_id) {
    throw ApiError(404,
                   "not allowed to perform actions outside the project this key is scoped to; "
                   "subject_project_id:\"" +
                       key.project_id + "\"");
  }
}

void Api::Perform(const ExchangePtr &exchange) {
  Reply reply = [this, exchange](Response response) { Return(exchange, std::move(response)); };
  if (!exchange->effects.has_effect) return reply({});
  CatchErrors(
      [&] {
        Call &call = exchange->call;
        const Route *route =
            FindRoute(call.method, call.path.substr(sizeof(kPrefix) - 1), &call.arguments);
        if (route == nullptr) throw ApiError(404, "this route does not exist");
        if (route->handle_later != nullptr) return route->handle_later(service_, call, reply);
        reply(route->handle(service_, call));
      },
      reply);
}

void Api::NoteEffect(const Exchange &exchange, const Response &response) {
  const Call &call = exchange.call;
  if (call.method == "GET") return;
  service_.Changed();
  bool changed = exchange.effects.has_effect && response.status < 300 && response.status != 204;
  if (!changed) return;
  service_.effects.Add(
      {0, exchange.at, call.method, call.path, call.raw_query, call.body, response.status, 0});
}

void Api::Return(const ExchangePtr &exchange, Response response) {
  NoteEffect(*exchange, response);
  service_.SaveIfChanged();
  if (exchange->effects.answer_instead) response = *exchange->effects.answer_instead;
  response.body = WithRequestId(response.body, exchange->call.request_id);
  response.headers.emplace_back("x-neon-ret-request-id", exchange->call.request_id);
  int64_t delay = exchange->effects.delay_after_ms + service_.options.durations["response"];
  if (delay == 0) return Finish(exchange, std::move(response));
  service_.loop.After(std::chrono::milliseconds(delay),
                      [this, exchange, response = std::move(response)]() mutable {
                        Finish(exchange, std::move(response));
                      });
}

void Api::Finish(const ExchangePtr &exchange, Response response) {
  const Call &call = exchange->call;
  std::chrono::duration<double, std::milli> spent =
      std::chrono::steady_clock::now() - exchange->begun;
  Delivery delivery;
  if (exchange->effects.truncate) delivery.mode = Delivery::Mode::kHalf;
  if (exchange->effects.drop) delivery.mode = Delivery::Mode::kNothing;
  int status = exchange->effects.drop ? 0 : response.status;
  if (!service_.options.quiet) {
    std::fprintf(stderr, "%s %s %s%s%s %d %.1f ms\n", FormatTimePrecisely(exchange->at).c_str(),
                 Printable(call.method).c_str(), Printable(call.path).c_str(),
                 call.raw_query.empty() ? "" : "?", Printable(call.raw_query).c_str(), status,
                 spent.count());
  }
  log_.Add(
      {0, exchange->at, call.method, call.path, call.raw_query, call.body, status, spent.count()});
  delivery.response = std::move(response);
  exchange->deliver(std::move(delivery));
}

}  // namespace agent_branch::emulator
