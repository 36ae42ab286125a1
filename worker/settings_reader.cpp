#include "worker/settings_reader.hpp"

#include <cstdlib>

#include "postgres/guard.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

std::string Text(const char *name) {
  const char *value = CallPg([name] { return GetConfigOption(name, true, false); });
  return value == nullptr ? "" : value;
}

int64_t Number(const char *name) {
  return std::strtoll(Text(name).c_str(), nullptr, 10);
}

double Fraction(const char *name) {
  return std::strtod(Text(name).c_str(), nullptr);
}

}  // namespace

Settings ReadSettings() {
  Settings settings;
  settings.api_url = Text("agent_branch.api_url");
  while (!settings.api_url.empty() && settings.api_url.back() == '/')
    settings.api_url.pop_back();
  settings.rate_limit_per_minute = static_cast<int>(Number("agent_branch.rate_limit_per_minute"));
  settings.rate_limit_burst = static_cast<int>(Number("agent_branch.rate_limit_burst"));
  settings.reap_interval = Number("agent_branch.reap_interval");
  settings.max_age = Number("agent_branch.max_age");
  settings.reap_limit = static_cast<int>(Number("agent_branch.reap_limit"));
  settings.active_computes = static_cast<int>(Number("agent_branch.active_compute_limit"));
  settings.fixer_url = Text("agent_branch.fixer_url");
  settings.fixer_protocol = Text("agent_branch.fixer_protocol");
  settings.fixer_model = Text("agent_branch.fixer_model");
  settings.fixer_attempts = static_cast<int>(Number("agent_branch.fixer_attempts"));
  settings.fixer_answer_tokens = Number("agent_branch.fixer_answer_tokens");
  settings.fixer_timeout = milliseconds(Number("agent_branch.fixer_timeout") * 1'000);
  settings.fixer_max_tokens = Number("agent_branch.fixer_max_tokens");
  settings.fixer_max_time = Number("agent_branch.fixer_max_time");
  settings.fixer_max_cost = Fraction("agent_branch.fixer_max_cost");
  settings.fixer_input_price = Fraction("agent_branch.fixer_input_price");
  settings.fixer_output_price = Fraction("agent_branch.fixer_output_price");
  return settings;
}

std::string ApiKeyFile() {
  return Text("agent_branch.api_key_file");
}

std::string CaFile() {
  return Text("agent_branch.ca_file");
}

std::string HttpsProxy() {
  return Text("agent_branch.https_proxy");
}

std::string FixerKeyFile() {
  return Text("agent_branch.fixer_key_file");
}

std::string ApiKeyDirectory() {
  return Text("agent_branch.api_key_directory");
}

}  // namespace agent_branch
