#include "deviation_file.hpp"

#include <cstdio>

namespace naglass {

void DeviationFile::write(std::int64_t step, const Spread &virial, const Spread &force)
{
  if (!opened_) open(step);
  char line[160];
  std::snprintf(line, sizeof line, "%12lld %18.6e %18.6e %18.6e %18.6e %18.6e %18.6e\n", static_cast<long long>(step),
                virial.max, virial.min, virial.mean, force.max, force.min, force.mean);
  file_.append(line);
  last_ = step;
}

void DeviationFile::open(std::int64_t step)
{
  opened_ = true;
  std::string header = "#       step";
  for (const char *name : {"max_devi_v", "min_devi_v", "avg_devi_v", "max_devi_f", "min_devi_f", "avg_devi_f"})
    header += "         " + std::string(name);
  header += "\n";
  // rewrites the line of this step
  if (step > 0) file_.resume(path_, header, step - 1);
  else file_.begin(path_, header);
}

}  // namespace naglass
