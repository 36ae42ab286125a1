#include "extension/settings.hpp"

#include "worker/core/state/checks.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

int active_compute_limit = 20;
char *api_key_directory = nullptr;
char *api_key_file = nullptr;
char *api_url = nullptr;
double branch_month_price = 1.50;
char *branch_prefix = nullptr;
char *ca_file = nullptr;
double compute_hour_price = 0.106;
int database_workers = 8;
int fixer_answer_tokens = 8192;
int fixer_attempts = 3;
double fixer_input_price = 0;
char *fixer_key_file = nullptr;
double fixer_max_cost = 0;
int fixer_max_time = 600;
int fixer_max_tokens = 200000;
char *fixer_model = nullptr;
double fixer_output_price = 0;
char *fixer_protocol = nullptr;
int fixer_timeout = 120;
char *fixer_url = nullptr;
char *https_proxy = nullptr;
int keep_finished = 90;
int max_age = 86400;
int rate_limit_burst = 40;
int rate_limit_per_minute = 700;
int reap_interval = 21600;
int reap_limit = 100;
double storage_month_price = 0.35;

// A check hook must not throw, and must say why it refuses.
template <Status (*Check)(std::string_view)>
bool CheckString(char **value, void **, GucSource) {
  char detail[256] = "";
  try {
    const Status status = Check(*value == nullptr ? "" : *value);
    if (status.ok()) return true;
    strlcpy(detail, status.detail().c_str(), sizeof(detail));
  } catch (...) {
    strlcpy(detail, "Out of memory.", sizeof(detail));
  }
  GUC_check_errcode(ERRCODE_INVALID_PARAMETER_VALUE);
  GUC_check_errdetail("%s", detail);
  return false;
}

void DefineInteger(const char *name, const char *description, int *variable, int least, int most,
                   GucContext context, int flags) {
  DefineCustomIntVariable(name, description, nullptr, variable, *variable, least, most, context,
                          flags, nullptr, nullptr, nullptr);
}

// Of one unit, in the currency of the platform's bill.
void DefinePrice(const char *name, const char *description, double *variable) {
  DefineCustomRealVariable(name, description, nullptr, variable, *variable, 0, 1e6, PGC_SIGHUP, 0,
                           nullptr, nullptr, nullptr);
}

void DefineString(const char *name, const char *description, char **variable, const char *value,
                  int flags, GucStringCheckHook check) {
  DefineCustomStringVariable(name, description, nullptr, variable, value, PGC_SIGHUP, flags, check,
                             nullptr, nullptr);
}

}  // namespace

