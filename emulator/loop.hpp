// The one event loop everything runs on, plus threads for work that blocks.
//
// All methods but RunBlocking's `work` are called, and all callbacks run, on the loop's thread.
// This header keeps Boost.Asio out of the files that only need to wait for something.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace agent_branch::emulator {

class Loop {
 public:
  explicit Loop(int threads);
  ~Loop();
  Loop(const Loop &) = delete;
  Loop &operator=(const Loop &) = delete;

  boost::asio::io_context &context() { return *context_; }
  void Run();  // returns after Stop()
  void Stop();
  void Post(std::function<void()> callback);
  void After(std::chrono::milliseconds delay, std::function<void()> callback);
  // Runs `work` on some other thread and then `done` on the loop. The threads live as long as the
  // Loop: children that are to die with the emulator are tied to the thread that forked them.
  void RunBlocking(std::function<void()> work, std::function<void()> done);
  // Waits for the threads' present work and drops what has not begun; `done`s no longer run.
  void JoinThreads();

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };
  void ServeJobs();

  std::unique_ptr<boost::asio::io_context> context_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool closing_ = false;
  size_t idle_threads_ = 0;
  size_t max_threads_;
  std::vector<std::thread> threads_;
};

}  // namespace agent_branch::emulator
