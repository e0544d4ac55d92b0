// Files that a run writes: one writer each; events as they happen, cut back after a restart.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace naglass {

/// A file open for writing that nobody else here or in another process writes by such a claim, under whatever name. All
/// members throw Error, with the path, where the system refuses.
class FileClaim {
 public:
  FileClaim() = default;
  FileClaim(FileClaim &&other) noexcept { *this = std::move(other); }
  FileClaim &operator=(FileClaim &&other) noexcept;
  ~FileClaim() { close(); }

  bool is_open() const { return descriptor_ >= 0; }
  /// Opens the file, and makes it where there is none; what it holds stays. Nothing written: no file is left behind.
  void open(const std::string &path);
  std::int64_t size() const;
  /// Cuts what follows the first `bytes`.
  void cut(std::int64_t bytes);
  /// Adds text at the end, by one write.
  void append(const std::string &text);
  /// Returns when the text is on the disk.
  void sync();

 private:
  void close();
  [[noreturn]] void refuse(const char *action) const;

  std::string path_;
  int descriptor_ = -1;
};

/// Lines begin with the event's step; those that begin with '#' are comments, but for "# until STEP", which belongs to
/// its step. Every line is complete at any moment, whatever ends the program. All members throw Error, with the path, where the system refuses.
class EventFile {
 public:
  bool is_open() const { return file_.is_open(); }
  /// Opens the file and leaves it as it is.
  void claim(const std::string &path) { file_.open(path); }
  /// Begins the file anew with `header`.
  void begin(const std::string &path, const std::string &header);
  /// Resumes after the events up to `last_step`; what follows them, from a run beyond the restart, is cut off. Returns
  /// the number of events kept. Begins the file where there is none.
  std::int64_t resume(const std::string &path, const std::string &header, std::int64_t last_step);
  /// Resumes after the first `bytes` of the file; what follows them is cut off. Begins the file where there is none.
  void resume_at(const std::string &path, std::int64_t bytes);
  /// Adds whole lines, by one write.
  void append(const std::string &lines);
  /// Adds a line that the next one replaces.
  void end_with(const std::string &line);
  /// Returns when the lines are on the disk.
  void sync() { file_.sync(); }

 private:
  FileClaim file_;
  std::int64_t ending_ = 0;  // bytes of the line that the next one replaces
};

}  // namespace naglass
