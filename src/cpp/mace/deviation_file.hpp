// The text file of a committee's deviations, in the layout that DeePMD-kit's model_devi.out made common.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

namespace naglass {

/// Largest, least and mean value over atoms or components.
struct Spread {
  double max = 0, min = 0, mean = 0;
};

class DeviationFile {
 public:
  DeviationFile(std::string path, int every) : path_(std::move(path)), every_(every) {}

  /// Whether a line belongs to this step; a step that ends one run and begins the next has one line.
  bool due(std::int64_t step) const { return step % every_ == 0 && step != last_; }

  /// Appends a line, flushed: step, deviation of the virial (eV per atom) and of the forces (eV/Å). The first line of
  /// a run that starts at step 0 empties the file; a continued run appends. Throws std::runtime_error when the file
  /// cannot be written.
  void write(std::int64_t step, const Spread &virial, const Spread &force);

  /// For ranks that do not write: counts the step as written.
  void skip(std::int64_t step) { last_ = step; }

 private:
  void open(std::int64_t step);

  std::string path_;
  int every_;
  std::int64_t last_ = -1;
  std::unique_ptr<std::FILE, int (*)(std::FILE *)> file_{nullptr, &std::fclose};
};

}  // namespace naglass
