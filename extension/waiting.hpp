// Waiting for what the worker does, without polling and without holding anything.
//
// Each look at the tables is a subtransaction that is rolled back, so that no lock stays: with one
// held, DROP EXTENSION would queue behind the waiter, the worker behind DROP EXTENSION, and the
// waiter behind the worker, where no deadlock detector sees it. Between the looks the process
// sleeps on a condition variable without a snapshot of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "extension/lookup.hpp"

namespace agent_branch {

// Runs `look` inside a rolled-back subtransaction and an OwnerSession.
void LookOnly(const std::function<void()> &look);

// Calls `look` like LookOnly() until it returns true or the time (in microseconds from now) is
// over; returns what it returned last.
bool WaitUntil(int64_t session_id, int64_t timeout, const std::function<bool()> &look);

// The session's state once nothing that was asked for is outstanding. Raises AB001 at the timeout.
// `whole_timeout` is the time that its message names.
std::string WaitUntilSettled(const Session &session, int64_t timeout, int64_t whole_timeout);

// 22023 unless greater than zero.
void RequireTimeout(const std::optional<int64_t> &timeout);

}  // namespace agent_branch
