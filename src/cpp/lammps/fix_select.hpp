// fix ID group naglass/select N keyword value ...
//
// Global vector: 1 frames written, 2 largest deviation at the last check (eV/Å), 3 ID of that atom, 4 whether the fix
// ended the run.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "atom_values.hpp"
#include "element_map.hpp"
#include "fix.h"
#include "io/event_file.hpp"

namespace naglass {

class FixSelect : public LAMMPS_NS::Fix {
 public:
  FixSelect(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  int setmask() override;
  void init() override;
  void setup_pre_force(int vflag) override;
  void pre_force(int vflag) override;
  void setup_pre_force_respa(int vflag, int level) override;
  void pre_force_respa(int vflag, int level, int loop) override;
  void setup(int vflag) override;
  void end_of_step() override;
  double compute_vector(int k) override;

 private:
  struct Row {
    std::int64_t tag;
    int type;
    double position[3], deviation;
  };

  void read_arguments(int narg, char **arg);
  void look();
  void find_largest();
  void write_frame();
  void open_file();
  std::string frame_text(std::vector<Row> rows, double energy) const;

  double low_ = 0, high_ = 0;
  double stop_above_ = std::numeric_limits<double>::infinity();
  std::int64_t min_gap_ = 0, max_frames_ = std::numeric_limits<std::int64_t>::max();
  std::string path_;
  std::vector<std::string> element_;  // per type
  std::vector<double> scale_;         // per type

  PairQuantity deviation_;
  EventFile file_;  // on rank 0
  std::int64_t last_look_ = -1, last_frame_ = -1, frames_ = 0, largest_tag_ = 0;
  double largest_ = 0;
  bool ended_ = false, opened_ = false;
};

}  // namespace naglass
