// Those who ask: sessions' users, who go through the checks that the SQL functions make, and others
// with access to the same Neon projects.
#pragma once

#include <functional>
#include <vector>

#include "tests/simulation/model_neon.hpp"
#include "tests/simulation/model_store.hpp"
#include "tests/simulation/schedule.hpp"

namespace agent_branch::simulation {

// What a user asked for and what came of it.
struct UserOutcome {
  int64_t session_id = 0;  // 0: never had one
  std::string asked;       // kinds of requests, in order
  std::string end;         // a state
  bool excused = false;    // something happened that makes another end right
};

class Users {
 public:
  Users(const VirtualClock *clock, Agenda *agenda, Chance *chance, ModelNeon *neon,
        ModelStore *store)
      : clock_(clock), agenda_(agenda), chance_(chance), neon_(neon), store_(store) {}

  std::function<void()> wake;
  std::vector<int64_t> project_ids;  // in the store, in the order of the schedule

  void Begin(const std::vector<UserPlan> &plans);
  void Stop() { active_ = false; }

  // What others do.
  void MakeForeignBranch(int project, int64_t amount);
  void DeleteOneOfOurs(int project);
  void MakeForeignChild(int project);
  void Protect(int project);
  void ChangeParent(int project);
  void WriteToParent(int project);
  void Rename(int project);
  void Annotate(int project);
  void Register(int project, int max_parallel);
  void TakeOver();

  // Of each user, in the order of the schedule.
  std::vector<UserOutcome> Outcomes() const;

 private:
  struct User {
    const UserPlan *plan = nullptr;
    int64_t session_id = 0;
    size_t migrations = 0;
    int writes = 0;
    bool rebased = false;
    bool extended = false;
    int refused = 0;
    bool merged_again = false;
    bool began_again = false;
    int undos = 0;
  };

  void Later(size_t user, milliseconds after);
  // False: not possible now.
  bool Act(User &user);
  bool Create(User &user);
  bool Migrate(User &user, const SessionRow &session);
  bool Write(User &user, const SessionRow &session);
  bool Extend(User &user, const SessionRow &session);
  bool End(User &user, const SessionRow &session);
  bool Rebase(User &user, const SessionRow &session);
  bool Undo(User &user, const SessionRow &session);
  bool DiscardWhileMerging(const SessionRow &session);
  bool TakesRequests(const SessionRow &session) const;
  bool IsMerging(const SessionRow &session) const;
  ModelProject &ProjectAt(int project);
  ModelBranch *OneOfOurs(int project);
  void NoteTaken(const ModelBranch &branch);

  const VirtualClock *clock_;
  Agenda *agenda_;
  Chance *chance_;
  ModelNeon *neon_;
  ModelStore *store_;
  bool active_ = true;
  std::vector<User> users_;
  int64_t next_write_ = 1;
};

}  // namespace agent_branch::simulation
