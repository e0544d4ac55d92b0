// fix ID group naglass/guard N keyword value ...
//
// Global scalar: what ended the run, 0 nothing, 1 a signal, 2 the file, 3 the time.
#pragma once

#include <chrono>
#include <string>

#include "fix.h"

namespace naglass {

class FixGuard : public LAMMPS_NS::Fix {
 public:
  FixGuard(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);
  ~FixGuard() override;

  int setmask() override;
  void end_of_step() override;
  void post_run() override;
  double compute_scalar() override { return why_; }

 private:
  enum Reason { nothing = 0, by_signal = 1, by_file = 2, by_time = 3 };

  int seen_here() const;
  double seconds_left() const;

  std::string restart_, exit_ = "EXIT";
  double seconds_ = 0, margin_ = 120;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  int why_ = nothing;
  bool written_ = false;
};

}  // namespace naglass
