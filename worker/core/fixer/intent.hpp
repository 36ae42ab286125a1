// Whether a fix does what the original did, and nothing else.
//
// Where the original can be parsed, the sets of what both do are compared: each effect of the one
// has to be an effect of the other, apart from what the error gives leave to (licence.hpp). Where
// it cannot, its words are: every name and every constant has to stay, and each word that makes,
// changes, protects or destroys something has to stand as often in both. What is not understood is
// refused: a fix that is refused wrongly costs an attempt, one that is accepted wrongly costs data.
#pragma once

#include <string>
#include <vector>

#include "worker/core/fixer/licence.hpp"
#include "worker/core/script/script.hpp"

namespace agent_branch {

// What the intent check says of a fix: ok(), or what it leaves out, weakens or adds.
struct Intent {
  bool preserved = false;
  std::string reason;  // lower case, no full stop; names of the SQL in it, cut short
  // When preserved: the fix's effects that are the original's, and those that the error gave leave
  // to. For the second proof, on the branch.
  std::vector<Effect> wanted;
  std::vector<Effect> added;
};

// original, fix: as the ScriptReader read them. The fix has to be parsed: one that is not is
// refused. sql: their texts. errors: see LicenceOf().
Intent CompareIntent(const Script &original, const std::string &original_sql, const Script &fix,
                     const std::string &fix_sql, const std::vector<ServerError> &errors);

// The parts, for tests.
Intent CompareEffects(const std::vector<Effect> &original, const std::vector<Effect> &fix,
                      const Licence &licence);
Intent CompareWords(const std::string &original, const std::string &fix);

// Kinds of effects that take something away: their object never stands as another one in a fix.
bool IsDestructive(const Effect &effect);

}  // namespace agent_branch
