// The files of fix naglass/correlate.
#pragma once

#include <string>
#include <vector>

#include "core/correlators.hpp"

namespace naglass {

struct TableHeader {
  std::string step;       // what was sampled, for the first line
  double interval;        // time units between samples
  double bin_width;       // of the van Hove histograms
  std::vector<std::string> names;      // per species
  std::vector<std::int64_t> atoms;     // per species
};

/// Writes one line per lag to `path` and, with histograms, one per lag and bin to `path`.van_hove: complete under a
/// temporary name first, then renamed, so that a reader or a kill never meets half a file. Species without atoms are
/// left out. Throws Error if a file cannot be written.
void write_table(const std::string &path, const TableHeader &header, const DisplacementStatistics &statistics);

}  // namespace naglass
