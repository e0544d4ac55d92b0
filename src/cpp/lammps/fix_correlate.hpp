// fix ID group naglass/correlate N keyword value ...
//
//   N          sample every this many steps
//   elements   one name per atom type; types of one name are one species (default: each type is one)
//   points     lags of the first level, even (default 16)
//   longest    longest lag in samples (default no limit)
//   overlap    an atom that moved less still overlaps with its old place (distance; default 1.3)
//   van_hove   reach width: histogram of displacements (distances; default none)
//   charge     NAME q: charge (e) of a species in the charge displacement; may be repeated (default 0)
//   framework  group whose mean displacement is subtracted (default none)
//   file       table written at the end of each run (default nowhere)
//   write      write the table every this many samples too (default 0: no)
//
// Global array, one row per lag: 1 lag (time units), 2 origins, 3 charge displacement, then for each species
// MSD, alpha2, overlap, chi4, collective displacement per atom, Haven ratio.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/correlators.hpp"
#include "fix.h"
#include "style_arguments.hpp"
#include "tag_home.hpp"

namespace naglass {

class FixCorrelate : public LAMMPS_NS::Fix {
 public:
  FixCorrelate(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  int setmask() override;
  void init() override;
  void setup(int vflag) override;
  void end_of_step() override;
  void post_run() override;
  double compute_array(int row, int column) override;
  void write_restart(FILE *file) override;
  void restart(char *buffer) override;
  double memory_usage() override;

 private:
  void read_arguments(int narg, char **arg);
  void name_species(const StyleArguments &arguments, const ElementMap &elements);
  void read_charges(const StyleArguments &arguments, const ElementMap &elements,
                    const std::vector<std::pair<std::string, double>> &charges);
  void settle();
  void sample();
  void write_file() const;
  void restore();
  std::vector<double> clock() const;

  CorrelatorOptions options_;
  std::vector<std::string> names_;     // per species
  std::vector<int> species_of_type_;   // -1 for NULL
  int framework_bit_ = 0;
  std::string framework_, path_;
  std::int64_t write_every_ = 0;

  std::unique_ptr<TagHome> home_;
  std::unique_ptr<DisplacementHistory> history_;
  std::unique_ptr<DisplacementStatistics> statistics_;  // complete on rank 0 only
  std::vector<std::int64_t> atoms_;                     // per species
  std::optional<Box> reference_;  // cell of the first sample, and the framework's mean there
  Vec3 framework_mean_{};
  std::int64_t last_step_ = -1;
  double interval_ = 0.0;

  std::vector<double> table_;    // the global array, on all ranks
  bool table_is_new_ = false;
  std::vector<double> saved_;    // state of a restart file until atoms are at home
};

}  // namespace naglass
