// fix ID group naglass/hops N keyword value ...
//
//   N          sample every this many steps
//   window     samples in each half of the window (default 10)
//   threshold  p_hop above which a hop opens (distance²; default 1.0)
//   release    p_hop below which it ends (default threshold / 2)
//   min_length shortest hop (distance; default 1.5)
//   return     samples within which a hop back to a former site is a return (default 20 window)
//   framework  group whose mean displacement is subtracted (default none)
//   file       where events are written as they become certain (default nowhere)
//   elements   one name per atom type (default: the label map); for `cutoff` only
//   cutoff     A B distance: B atoms this near to an A of the group are its cage; may be repeated
//
// Per-atom vector: hops of the atom. Global vector: 1 hops, 2 returns, 3 hops per atom and time unit.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/hops.hpp"
#include "event_file.hpp"
#include "fix.h"
#include "lammps_views.hpp"
#include "style_arguments.hpp"
#include "tag_home.hpp"

namespace naglass {

class FixHops : public LAMMPS_NS::Fix {
 public:
  FixHops(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  int setmask() override;
  void init() override;
  void init_list(int id, LAMMPS_NS::NeighList *list) override;
  void setup(int vflag) override;
  void end_of_step() override;
  double compute_vector(int n) override;
  void write_restart(FILE *file) override;
  void restart(char *buffer) override;
  double memory_usage() override;

 private:
  using HopRow = std::array<double, Hop::width>;

  void read_arguments(int narg, char **arg);
  void sample();
  void start_frame();
  Vec3 drift();
  Cages cages();
  void publish(const std::vector<Hop> &found);
  void write_events(std::vector<HopRow> rows);
  void expose_counts();
  void open_file();
  std::vector<HopRow> on_root(const std::vector<Hop> &hops) const;
  std::vector<std::pair<std::string, double>> settings() const;
  void restore();
  std::int64_t certain_until() const;

  HopOptions options_;
  int framework_bit_ = 0;
  std::string path_;
  PairCutoffs cutoffs_{0};

  std::unique_ptr<TagHome> home_;
  std::unique_ptr<HopDetector> detector_;
  std::optional<Box> reference_;  // cell of the first sample; its corner, and the framework's mean there
  Vec3 corner_{}, framework_mean_{};
  std::int64_t framework_atoms_ = 0;
  std::int64_t events_ = 0, returns_ = 0;
  EventFile file_;
  bool warned_ = false;

  LAMMPS_NS::NeighList *list_ = nullptr;
  LocalBonds bonds_;
  std::vector<std::int64_t> owned_hosts_, offsets_, hosts_;
  std::vector<double> counts_, owned_counts_;
  std::vector<double> saved_;  // state of a restart file until atoms are at home
  int kinds_of_number_[3] = {1, 1, 0};
};

}  // namespace naglass