void DefineSettings() {
  DefineInteger("agent_branch.active_compute_limit",
                "Computes of a project that may be active at the same time.", &active_compute_limit,
                1, 10000, PGC_SIGHUP, 0);
  DefineString("agent_branch.api_key_directory",
               "Directory of the key files that projects may name in their option api_key_file.",
               &api_key_directory, "", GUC_SUPERUSER_ONLY, CheckString<CheckPath>);
  DefineString("agent_branch.api_key_file", "File that holds the Neon API key.", &api_key_file, "",
               GUC_SUPERUSER_ONLY, CheckString<CheckPath>);
  DefineString("agent_branch.api_url", "URL of the Neon API.", &api_url,
               "https://console.neon.tech/api/v2", GUC_SUPERUSER_ONLY, CheckString<CheckApiUrl>);
  DefinePrice("agent_branch.branch_month_price", "What a branch costs a month.",
              &branch_month_price);
  DefineString("agent_branch.branch_prefix", "Beginning of the names of sessions' branches.",
               &branch_prefix, "branch-for-revision-", 0, CheckString<CheckBranchPrefix>);
  DefineString("agent_branch.ca_file",
               "File of the certificate authorities that servers are verified with; empty: the "
               "system's.",
               &ca_file, "", GUC_SUPERUSER_ONLY, CheckString<CheckPath>);
  DefinePrice("agent_branch.compute_hour_price", "What an hour of one compute unit costs.",
              &compute_hour_price);
  DefineInteger("agent_branch.database_workers",
                "Databases that may have a worker at the same time.", &database_workers, 1, 64,
                PGC_POSTMASTER, 0);
  DefineInteger("agent_branch.fixer_answer_tokens", "Tokens that an answer of the model may have.",
                &fixer_answer_tokens, 256, 1000000, PGC_SIGHUP, 0);
  DefineInteger("agent_branch.fixer_attempts", "Attempts to mend a migration that failed; 0: none.",
                &fixer_attempts, 0, 10, PGC_SIGHUP, 0);
  DefinePrice("agent_branch.fixer_input_price", "Price of a million tokens that the model is sent.",
              &fixer_input_price);
  DefineString("agent_branch.fixer_key_file", "File that holds the key of the fixer's model.",
               &fixer_key_file, "", GUC_SUPERUSER_ONLY, CheckString<CheckPath>);
  DefinePrice("agent_branch.fixer_max_cost",
              "What the fixer may cost a session, in the currency of the prices; 0: any.",
              &fixer_max_cost);
  DefineInteger("agent_branch.fixer_max_time",
                "Time that calls of the model may take a session; 0: any.", &fixer_max_time, 0,
                86400, PGC_SIGHUP, GUC_UNIT_S);
  DefineInteger("agent_branch.fixer_max_tokens",
                "Tokens that the fixer may use for a session; 0: any.", &fixer_max_tokens, 0,
                100000000, PGC_SIGHUP, 0);
  DefineString("agent_branch.fixer_model", "Name of the fixer's model.", &fixer_model, "", 0,
               CheckString<CheckModel>);
  DefinePrice("agent_branch.fixer_output_price",
              "Price of a million tokens that the model answers.", &fixer_output_price);
  DefineString("agent_branch.fixer_protocol", "Protocol of fixer_url: openai or anthropic.",
               &fixer_protocol, "openai", 0, CheckString<CheckProtocol>);
  DefineInteger("agent_branch.fixer_timeout", "Time that one call of the model may take.",
                &fixer_timeout, 1, 3600, PGC_SIGHUP, GUC_UNIT_S);
  DefineString("agent_branch.fixer_url", "URL of the fixer's model, with its path; empty: none.",
               &fixer_url, "", GUC_SUPERUSER_ONLY, CheckString<CheckFixerUrl>);
  DefineString("agent_branch.https_proxy",
               "URL of the proxy that calls of the API and of the fixer's model go through; "
               "empty: none.",
               &https_proxy, "", GUC_SUPERUSER_ONLY, CheckString<CheckProxyUrl>);
  DefineInteger("agent_branch.keep_finished",
                "Days that finished sessions are kept for, for agent_purge(); 0: for ever.",
                &keep_finished, 0, 36500, PGC_SIGHUP, 0);
  DefineInteger("agent_branch.max_age", "Age from which the reaper deletes a session's branch.",
                &max_age, 1, 30 * 86400, PGC_SIGHUP, GUC_UNIT_S);
  DefineInteger("agent_branch.rate_limit_burst", "Calls of the API that may follow at once.",
                &rate_limit_burst, 1, 10000, PGC_SIGHUP, 0);
  DefineInteger("agent_branch.rate_limit_per_minute", "Calls of the API per minute.",
                &rate_limit_per_minute, 1, 1000000, PGC_SIGHUP, 0);
  DefineInteger("agent_branch.reap_interval", "Time between two runs of the reaper; 0: never.",
                &reap_interval, 0, 30 * 86400, PGC_SIGHUP, GUC_UNIT_S);
  DefineInteger("agent_branch.reap_limit",
                "Branches of a project that one run of the reaper deletes.", &reap_limit, 1, 10000,
                PGC_SIGHUP, 0);
  DefinePrice("agent_branch.storage_month_price", "What a gigabyte of storage costs a month.",
              &storage_month_price);
  MarkGUCPrefixReserved("agent_branch");
}

std::string BranchPrefix() {
  return branch_prefix == nullptr ? "" : branch_prefix;
}

int DatabaseWorkers() {
  return database_workers;
}

bool HasApiKeyDirectory() {
  return api_key_directory != nullptr && *api_key_directory != '\0';
}

}  // namespace agent_branch
