// What the world does to the worker, and what is asked of it, by name: so that one kind can be left
// out, when it is to be seen what another one brings to light, or be the only one.
//
// AGENT_BRANCH_SIMULATION_WITHOUT=bounds,shared_key leaves those out, and
// AGENT_BRANCH_SIMULATION_WITH=list_order brings in those that are not in by themselves.
#pragma once

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

namespace agent_branch::simulation {

enum class Trial {
  kDuty,            // every end is explained by what was asked for or by what went wrong
  kUndisturbed,     // every schedule is run once more with nothing going wrong, and compared
  kBounds,          // on calls, rows, and the time until all is at rest
  kExactFence,      // a merge that was undone, or came before the fork, is no reason to refuse one
  kUsableAnswers,   // one answer that cannot be read is no reason to give anything up
  kLastingTrouble,  // in one project, while the others come to rest
  kListOrder,       // lists in Neon's default order, so that pages skip what changes between them
  kWrongAnswers,    // that are well formed, and about another branch, or of another meaning
  kTakenBranches,   // a branch on record that others rename, annotate anew, or make again
  kForeignWrites,   // others write rows and schema to the parent at any time
  kFreshProof,      // a restore may rest only on what was looked at within two seconds
  kSharedKey,       // projects that share a key and its budget, which survives a crash
  kRestlessUsers,   // who ask again after a conflict, and go on while a merge runs
  kLateCommits,     // transactions in progress that commit after they were asked about
  kUndo,            // users who want their merge undone, some of them whatever is lost by it
  kCount
};

struct TrialName {
  std::string_view name;
  bool is_on;  // unless the environment says otherwise
};

constexpr std::array<TrialName, static_cast<size_t>(Trial::kCount)> kTrials = {{
    {"duty", true},
    {"undisturbed", true},
    {"bounds", true},
    {"exact_fence", true},
    {"usable_answers", true},
    {"lasting_trouble", true},
    {"list_order", true},
    {"wrong_answers", true},
    {"taken_branches", true},
    {"foreign_writes", true},
    {"fresh_proof", true},
    {"shared_key", true},
    {"restless_users", true},
    {"late_commits", true},
    {"undo", true},
}};

// Read once: the environment does not change while the tests run.
inline bool IsOn(Trial trial) {
  static const std::array<bool, kTrials.size()> on = [] {
    auto listed = [](const char *variable) {
      const char *text = std::getenv(variable);
      return "," + std::string(text == nullptr ? "" : text) + ",";
    };
    const std::string with = listed("AGENT_BRANCH_SIMULATION_WITH");
    const std::string without = listed("AGENT_BRANCH_SIMULATION_WITHOUT");
    std::array<bool, kTrials.size()> all{};
    for (size_t n = 0; n < all.size(); ++n) {
      const std::string name = "," + std::string(kTrials[n].name) + ",";
      const bool brought = with == ",all," || with.find(name) != std::string::npos;
      all[n] = (kTrials[n].is_on || brought) && without.find(name) == std::string::npos;
    }
    return all;
  }();
  return on[static_cast<size_t>(trial)];
}

}  // namespace agent_branch::simulation
