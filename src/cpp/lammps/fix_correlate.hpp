// fix ID group naglass/correlate N keyword value ...
//
// Global array, one row per lag: 1 lag (time units), 2 origins, 3 charge displacement, then for each species
// MSD, alpha2, overlap, chi4, collective displacement per atom, Haven ratio.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/correlators.hpp"
#include "correlation_table.hpp"
#include "element_map.hpp"
#include "fix_samples.hpp"

namespace naglass {

class FixCorrelate : public FixSamples {
 public:
  FixCorrelate(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  void init() override;
  void post_run() override;
  double compute_array(int row, int column) override;
  void write_restart(FILE *file) override;
  double memory_usage() override;

 protected:
  void settle() override;
  std::int64_t last_sample() const override { return last_step_; }
  void sample() override;

 private:
  void read_arguments(int narg, char **arg);
  void read_charges(const StyleArguments &arguments, const ElementMap &elements,
                    const std::vector<std::pair<std::string, double>> &charges);
  void write_file();
  void restore();
  std::vector<Setting> settings() const;

  CorrelatorOptions options_;
  std::vector<std::string> names_;     // per species
  std::vector<int> species_of_type_;   // -1 for NULL
  std::string path_;
  TableFile file_;  // on rank 0
  std::int64_t write_every_ = 0;

  std::unique_ptr<DisplacementHistory> history_;
  std::unique_ptr<DisplacementStatistics> statistics_;  // complete on rank 0 only
  std::vector<std::int64_t> atoms_;                     // per species
  std::int64_t last_step_ = -1;
  double interval_ = 0.0;

  std::vector<double> table_;    // the global array, on all ranks
  bool table_is_new_ = false;
};

}  // namespace naglass
