#include "emulator/options.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace agent_branch::emulator {
namespace {

// Measured at Neon where a measurement is known (create_branch, start_compute), else plausible.
const std::map<std::string, int64_t> kDefaultDurations = {
    {"create_branch", 500},   {"start_compute", 2000},      {"suspend_compute", 300},
    {"delete_timeline", 300}, {"apply_config", 500},        {"detach_parent_branch", 500},
    {"create_timeline", 800}, {"check_availability", 1000}, {"response", 0},
};

std::runtime_error Bad(const std::string &message) {
  return std::runtime_error(message);
}

int64_t ParseInteger(const std::string &option, const std::string &text) {
  if (text.empty() || text.size() > 15 ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    throw Bad(option + " wants a number that is not negative, not \"" + text + "\"");
  }
  return std::stoll(text);
}

std::string ParseChoice(const std::string &option, const std::string &text,
                        const std::vector<std::string> &choices) {
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return text;
  std::string list;
  for (const std::string &choice : choices)
    list += (list.empty() ? "" : ", ") + choice;
  throw Bad(option + " wants one of " + list + ", not \"" + text + "\"");
}

void ParseListen(const std::string &text, Options *options) {
  size_t colon = text.rfind(':');
  if (colon == std::string::npos) throw Bad("--listen wants ADDRESS:PORT, not \"" + text + "\"");
  std::string address = text.substr(0, colon);
  if (address == "localhost") address = "127.0.0.1";
  int64_t port = ParseInteger("--listen", text.substr(colon + 1));
  if (port > 65535) throw Bad("--listen wants a port below 65536");
  static const std::regex loopback("127\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}|\\[?::1\\]?");
  if (!std::regex_match(address, loopback)) {
    throw Bad("--listen takes loopback addresses only (127.x.x.x, [::1]), not \"" + address + "\"");
  }
  if (address.front() == '[') address = address.substr(1, address.size() - 2);
  options->listen_address = address;
  options->listen_port = static_cast<uint16_t>(port);
}

std::string ParseProject(const std::string &text) {
  static const std::regex pattern("[a-z0-9-]{1,60}");
  if (!std::regex_match(text, pattern)) {
    throw Bad("--project wants 1 to 60 of a-z, 0-9 and -, not \"" + text + "\"");
  }
  return text;
}

using Setter = std::function<void(const std::string &)>;

std::map<std::string, Setter> ValueOptions(Options *o) {
  auto number = [](const char *name, int64_t *target) {
    return [name, target](const std::string &text) { *target = ParseInteger(name, text); };
  };
  auto text = [](std::string *target) { return [target](const std::string &v) { *target = v; }; };
  return {
      {"--listen", [o](const std::string &v) { ParseListen(v, o); }},
      {"--engine",
       [o](const std::string &v) {
         o->postgres = ParseChoice("--engine", v, {"postgres", "memory"}) == "postgres";
       }},
      {"--data", text(&o->data_directory)},
      {"--postgres-bin", text(&o->postgres_binaries)},
      {"--api-key-file", text(&o->api_key_file)},
      {"--topology",
       [o](const std::string &v) {
         o->topology = ParseChoice("--topology", v, {"lineage", "flat"});
       }},
      {"--lock",
       [o](const std::string &v) {
         o->lock = ParseChoice("--lock", v, {"project", "branch", "none"});
       }},
      {"--project", [o](const std::string &v) { o->projects.push_back(ParseProject(v)); }},
      {"--durations", [o](const std::string &v) { ApplyDurations(v, &o->durations); }},
      {"--max-branches", number("--max-branches", &o->limits.branches)},
      {"--max-root-branches", number("--max-root-branches", &o->limits.root_branches)},
      {"--max-protected-branches",
       number("--max-protected-branches", &o->limits.protected_branches)},
      {"--max-active-computes", number("--max-active-computes", &o->limits.active_computes)},
      {"--rate-per-minute", number("--rate-per-minute", &o->limits.rate_per_minute)},
      {"--rate-burst", number("--rate-burst", &o->limits.rate_burst)},
      {"--parent-name", text(&o->parent_name)},
      {"--fixed-uri", text(&o->fixed_uri)},
      {"--fixed-parent-uri", text(&o->fixed_parent_uri)},
      {"--seed", [o](const std::string &v) { o->seed = ParseInteger("--seed", v); }},
      {"--suspend-after", number("--suspend-after", &o->suspend_after_seconds)},
  };
}

std::map<std::string, bool *> Flags(Options *o) {
  return {{"--allow-restore-from-expiring", &o->allow_restore_from_expiring},
          {"--omit-connection-uris", &o->omit_connection_uris},
          {"--plan-gates-suspend", &o->plan_gates_suspend},
          {"--keep", &o->keep},
          {"--quiet", &o->quiet},
          {"--try", &o->try_out},
          {"--help", &o->help},
          {"-h", &o->help},
          {"--version", &o->version}};
}

void CheckNeeded(const Options &options, bool engine_given) {
  if (!engine_given) throw Bad("--engine is missing: postgres or memory");
  if (options.api_key_file.empty()) throw Bad("--api-key-file is missing");
  if (options.postgres && options.data_directory.empty()) {
    throw Bad("--data is missing: engine postgres keeps its clusters there");
  }
  if (options.postgres && geteuid() == 0) {
    throw Bad(
        "engine postgres cannot run as root, because PostgreSQL cannot; try\n  setpriv "
        "--reuid=postgres --regid=postgres --init-groups neon-emulator ...\nor, to have all of it "
        "made,\n  neon-emulator --try");
  }
}

void CheckTryOut(const Options &options, bool engine_given) {
  if (engine_given && !options.postgres) throw Bad("--try is for engine postgres");
  if (!options.data_directory.empty() && options.api_key_file.empty())
    throw Bad("--api-key-file is missing: --try makes one only where it makes the data directory");
}

void CheckTogether(const Options &options, bool engine_given) {
  if (options.try_out)
    CheckTryOut(options, engine_given);
  else
    CheckNeeded(options, engine_given);
  if (options.postgres && !(options.fixed_uri.empty() && options.fixed_parent_uri.empty())) {
    throw Bad("--fixed-uri is for engine memory: engine postgres has real addresses");
  }
  if (options.keep && options.postgres) {
    throw Bad("--keep is for engine memory: engine postgres removes its clusters at its end");
  }
  if (options.keep && options.data_directory.empty()) {
    throw Bad("--data is missing: --keep writes there what is to be kept");
  }
  if (options.parent_name.empty() || options.parent_name.size() > 256 ||
      options.parent_name == "production") {
    throw Bad("--parent-name wants 1 to 256 characters and not \"production\"");
  }
}

}  // namespace

