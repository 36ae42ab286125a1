// What of the page does not change: style and script.
#pragma once

namespace agent_branch::fleet {

extern const char kStyle[];
extern const char kScript[];

}  // namespace agent_branch::fleet
