// neon-emulator --try: everything that an emulator needs, made by itself, and what to tell the
// server that is to use it.
#pragma once

#include <string>

#include "emulator/options.hpp"

namespace agent_branch::emulator {

// Fills in what the command line left open: engine postgres, a data directory, and a key file as
// the worker wants it, of the server's user alone. The key file stays when the emulator ends, so
// that the settings hold for the next start as well. As root, the process becomes the user postgres
// first, since PostgreSQL does not run as root. Throws std::runtime_error.
void PrepareTryOut(Options *options);

// The three lines of postgresql.conf, with a newline after each.
std::string TryOutSettings(const Options &options, const std::string &url);

}  // namespace agent_branch::emulator
