// What a function returns when it can fail.
//
// core, http and branch neither throw nor log: they return a Status, or a Result<T> that holds
// either a value or a Status. A Status is a code (an SQLSTATE, so that it can become a PostgreSQL
// error as it stands) with a message in PostgreSQL's error style, a detail that says what was seen
// and a hint that says what to do. None of the texts may ever contain a secret.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace agent_branch {

class Status {
 public:
  Status() = default;

  // sqlstate: five characters, such as "08006"; message: lower case, no full stop.
  static Status Error(std::string sqlstate, std::string message, std::string detail = {},
                      std::string hint = {}) {
    Status status;
    status.sqlstate_ = std::move(sqlstate);
    status.message_ = std::move(message);
    status.detail_ = std::move(detail);
    status.hint_ = std::move(hint);
    return status;
  }

  bool ok() const { return sqlstate_.empty(); }
  const std::string &sqlstate() const { return sqlstate_; }
  const std::string &message() const { return message_; }
  const std::string &detail() const { return detail_; }
  const std::string &hint() const { return hint_; }

 private:
  std::string sqlstate_;
  std::string message_;
  std::string detail_;
  std::string hint_;
};

template <class T>
class Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return value_.has_value(); }
  const Status &status() const { return status_; }
  // Only when ok().
  const T &value() const { return *value_; }
  T &value() { return *value_; }
  const T *operator->() const { return &*value_; }
  T *operator->() { return &*value_; }
  const T &operator*() const { return *value_; }
  T &operator*() { return *value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace agent_branch
