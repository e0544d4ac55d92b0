// The files of fix naglass/correlate.
#pragma once

#include <string>
#include <vector>

#include "core/correlators.hpp"
#include "io/event_file.hpp"

namespace naglass {

struct TableHeader {
  std::string step;       // what was sampled, for the first line
  double interval;        // time units between samples
  double bin_width;       // of the van Hove histograms
  std::vector<std::string> names;      // per species
  std::vector<std::int64_t> atoms;     // per species
};

/// The first line names the columns, as numpy.genfromtxt(names=True) reads them; comments follow, then the table: one
/// line per lag and, with histograms, one per lag and bin in a file with the ending .van_hove: complete under a
/// temporary name first, then renamed, so neither a reader nor a kill can leave half a file. Species without atoms are
/// omitted. Members throw Error if a file cannot be written.
class TableFile {
 public:
  /// Opens the files, so that errors show up before the run.
  void claim(const std::string &path, bool with_histograms);
  void write(const TableHeader &header, const DisplacementStatistics &statistics);

 private:
  struct Part {
    std::string path;
    FileClaim claim;
  };
  static void replace(Part &part, const std::string &text);

  std::vector<Part> parts_;
};

}  // namespace naglass
