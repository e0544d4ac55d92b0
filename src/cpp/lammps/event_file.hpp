// A file of events, one line each, ordered by step: written as they happen, and cut back after a restart.
#pragma once

#include <cstdint>
#include <string>

namespace naglass {

/// Lines begin with the event's step; those that begin with '#' are comments. Every line is complete at any moment,
/// whatever ends the program. All members throw Error, with the path, where the system refuses.
class EventFile {
 public:
  EventFile() = default;
  EventFile(const EventFile &) = delete;
  EventFile &operator=(const EventFile &) = delete;
  ~EventFile();

  bool is_open() const { return descriptor_ >= 0; }
  /// Begins the file anew with `header`.
  void begin(const std::string &path, const std::string &header);
  /// Goes on after the events up to `last_step`; what follows them, from a run beyond the restart, is cut off. Returns
  /// the number of events kept. Begins the file where there is none.
  std::int64_t resume(const std::string &path, const std::string &header, std::int64_t last_step);
  /// Goes on after the first `bytes` of the file; what follows them is cut off. Begins the file where there is none.
  void resume_at(const std::string &path, std::int64_t bytes);
  /// Adds whole lines, by one write.
  void append(const std::string &lines);
  /// Returns when the lines are on the disk.
  void sync();

 private:
  void open(const std::string &path, int flags);
  [[noreturn]] void refuse(const char *action) const;

  std::string path_;
  int descriptor_ = -1;
};

}  // namespace naglass
