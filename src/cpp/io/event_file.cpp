#include "io/event_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "core/error.hpp"

namespace naglass {

FileClaim &FileClaim::operator=(FileClaim &&other) noexcept
{
  close();
  path_ = std::move(other.path_);
  descriptor_ = std::exchange(other.descriptor_, -1);
  return *this;
}

void FileClaim::close()
{
  if (!is_open()) return;
  struct stat held, named;
  const bool same = ::fstat(descriptor_, &held) == 0 && ::stat(path_.c_str(), &named) == 0 &&
                    held.st_ino == named.st_ino && held.st_dev == named.st_dev;
  if (same && S_ISREG(held.st_mode) && held.st_size == 0) ::unlink(path_.c_str());
  ::close(std::exchange(descriptor_, -1));
}

void FileClaim::refuse(const char *action) const
{ throw Error("file", path_, std::string(action) + ": " + std::strerror(errno)); }

void FileClaim::open(const std::string &path)
{
  close();
  path_ = path;
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (!is_open()) refuse("cannot be opened");
  // some file systems have no locks
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(std::exchange(descriptor_, -1));
  throw Error("file", path_, "another fix, pair style or run is writing this file; choose another name");
}

std::int64_t FileClaim::size() const
{
  const off_t end = ::lseek(descriptor_, 0, SEEK_END);
  if (end < 0) refuse("has no readable size");
  return static_cast<std::int64_t>(end);
}

void FileClaim::cut(std::int64_t bytes)
{
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) refuse("cannot be truncated");
}

void FileClaim::append(const std::string &text)
{
  const char *next = text.data();
  std::size_t left = text.size();
  while (left > 0) {
    const ssize_t written = ::write(descriptor_, next, left);
    if (written < 0 && errno != EINTR) refuse("cannot be written");
    if (written < 0) continue;
    next += written;
    left -= static_cast<std::size_t>(written);
  }
}

void FileClaim::sync()
{
  if (::fsync(descriptor_) != 0 && errno != EINVAL) refuse("cannot be flushed to disk");
}

void EventFile::begin(const std::string &path, const std::string &header)
{
  resume_at(path, 0);
  append(header);
}

std::int64_t EventFile::resume(const std::string &path, const std::string &header, std::int64_t last_step)
{
  std::int64_t kept = 0;
  std::int64_t end = 0;
  {
    std::ifstream before(path);
    std::string line;
    // a line without a newline at the end of the file: the writer was killed while writing it
    while (std::getline(before, line) && !before.eof()) {
      const bool comment = !line.empty() && line[0] == '#';
      const std::string until = "# until ";
      if (line.starts_with(until) && std::strtoll(line.c_str() + until.size(), nullptr, 10) > last_step) break;
      if (!comment && std::strtoll(line.c_str(), nullptr, 10) > last_step) break;
      kept += !comment;
      end += static_cast<std::int64_t>(line.size()) + 1;
    }
  }
  resume_at(path, end);
  if (end == 0) append(header);
  return kept;
}

void EventFile::resume_at(const std::string &path, std::int64_t bytes)
{
  file_.open(path);
  file_.cut(bytes);
  ending_ = 0;
}

void EventFile::append(const std::string &lines)
{
  if (ending_ > 0) file_.cut(file_.size() - std::exchange(ending_, 0));
  file_.append(lines);
}

void EventFile::end_with(const std::string &line)
{
  append(line);
  ending_ = static_cast<std::int64_t>(line.size());
}

}  // namespace naglass
