// Makes ids and passwords of Neon's shapes from a seeded generator, so that a run can be repeated.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace agent_branch::emulator {

class Identifiers {
 public:
  explicit Identifiers(uint64_t seed) : random_(seed) {}

  // neonctl takes a branch for an id only when it matches br-<word>-<word>-<letters and digits>.
  std::string Branch() { return Worded("br-"); }
  std::string Endpoint() { return Worded("ep-"); }
  std::string Project();   // shiny-wind-028834
  std::string Password();  // npg_ and 16 letters and digits
  std::string Uuid();      // version 4
  unsigned Small() { return random_() % 256; }

 private:
  std::string Worded(const char *prefix);
  std::string Characters(size_t count, const char *alphabet);

  std::mt19937_64 random_;
};

}  // namespace agent_branch::emulator
