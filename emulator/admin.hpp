// The routes below /admin, for tests and demonstrations: no key, since only loopback can reach
// them.
#pragma once

#include "emulator/api.hpp"

namespace agent_branch::emulator {

class Admin {
 public:
  Admin(Service &service, Api &api) : service_(service), api_(api) {}

  // Throws nothing: errors are answers.
  Response Handle(const Call &call);

 private:
  Response Route(const Call &call);
  Response Configure(const Call &call);
  Response CheckAvailability(const Call &call);
  Response State();

  Service &service_;
  Api &api_;
};

}  // namespace agent_branch::emulator
