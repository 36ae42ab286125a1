#include "worker/core/fixer/repairable.hpp"

#include <algorithm>
#include <array>

namespace agent_branch {

bool IsRepairable(std::string_view sqlstate) {
  if (sqlstate.size() != 5) return false;
  // Classes: connections, transactions that collided, resources, limits, operators' interventions,
  // the system, the configuration, internal errors.
  constexpr std::array<std::string_view, 9> kClasses = {"08", "40", "53", "54", "57",
                                                        "58", "F0", "XX", "AB"};
  constexpr std::array<std::string_view, 6> kStates = {
      "42501",   // insufficient privilege: another text must not get around it
      "55P03",   // lock not available
      "25P03",   // idle in transaction
      "25006",   // read only
      "55006",   // object in use
      "28000"};  // authorization
  return std::find(kClasses.begin(), kClasses.end(), sqlstate.substr(0, 2)) == kClasses.end() &&
         std::find(kStates.begin(), kStates.end(), sqlstate) == kStates.end();
}

}  // namespace agent_branch
