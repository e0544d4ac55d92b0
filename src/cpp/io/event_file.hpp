// Files written by a run: one writer each; events as they happen, truncated after a restart.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace naglass {

/// A file open for writing, claimed so that no other claim, in this or another process, writes it under any name. All
/// members throw Error, with the path, if the system call fails.
class FileClaim {
 public:
  FileClaim() = default;
  FileClaim(FileClaim &&other) noexcept { *this = std::move(other); }
  FileClaim &operator=(FileClaim &&other) noexcept;
  ~FileClaim() { close(); }

  bool is_open() const { return descriptor_ >= 0; }
  /// Opens the file, or creates it if it does not exist; keeps its content. Removed on closing if it is still empty.
  void open(const std::string &path);
  std::int64_t size() const;
  /// Truncates the file after the first `bytes`.
  void cut(std::int64_t bytes);
  /// Appends text with one write.
  void append(const std::string &text);
  /// Returns when the text is on disk.
  void sync();

 private:
  void close();
  [[noreturn]] void refuse(const char *action) const;

  std::string path_;
  int descriptor_ = -1;
};

/// Lines begin with the event's step; those that begin with '#' are comments, except "# until STEP", which belongs to
/// its step. Every line is complete at any moment, whatever ends the program. All members throw Error, with the path,
/// if the system call fails.
class EventFile {
 public:
  bool is_open() const { return file_.is_open(); }
  /// Opens the file without changing it.
  void claim(const std::string &path) { file_.open(path); }
  /// Starts the file over with `header`.
  void begin(const std::string &path, const std::string &header);
  /// Resumes after the events up to `last_step`; later events, from a run past the restart, are truncated. Returns the
  /// number of events kept. Creates the file if it does not exist.
  std::int64_t resume(const std::string &path, const std::string &header, std::int64_t last_step);
  /// Resumes after the first `bytes` of the file; the rest is truncated. Creates the file if it does not exist.
  void resume_at(const std::string &path, std::int64_t bytes);
  /// Appends whole lines with one write.
  void append(const std::string &lines);
  /// Appends a line that the next one replaces.
  void end_with(const std::string &line);
  /// Returns when the lines are on disk.
  void sync() { file_.sync(); }

 private:
  FileClaim file_;
  std::int64_t ending_ = 0;  // bytes of the line that the next one replaces
};

}  // namespace naglass
