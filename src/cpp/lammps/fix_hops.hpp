// fix ID group naglass/hops N keyword value ...
//
// Per-atom vector: hops of the atom. Global vector: 1 hops, 2 returns, 3 hops per atom and time unit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bond_lists.hpp"
#include "core/hops.hpp"
#include "element_map.hpp"
#include "fix_samples.hpp"
#include "io/event_file.hpp"

namespace naglass {

class FixHops : public FixSamples {
 public:
  FixHops(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  void init() override;
  void init_list(int id, LAMMPS_NS::NeighList *list) override;
  void post_run() override;
  double compute_vector(int n) override;
  void write_restart(FILE *file) override;
  double memory_usage() override;

 protected:
  void settle() override;
  std::int64_t last_sample() const override;
  void sample() override;
  void publish() override;

 private:
  using HopRow = std::array<double, Hop::width>;

  void read_arguments(int narg, char **arg);
  Cages cages();
  void report(const std::vector<Hop> &found);
  void write_events(std::vector<HopRow> rows);
  void open_file(const std::vector<std::int64_t> &tags);
  std::vector<HopRow> on_root(const std::vector<Hop> &hops) const;
  std::vector<Setting> settings() const;
  void restore();
  std::int64_t certain_until() const;

  HopOptions options_;
  std::string path_;
  PairCutoffs cutoffs_{0};

  std::unique_ptr<HopDetector> detector_;
  std::int64_t events_ = 0, returns_ = 0;
  EventFile file_;
  bool warned_ = false;

  LAMMPS_NS::NeighList *list_ = nullptr;
  LocalBonds bonds_;
  std::vector<std::int64_t> owned_hosts_, offsets_, hosts_;
  std::vector<double> counts_, owned_counts_;
  int kinds_of_number_[3] = {1, 1, 0};
};

}  // namespace naglass
