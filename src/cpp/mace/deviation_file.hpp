// The text file of a committee's deviations, in the layout that DeePMD-kit's model_devi.out made common.
#pragma once

#include <cstdint>
#include <string>

#include "io/event_file.hpp"

namespace naglass {

/// Maximum, minimum and mean over atoms or components.
struct Spread {
  double max = 0, min = 0, mean = 0;
};

class DeviationFile {
 public:
  DeviationFile(std::string path, int every) : path_(std::move(path)), every_(every) {}

  /// Opens the file without changing it, so that errors show up before the run. On rank 0.
  void claim() { file_.claim(path_); }

  /// Whether a line belongs to this step; a step that ends one run and begins the next has one line.
  bool due(std::int64_t step) const { return step % every_ == 0 && step != last_; }

  /// Appends a line: step, deviation of the virial (eV per atom) and of the forces (eV/Å). A run that starts at step 0
  /// starts the file over; one that resumes from a restart keeps the earlier lines. Throws Error, with the path.
  void write(std::int64_t step, const Spread &virial, const Spread &force);

  /// For ranks that do not write: counts the step as written.
  void skip(std::int64_t step) { last_ = step; }

 private:
  void open(std::int64_t step);

  std::string path_;
  int every_;
  std::int64_t last_ = -1;
  EventFile file_;
  bool opened_ = false;
};

}  // namespace naglass
