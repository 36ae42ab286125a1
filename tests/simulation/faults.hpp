// How likely each thing is to go wrong: probabilities, of each request, task or commit.
#pragma once

namespace agent_branch::simulation {

struct Faults {
  // Requests.
  double not_sent = 0;      // no connection
  double request_lost = 0;  // on its way, and the worker does not know how far it came
  double answer_lost = 0;   // after the effect
  double arrives_late = 0;  // the exchange fails first, the effect comes after
  double sent_twice = 0;    // by something between us
  double busy = 0;          // 423
  double throttled = 0;     // 429, with Retry-After or without
  double unavailable = 0;   // 503
  double broken = 0;        // 500, 502, 504, 524: before the effect or after it
  double garbled = 0;       // a success whose body cannot be read
  double slow = 0;          // takes up to 20 seconds
  double key_unreadable = 0;
  double wrong = 0;  // a well-formed answer that is about another branch, or means another thing
  // Operations at Neon.
  double operation_fails = 0;
  double check_runs = 0;  // Neon's own operation holds the lock, each time something is sent
  // The databases of branches.
  double no_connection = 0;
  double connection_lost = 0;
  double commit_lost = 0;  // its answer; it took effect or it did not
  // The control database.
  double commit_fails = 0;
  double read_fails = 0;
  // The worker.
  double crash_before_commit = 0;
  double crash_after_commit = 0;
  double crash_after_sending = 0;
  double crash_after_effect = 0;  // at Neon or at a branch
};

}  // namespace agent_branch::simulation
