// Profile of a backend: CPU seconds of the calling thread by piece, recorded only on request.
#pragma once

#include <ctime>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace naglass::mace {

/// Adds up CPU time by name. With the environment variable NAGLASS_MACE_PROFILE set, the destructor prints one line of
/// JSON to stderr: {"naglass_mace_profile": {"<piece>": seconds, ...}, "calls": n}. Otherwise it has no cost.
class Stopwatch {
 public:
  Stopwatch() = default;
  Stopwatch(const Stopwatch &) = delete;
  Stopwatch &operator=(const Stopwatch &) = delete;

  ~Stopwatch()
  {
    if (!asked_) return;
    std::string text;
    for (const auto &[name, seconds] : seconds_)
      text += (text.empty() ? "\"" : ", \"") + name + "\": " + std::to_string(seconds);
    std::fprintf(stderr, "{\"naglass_mace_profile\": {%s}, \"calls\": %ld}\n", text.c_str(), calls_);
  }

  void start()
  {
    if (!asked_) return;
    ++calls_;
    last_ = now();
  }

  /// Adds the time since the last mark, or since the start, to `name`.
  void mark(const char *name)
  {
    if (!asked_) return;
    const double time = now();
    seconds_[name] += time - last_;
    last_ = time;
  }

 private:
  static double now()
  {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }

  bool asked_ = std::getenv("NAGLASS_MACE_PROFILE") != nullptr;
  std::map<std::string, double> seconds_;
  double last_ = 0;
  long calls_ = 0;
};

}  // namespace naglass::mace
