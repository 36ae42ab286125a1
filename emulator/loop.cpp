#include "emulator/loop.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace agent_branch::emulator {

Loop::Loop(int threads)
    : context_(std::make_unique<boost::asio::io_context>(1)), max_threads_(threads) {}

Loop::~Loop() {
  JoinThreads();
}

void Loop::Run() {
  auto guard = boost::asio::make_work_guard(*context_);
  context_->run();
}

void Loop::Stop() {
  context_->stop();
}

void Loop::Post(std::function<void()> callback) {
  boost::asio::post(*context_, std::move(callback));
}

void Loop::After(std::chrono::milliseconds delay, std::function<void()> callback) {
  auto timer = std::make_shared<boost::asio::steady_timer>(*context_, delay);
  timer->async_wait([timer, callback = std::move(callback)](boost::system::error_code error) {
    if (!error) callback();
  });
}

void Loop::RunBlocking(std::function<void()> work, std::function<void()> done) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closing_) return;
  jobs_.push_back({std::move(work), std::move(done)});
  if (jobs_.size() > idle_threads_ && threads_.size() < max_threads_) {
    threads_.emplace_back([this] { ServeJobs(); });
  }
  wake_.notify_one();
}

void Loop::ServeJobs() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    ++idle_threads_;
    wake_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
    --idle_threads_;
    if (closing_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job.work();
    Post(std::move(job.done));
    lock.lock();
  }
}

void Loop::JoinThreads() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
    jobs_.clear();
  }
  wake_.notify_all();
  for (std::thread &thread : threads_)
    thread.join();
  threads_.clear();
}

}  // namespace agent_branch::emulator
