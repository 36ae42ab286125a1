// What --keep keeps: the whole model as one JSON text, written anew whenever something was done.
//
// It is for the emulator's own end, not for the machine's: nothing is synced. Requests and effects
// are only ever added to, so they have a file each (request_log.hpp); the text says how many of
// the effects it knows of.
#pragma once

#include <string>

namespace agent_branch::emulator {

class Service;

std::string WriteState(Service &service);
// Fills the service, which must be empty. Throws when the text is none of WriteState's.
void ReadState(Service &service, const std::string &text);

// The folder that it is kept in.
class KeptState {
 public:
  // Takes the folder, and makes it if it is missing. Throws std::runtime_error when another
  // emulator has it.
  explicit KeptState(const std::string &folder);
  ~KeptState();
  KeptState(const KeptState &) = delete;
  KeptState &operator=(const KeptState &) = delete;

  std::string Read() const;  // empty: nothing was kept yet
  // The old text or the new one is there at any moment. Ends the emulator when it cannot be
  // written: nothing may be answered that would be forgotten.
  void Write(const std::string &text) const;
  std::string requests_path() const { return folder_ + "/requests"; }
  std::string effects_path() const { return folder_ + "/effects"; }

 private:
  std::string path() const { return folder_ + "/state.json"; }

  std::string folder_;
  int lock_ = -1;
};

}  // namespace agent_branch::emulator
