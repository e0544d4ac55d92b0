#include "deviation_file.hpp"

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace naglass {

void DeviationFile::open(std::int64_t step)
{
  file_.reset(std::fopen(path_.c_str(), step > 0 ? "a" : "w"));
  if (!file_) throw std::runtime_error(path_ + ": " + std::strerror(errno));
  std::fseek(file_.get(), 0, SEEK_END);
  if (std::ftell(file_.get()) > 0) return;
  std::fprintf(file_.get(), "#%11s", "step");
  for (const char *name : {"max_devi_v", "min_devi_v", "avg_devi_v", "max_devi_f", "min_devi_f", "avg_devi_f"})
    std::fprintf(file_.get(), "%19s", name);
  std::fputs("\n", file_.get());
}

void DeviationFile::write(std::int64_t step, const Spread &virial, const Spread &force)
{
  if (!file_) open(step);
  std::fprintf(file_.get(), "%12lld", static_cast<long long>(step));
  for (const double value : {virial.max, virial.min, virial.mean, force.max, force.min, force.mean})
    std::fprintf(file_.get(), " %18.6e", value);
  if (std::fputs("\n", file_.get()) < 0 || std::fflush(file_.get()) != 0)
    throw std::runtime_error(path_ + ": " + std::strerror(errno));
  last_ = step;
}

}  // namespace naglass
