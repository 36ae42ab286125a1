#include "worker/branch/fingerprint.hpp"

namespace agent_branch {

// The form of the answer, without any object yet.
std::string FingerprintQuery(int) { return "SELECT pg_catalog.md5(''), '{}'"; }

}  // namespace agent_branch
