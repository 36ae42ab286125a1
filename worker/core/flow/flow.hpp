// A flow: what happens over time, written from top to bottom as a C++20 coroutine.
//
// A Flow<T> does nothing until it is awaited by another flow, or started by an actor (actor.hpp).
// It owns its frame: destroying a Flow destroys the frame and, with it, what the flow waits for,
// and every flow that it awaits. A flow returns a T; what it throws (Require() only) comes out
// where it is awaited.
//
// g++ 12 compiles this soundly if each co_await is a statement of its own or the right side of a
// declaration or an assignment; a rule of lint holds that.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace agent_branch {

template <class T>
class Flow;

namespace flow_internal {

class PromiseBase {
 public:
  // Goes on with the flow that awaits this one, without growing the stack.
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      std::coroutine_handle<> awaiting = ended.promise().awaiting;
      return awaiting ? awaiting : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { thrown = std::current_exception(); }

  std::coroutine_handle<> awaiting;
  std::exception_ptr thrown;
};

template <class T>
class Promise : public PromiseBase {
 public:
  Flow<T> get_return_object();
  template <class Value>
  void return_value(Value &&value) {
    value_.emplace(std::forward<Value>(value));
  }
  T Take() {
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class Promise<void> : public PromiseBase {
 public:
  Flow<void> get_return_object();
  void return_void() const noexcept {}
  void Take() const {
    if (thrown) std::rethrow_exception(thrown);
  }
};

}  // namespace flow_internal

template <class T = void>
class [[nodiscard]] Flow {
 public:
  using promise_type = flow_internal::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Flow() = default;
  explicit Flow(Handle handle) : handle_(handle) {}
  Flow(Flow &&other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Flow &operator=(Flow &&other) noexcept {
    if (this != &other) {
      Destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  Flow(const Flow &) = delete;
  Flow &operator=(const Flow &) = delete;
  ~Flow() { Destroy(); }

  // For an actor, which starts a flow that nobody awaits.
  std::coroutine_handle<> handle() const { return handle_; }
  bool exists() const { return static_cast<bool>(handle_); }
  bool done() const { return handle_ && handle_.done(); }
  // Only when done(): what it returned, or throws what it threw.
  T Take() { return handle_.promise().Take(); }

  // For a flow that awaits this one.
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    handle_.promise().awaiting = awaiting;
    return handle_;
  }
  T await_resume() { return handle_.promise().Take(); }

 private:
  void Destroy() {
    if (handle_) std::exchange(handle_, {}).destroy();
  }

  Handle handle_;
};

namespace flow_internal {

template <class T>
Flow<T> Promise<T>::get_return_object() {
  return Flow<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}

inline Flow<void> Promise<void>::get_return_object() {
  return Flow<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

}  // namespace flow_internal
}  // namespace agent_branch
