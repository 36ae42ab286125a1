// Whose a change of the tables is, so that one that cannot be written holds up nobody else's.
#pragma once

#include <compare>
#include <cstdint>

namespace agent_branch {

// A session, or, where there is none, a project; both 0: nobody's in particular.
struct Owner {
  int64_t session_id = 0;
  int64_t project_id = 0;
  static Owner Session(int64_t id) { return {id, 0}; }
  static Owner Project(int64_t id) { return {0, id}; }
  static Owner Of(int64_t session_id, int64_t project_id) {
    return session_id != 0 ? Session(session_id) : Project(project_id);
  }
  auto operator<=>(const Owner &) const = default;
};

}  // namespace agent_branch
