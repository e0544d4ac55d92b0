// Early exit from long loops: because the caller no longer waits, or because one of the threads failed.
#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>

namespace naglass {

/// Thrown by a long loop when it is asked to stop.
class Interrupted : public std::exception {
 public:
  const char *what() const noexcept override { return "interrupted"; }
};

/// During its lifetime, long loops started by this thread call `stop` about ten times per second and throw Interrupted
/// once it returns true.
class InterruptScope {
 public:
  explicit InterruptScope(std::function<bool()> stop);
  InterruptScope(const InterruptScope &) = delete;
  InterruptScope &operator=(const InterruptScope &) = delete;
  ~InterruptScope();

 private:
  friend class Interrupt;

  std::function<bool()> stop_;
  std::atomic<bool> stopped_ = false;
  std::chrono::steady_clock::time_point next_;
  InterruptScope *outer_;
};

/// The stop check of a loop: created before the loop by the thread that starts it, and used by all its threads.
class Interrupt {
 public:
  /// The check of this thread's innermost scope; without one, never stops.
  static Interrupt current();

  /// Throws Interrupted if the loop should stop. Costs about as much as reading the clock.
  void check() const;

 private:
  explicit Interrupt(InterruptScope *scope) : scope_(scope) {}

  InterruptScope *scope_;
};

/// Carries the first exception out of a parallel loop, since exceptions must not leave its threads.
class ParallelErrors {
 public:
  /// Runs `body` unless one has thrown before.
  template <typename Body> void run(Body &&body) noexcept
  {
    if (failed_.load(std::memory_order_relaxed)) return;
    try {
      body();
    } catch (...) {
      if (!failed_.exchange(true)) first_ = std::current_exception();
    }
  }

  /// Rethrows the caught exception; call after the loop.
  void rethrow() const
  {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::atomic<bool> failed_ = false;
  std::exception_ptr first_;
};

}  // namespace naglass
