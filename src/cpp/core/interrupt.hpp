// How a long loop ends early: because nobody waits for it any more, or because one of its threads has failed.
#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>

namespace naglass {

/// Thrown by a long loop that was asked to stop.
class Interrupted : public std::exception {
 public:
  const char *what() const noexcept override { return "interrupted"; }
};

/// While it lives, the long loops that this thread starts call `stop` some ten times a second, and end with Interrupted
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

/// What a loop asks: taken before the loop, in the thread that starts it, and used by all threads of the loop.
class Interrupt {
 public:
  /// That of the innermost scope of this thread; never stops without one.
  static Interrupt current();

  /// Throws Interrupted if the loop is to stop. About as cheap as reading the clock.
  void check() const;

 private:
  explicit Interrupt(InterruptScope *scope) : scope_(scope) {}

  InterruptScope *scope_;
};

/// Brings the first exception out of a parallel loop, whose threads none may leave.
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

  /// Throws what was caught; called after the loop.
  void rethrow() const
  {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::atomic<bool> failed_ = false;
  std::exception_ptr first_;
};

}  // namespace naglass
