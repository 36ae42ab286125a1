#include "emulator/kept_state.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "emulator/kept_fields.hpp"
#include "emulator/service.hpp"

namespace agent_branch::emulator {
namespace {

// Everything that a service holds and that is no option, apart from its logs.
struct Everything {
  int64_t starts = 0;
  int64_t timelines = 0;
  int64_t operations_made = 0;
  int64_t databases = 0;
  int64_t lsn = 0;
  int64_t effects = 0;
  std::vector<ProjectParts> projects;
};

template <class Archive>
void Fields(Archive &archive, Everything &everything) {
  archive("starts", everything.starts);
  archive("timelines", everything.timelines);
  archive("operations_made", everything.operations_made);
  archive("databases", everything.databases);
  archive("lsn", everything.lsn);
  archive("effects", everything.effects);
  archive("projects", everything.projects);
}

ProjectParts Parts(Project &project) {
  ProjectParts parts{project.id,
                     project.name,
                     project.created_at,
                     project.updated_at,
                     project.history_retention_seconds,
                     project.pg_version,
                     {},
                     {},
                     {}};
  for (const auto &[id, branch] : project.branches())
    parts.branches.push_back(branch);
  // In the order of the branch, which is that of their making.
  for (const Branch &branch : parts.branches) {
    for (const std::string &endpoint_id : branch.endpoint_ids)
      parts.endpoints.push_back(*project.FindEndpoint(endpoint_id));
  }
  for (const OperationPtr &operation : project.operations())
    parts.operations.push_back(*operation);
  return parts;
}

void AddEndpoint(Project &project, const Endpoint &kept) {
  Endpoint endpoint = kept;
  // Only SetState() counts what is up.
  endpoint.current_state = "init";
  endpoint.pending_state.clear();
  project.SetState(project.AddEndpoint(std::move(endpoint)), kept.current_state,
                   kept.pending_state);
}

void Assemble(Project &project, const ProjectParts &parts) {
  project.id = parts.id;
  project.name = parts.name;
  project.created_at = parts.created_at;
  project.updated_at = parts.updated_at;
  project.history_retention_seconds = parts.history_retention_seconds;
  project.pg_version = parts.pg_version;
  for (Branch branch : parts.branches) {
    branch.parent_id.clear();  // which may not be there yet
    Branch &added = project.AddBranch(std::move(branch));
    if (added.is_default) project.SetDefaultBranch(added);
  }
  for (const Branch &branch : parts.branches)
    project.SetParent(*project.FindAnyBranch(branch.id), branch.parent_id);
  for (const Endpoint &endpoint : parts.endpoints)
    AddEndpoint(project, endpoint);
  for (const Operation &kept : parts.operations) {
    auto operation = std::make_shared<Operation>(kept);
    project.AddOperation(operation);
    bool ended = kept.status != "running" && kept.status != "scheduling";
    if (ended) project.EndOperation(operation);
  }
}

}  // namespace

std::string WriteState(Service &service) {
  Everything everything;
  everything.starts = service.starts_;
  everything.timelines = service.timelines_;
  everything.operations_made = service.operations_made_;
  everything.databases = service.databases_;
  everything.lsn = static_cast<int64_t>(service.lsn_);
  everything.effects = service.effects.total();
  for (auto &[id, project] : service.projects)
    everything.projects.push_back(Parts(project));
  return FieldWriter().Write(everything);
}

void ReadState(Service &service, const std::string &text) {
  rapidjson::Document document = ParseJson(text);
  FieldReader reader(document);
  Everything everything;
  Fields(reader, everything);
  service.starts_ = everything.starts;
  service.timelines_ = everything.timelines;
  service.operations_made_ = everything.operations_made;
  service.databases_ = everything.databases;
  service.lsn_ = static_cast<uint64_t>(everything.lsn);
  service.effects.Forget(everything.effects);
  for (const ProjectParts &parts : everything.projects)
    Assemble(service.projects[parts.id], parts);
}

KeptState::KeptState(const std::string &folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  folder_ = std::filesystem::canonical(folder, error).string();
  if (error) throw std::runtime_error("cannot use " + folder + ": " + error.message());
  std::string lock_path = folder_ + "/neon-emulator.lock";
  lock_ = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) {
    throw std::runtime_error("cannot open " + lock_path + ": " + std::strerror(errno));
  }
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    close(lock_);
    throw std::runtime_error("another neon-emulator uses " + folder_);
  }
}

KeptState::~KeptState() {
  close(lock_);
}

std::string KeptState::Read() const {
  std::ifstream file(path());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void KeptState::Write(const std::string &text) const {
  std::string fresh = path() + ".new";
  {
    std::ofstream file(fresh, std::ios::trunc);
    file << text << std::flush;
    // It holds the passwords of roles.
    if (file && chmod(fresh.c_str(), 0600) == 0 && std::rename(fresh.c_str(), path().c_str()) == 0)
      return;
  }
  std::fprintf(stderr, "neon-emulator: cannot write %s: %s\n", path().c_str(),
               std::strerror(errno));
  std::_Exit(1);
}

}  // namespace agent_branch::emulator
