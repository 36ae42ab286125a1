// A project kept free for one merge, for as long as this lives: the next change is its own.
#pragma once

#include "worker/core/state/inventory.hpp"

namespace agent_branch {

class Reservation {
 public:
  Reservation(Project *project, const Actor *owner) : project_(project), owner_(owner) {
    project_->reserved_by = owner_;
  }
  ~Reservation() {
    if (project_->reserved_by == owner_) project_->reserved_by = nullptr;
  }
  Reservation(const Reservation &) = delete;
  Reservation &operator=(const Reservation &) = delete;

 private:
  Project *project_;
  const Actor *owner_;
};

}  // namespace agent_branch