const char kUsage[] =
    R"(neon-emulator: a local stand-in for the Neon API

usage: neon-emulator --try [options]
       neon-emulator --engine postgres|memory --api-key-file FILE [options]

  --try                        engine postgres with a key file and a folder of its own; prints the
                               settings for postgresql.conf. As root it becomes the user postgres
  --listen ADDRESS:PORT        loopback only; port 0 chooses one (127.0.0.1:4010)
  --engine postgres|memory     real clusters, or none
  --data DIR                   where engine postgres keeps its clusters, and --keep what it keeps
  --keep                       engine memory: what was done is there again at the next start
  --postgres-bin DIR           where engine postgres finds initdb, postgres and pg_dump
  --api-key-file FILE          one key a line; a project id after it limits the key to that project
  --project ID                 a project to begin with; may be repeated (shiny-wind-028834)
  --parent-name NAME           name of the first child of production (development)
  --topology lineage|flat      what a restored branch's parent becomes (lineage)
  --lock project|branch|none   what a running operation locks (project)
  --durations LIST             default, zero, or ACTION=MS,...; response=MS delays each answer
  --max-branches N             of a project (10)
  --max-root-branches N        of a project (5)
  --max-protected-branches N   of a project (2)
  --max-active-computes N      of a project, the default branch's aside (20)
  --rate-per-minute N          requests of an API key; 0 = no rate limit (700)
  --rate-burst N               requests of a route and second (40)
  --allow-restore-from-expiring  let a branch with expires_at be a restore's source
  --omit-connection-uris       leave connection_uris out of created branches
  --plan-gates-suspend         answer 412 to any suspend_timeout_seconds
  --fixed-uri URI              engine memory: every endpoint's connection URI
  --fixed-parent-uri URI       engine memory: that of the branch named --parent-name
  --suspend-after SECONDS      engine postgres: suspend computes without connections (0 = never)
  --seed N                     make ids and passwords repeatable
  --quiet                      no line per request on stderr
  --help, --version

Admin routes, faults and what is faithful: docs/emulator.md
)";

Options ParseOptions(int count, char **arguments) {
  Options options;
  options.durations = kDefaultDurations;
  auto values = ValueOptions(&options);
  auto flags = Flags(&options);
  bool engine_given = false;
  for (int i = 1; i < count; ++i) {
    std::string name = arguments[i];
    size_t equals = name.find('=');
    std::optional<std::string> value;
    if (equals != std::string::npos && name.compare(0, 2, "--") == 0) {
      value = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    if (auto flag = flags.find(name); flag != flags.end()) {
      if (value) throw Bad(name + " takes no value");
      *flag->second = true;
      continue;
    }
    auto setter = values.find(name);
    if (setter == values.end()) throw Bad("unknown option " + name);
    if (!value) {
      if (i + 1 == count) throw Bad(name + " wants a value");
      value = arguments[++i];
    }
    setter->second(*value);
    engine_given = engine_given || name == "--engine";
  }
  if (options.help || options.version) return options;
  CheckTogether(options, engine_given);
  if (options.projects.empty()) options.projects.emplace_back("shiny-wind-028834");
  return options;
}

void ApplyDurations(const std::string &text, std::map<std::string, int64_t> *durations) {
  std::istringstream items(text);
  std::string item;
  while (std::getline(items, item, ',')) {
    if (item == "default") {
      *durations = kDefaultDurations;
      continue;
    }
    if (item == "zero") {
      for (auto &entry : *durations)
        entry.second = 0;
      continue;
    }
    size_t equals = item.find('=');
    std::string name = item.substr(0, equals);
    if (name == "restore") name = "create_timeline";
    if (equals == std::string::npos || kDefaultDurations.count(name) == 0) {
      std::string known = "restore";
      for (const auto &entry : kDefaultDurations)
        known += ", " + entry.first;
      throw Bad("durations are default, zero or NAME=MS with NAME one of " + known + "; not \"" +
                item + "\"");
    }
    (*durations)[name] = ParseInteger("a duration", item.substr(equals + 1));
  }
}

std::vector<ApiKey> ReadApiKeys(const std::string &path) {
  std::ifstream file(path);
  if (!file) throw Bad("cannot read the API key file " + path);
  std::vector<ApiKey> keys;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    ApiKey key;
    words >> key.key >> key.project_id;
    if (!key.key.empty()) keys.push_back(key);
  }
  if (keys.empty()) throw Bad("the API key file " + path + " holds no key");
  return keys;
}

}  // namespace agent_branch::emulator
