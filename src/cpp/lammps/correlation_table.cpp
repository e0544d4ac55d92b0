#include "correlation_table.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "core/error.hpp"

namespace naglass {
namespace {

void append(std::string &text, double value)
{
  char buffer[40];
  std::snprintf(buffer, sizeof(buffer), " %.17g", value);
  text += buffer;
}

void append(std::string &text, const Estimate &estimate)
{
  append(text, estimate.value);
  append(text, estimate.error);
}

std::string correlations(const TableHeader &header, const DisplacementStatistics &statistics)
{
  std::string text = "# time samples origins";
  for (std::size_t s = 0; s < header.names.size(); ++s)
    if (header.atoms[s] > 0)
      for (const char *name : {"msd", "alpha2", "overlap", "chi4", "collective", "haven"})
        for (const char *ending : {"", "_err"})
          text.append(" ").append(name).append("_").append(header.names[s]).append(ending);
  text += " charge charge_err\n" + header.step;
  for (int k = 0; k < statistics.lags(); ++k) {
    const LagEstimate found = statistics.at(k);
    append(text, static_cast<double>(found.lag) * header.interval);
    text += " " + std::to_string(found.lag) + " " + std::to_string(found.origins);
    for (std::size_t s = 0; s < header.names.size(); ++s) {
      if (header.atoms[s] == 0) continue;
      const SpeciesEstimate &own = found.species[s];
      for (const Estimate &e : {own.msd, own.alpha2, own.overlap, own.chi4, own.collective, own.haven}) append(text, e);
    }
    append(text, found.charge);
    text += "\n";
  }
  return text;
}

std::string van_hove(const TableHeader &header, const DisplacementStatistics &statistics)
{
  std::string text = "# time r";
  std::vector<int> present;
  for (std::size_t s = 0; s < header.names.size(); ++s)
    if (header.atoms[s] > 0) {
      present.push_back(static_cast<int>(s));
      for (const char *ending : {"", "_err"}) text.append(" p_").append(header.names[s]).append(ending);
    }
  text +=
      "\n" + header.step + "# p = 4 pi r^2 G_s per distance unit; at r = -1 the fraction of atoms beyond the reach\n";
  for (int k = 0; k < statistics.lags(); ++k) {
    std::vector<std::vector<Estimate>> found;
    for (const int s : present) found.push_back(statistics.van_hove(k, s));
    for (std::size_t bin = 0; bin < found.front().size(); ++bin) {
      append(text, static_cast<double>(statistics.lag(k)) * header.interval);
      append(text, bin + 1 < found.front().size() ? (static_cast<double>(bin) + 0.5) * header.bin_width : -1.0);
      for (const auto &own : found) append(text, own[bin]);
      text += "\n";
    }
  }
  return text;
}

}  // namespace

void TableFile::claim(const std::string &path, bool with_histograms)
{
  for (const char *const ending : {"", ".van_hove"}) {
    if (*ending && !with_histograms) continue;
    FileClaim claim;
    claim.open(path + ending);
    parts_.push_back({path + ending, std::move(claim)});
  }
}

void TableFile::write(const TableHeader &header, const DisplacementStatistics &statistics)
{
  replace(parts_.at(0), correlations(header, statistics));
  if (parts_.size() > 1 && statistics.lags() > 0) replace(parts_[1], van_hove(header, statistics));
}

// The new file is claimed before it takes the name.
void TableFile::replace(Part &part, const std::string &text)
{
  const std::string temporary = part.path + ".tmp";
  FileClaim next;
  next.open(temporary);
  try {
    next.cut(0);
    next.append(text);
    if (std::rename(temporary.c_str(), part.path.c_str()) != 0)
      throw Error("file", part.path, std::string("cannot be written: ") + std::strerror(errno));
  } catch (const Error &) {
    ::unlink(temporary.c_str());
    throw;
  }
  part.claim = std::move(next);
}

}  // namespace naglass
