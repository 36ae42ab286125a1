// What the extension notices of other statements: that an extension or a database comes or goes.
#pragma once

namespace agent_branch {

void InstallHooks();  // in _PG_init()

}  // namespace agent_branch
