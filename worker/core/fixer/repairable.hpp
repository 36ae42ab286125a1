// Which failures a fixer is asked about: those that another text of the migration may not have.
#pragma once

#include <string_view>

namespace agent_branch {

// False for cancellations, time-outs, lack of resources or of rights, lost connections, a server
// that shuts down, errors inside the server, and what is refused before it runs for its size.
bool IsRepairable(std::string_view sqlstate);

}  // namespace agent_branch
