// Rows that cannot be written or read, set apart from those that can. See postgres_store.hpp.
#include <algorithm>
#include <climits>

#include "postgres/spi.hpp"
#include "worker/core/base/text.hpp"
#include "worker/postgres_store.hpp"
#include "worker/store_rows.hpp"

#include "postgres/server.hpp"

namespace agent_branch {
namespace {

constexpr size_t kMaxError = 2'000;

constexpr char kShowSession[] = R"(
UPDATE agent_branch.session SET error = $2, error_hint = $3, settled = true
WHERE id = $1 AND finished_at IS NULL)";

constexpr char kShowProject[] = R"(
UPDATE agent_branch.session SET error = $2, error_hint = $3, settled = true
WHERE project_id = $1 AND finished_at IS NULL)";

constexpr char kHint[] =
    "Nothing more is done for it. Register the project again, with options that are mended, or "
    "discard the session.";

struct Group {
  Owner owner;
  std::vector<const Mutation *> mutations;
};

// In the order in which each comes first.
std::vector<Group> ByOwner(const Batch &batch) {
  std::vector<Group> groups;
  std::map<Owner, size_t> places;
  for (const Mutation &mutation : batch.mutations) {
    const Owner owner = OwnerOf(mutation);
    auto [place, added] = places.try_emplace(owner, groups.size());
    if (added) groups.push_back({owner, {}});
    groups[place->second].mutations.push_back(&mutation);
  }
  return groups;
}

// Runs it in a subtransaction; what it raises is returned.
Status Apart(const std::function<void()> &body) {
  try {
    Subtransaction apart;
    body();
    apart.Release();
    return {};
  } catch (const PgException &error) {
    return StatusOf(error.error());
  }
}

// All rows at once, or, when one of them cannot be read, each by itself.
template <class Value>
std::vector<Value> ReadEach(Transaction &transaction, const std::string &query,
                            Value (*read)(const Row &),
                            const std::function<void(int64_t, const Status &)> &leave_out) {
  std::vector<Value> values;
  auto take = [&](const Rows &rows) {
    for (const Row &row : rows)
      values.push_back(read(row));
  };
  const Status all = Apart([&] { take(transaction.QueryOnce(query)); });
  if (all.ok()) return values;
  if (!IsOfItsData(all, 0)) RaiseStatus(all);
  values.clear();
  for (const Row &id : transaction.QueryOnce("SELECT q.id FROM (" + query + ") AS q")) {
    const Status one = Apart([&] {
      take(
          transaction.QueryOnce("SELECT * FROM (" + query + ") AS q WHERE q.id = $1", {id.Int(0)}));
    });
    if (!one.ok()) leave_out(id.Int(0), one);
  }
  return values;
}

}  // namespace

Result<PostgresStore::Refused> PostgresStore::CommitApart(const Batch &batch) {
  Refused refused;
  Status status = InTransaction([&](Transaction &transaction) {
    const std::vector<Group> groups = ByOwner(batch);
    for (const Group &group : groups) {
      Status why = Apart([&] {
        for (const Mutation *mutation : group.mutations)
          Write(transaction, *mutation);
      });
      if (!why.ok() && !IsOfItsData(why, INT_MAX)) RaiseStatus(why);
      if (!why.ok()) refused.emplace(group.owner, std::move(why));
    }
    // That all fail alike is not theirs: an internal error of the server.
    const bool all = refused.size() == groups.size() && groups.size() > 1;
    const Status first = refused.empty() ? Status() : refused.begin()->second;
    if (all && first.sqlstate().compare(0, 2, "XX") == 0) RaiseStatus(first);
    for (const auto &[owner, why] : refused)
      LeaveOut(transaction, owner, why);
  });
  if (!status.ok()) return status;
  return refused;
}

void PostgresStore::LeaveOut(Transaction &transaction, const Owner &owner, const Status &why) {
  const bool of_session = owner.session_id != 0;
  const int64_t id = of_session ? owner.session_id : owner.project_id;
  if (id == 0) return;
  const std::string error =
      CleanText("rows cannot be written or read: " + why.message(), kMaxError);
  // If that cannot be written either, the log has it.
  Apart([&] {
    transaction.Execute(of_session ? kShowSession : kShowProject, {id, error, std::string(kHint)});
  });
}

std::vector<ProjectRow> PostgresStore::ReadProjects(Transaction &transaction,
                                                    const std::string &condition) {
  const std::set<int64_t> before = unreadable_projects_;
  std::vector<ProjectRow> projects = ReadEach<ProjectRow>(
      transaction, kProjectColumns + condition, ReadProject, [&](int64_t id, const Status &why) {
        unreadable_projects_.insert(id);
        unreadable_.push_back(Status::Error(
            why.sqlstate(), "project " + std::to_string(id) + " cannot be read: " + why.message()));
        LeaveOut(transaction, Owner::Project(id), why);
      });
  mended_ = std::any_of(projects.begin(), projects.end(),
                        [&](const ProjectRow &row) { return before.count(row.id) > 0; });
  return projects;
}

std::vector<SessionRow> PostgresStore::ReadSessions(Transaction &transaction,
                                                    const std::string &condition) {
  std::vector<SessionRow> sessions = ReadEach<SessionRow>(
      transaction, kSessionColumns + condition, ReadSession, [&](int64_t id, const Status &why) {
        unreadable_sessions_.insert(id);
        unreadable_.push_back(Status::Error(
            why.sqlstate(), "session " + std::to_string(id) + " cannot be read: " + why.message()));
        LeaveOut(transaction, Owner::Session(id), why);
      });
  std::erase_if(sessions,
                [this](const SessionRow &row) { return IsLeftOut(row.id, row.project_id); });
  return sessions;
}

bool PostgresStore::IsLeftOut(int64_t session_id, int64_t project_id) const {
  return unreadable_sessions_.count(session_id) > 0 || unreadable_projects_.count(project_id) > 0;
}

}  // namespace agent_branch
