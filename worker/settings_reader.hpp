// The settings agent_branch.*, which agent_branch.so defines, as the worker uses them.
#pragma once

#include <string>

#include "worker/core/state/store.hpp"

namespace agent_branch {

Settings ReadSettings();
std::string ApiKeyFile();       // agent_branch.api_key_file
std::string ApiKeyDirectory();  // agent_branch.api_key_directory
std::string CaFile();           // agent_branch.ca_file
std::string HttpsProxy();       // agent_branch.https_proxy
std::string FixerKeyFile();     // agent_branch.fixer_key_file

}  // namespace agent_branch
