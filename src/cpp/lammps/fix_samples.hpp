// Shared by the fixes that follow atoms: even sampling, box flips, commands between runs, restarts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cell_history.hpp"
#include "fix.h"
#include "restart_state.hpp"
#include "style_arguments.hpp"
#include "tag_home.hpp"

namespace naglass {

/// Samples the unwrapped positions of the group's atoms every N steps.
class FixSamples : public LAMMPS_NS::Fix {
 public:
  FixSamples(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg, std::string title);

  int setmask() override;
  void init() override;
  void setup(int vflag) override;
  void pre_neighbor() override;
  void end_of_step() override;
  void post_run() override;
  void restart(char *buffer) override;

 protected:
  /// Called once, when the atoms have their homes: creates the sampler, from saved_ after a restart.
  virtual void settle() = 0;
  /// Step of the last sample, -1 before the first.
  virtual std::int64_t last_sample() const = 0;
  /// Called when the positions of this step have been gathered.
  virtual void sample() = 0;
  /// After each sample, and at the start of a run on the step of the last one.
  virtual void publish() {}

  /// The row of `framework` in the table of arguments.
  Keyword framework_keyword();
  /// How far the framework moved since the first sample (Å, in the reference cell); zero without a framework.
  Vec3 drift() const;
  /// Core errors and out-of-memory end the run; LAMMPS's own exceptions pass through.
  void guarded(const std::function<void()> &action) const;
  /// Ends the run unless the restart file's options, in the same order, match the current ones.
  void require_same(const std::vector<Setting> &settings, const double *before) const;
  Setting atoms_setting() const;
  /// The cell's history and the framework's starting position, for a restart file. Only after the first sample.
  std::vector<double> frame_state();
  void restore_frame(std::span<const double> state);
  static constexpr std::size_t frame_size = CellHistory::state_size + 4;
  /// Writes the fix's numbers into the restart file. On rank 0.
  void write_state(FILE *file, const std::vector<double> &state, const std::string &remedy) const;

  std::string title_;
  std::string framework_;
  int framework_bit_ = 0;
  std::unique_ptr<TagHome> home_;
  CellHistory cell_;
  std::vector<double> saved_;  // state of a restart file until atoms are at home

 private:
  void begin_frame();
  void require_static_groups() const;
  void require_unmoved();
  void require_image_flags(const std::vector<Vec3> &before) const;

  Vec3 framework_mean_{};        // at the first sample, and how many atoms
  std::int64_t framework_atoms_ = 0;
  bool seen_ = false;            // whether home_ has the positions of the last check
  std::int64_t ended_at_ = -1;   // step of the end of the last run
  std::vector<Vec3> end_;        // positions there
};

}  // namespace naglass
