// compute ID group naglass/fingerprint keyword value ...
//
// Per-atom columns (centers of the group; 0 elsewhere and if undefined for the polyhedron):
//   1 coordination, 2-4 vanadyl, equatorial, trans bonds, 5 bond-valence sum, 6 Baur, 7 quadratic distortion,
//   8 tau4 or tau5, 9 off-centering, 10 vanadyl index, 11 state by valence, 12 state by geometry, 13 flags;
//   with spin: 14 moment, 15 state by moment.
// Global vector: centers, centers with a flag, then centers per state (ascending) - with spin per state and side (up,
//   down, neither) - then the histograms in the same order.
#pragma once

#include <memory>
#include <vector>

#include "atom_rows.hpp"
#include "atom_values.hpp"
#include "bond_lists.hpp"
#include "compute.h"
#include "core/fingerprint.hpp"
#include "element_map.hpp"

namespace naglass {

class ComputeFingerprint : public LAMMPS_NS::Compute {
 public:
  ComputeFingerprint(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  void init() override;
  void init_list(int id, LAMMPS_NS::NeighList *list) override;
  void compute_peratom() override;
  void compute_vector() override;
  double memory_usage() override;

 private:
  struct Given;

  void read(StyleArguments &arguments, Given &given);
  void choose(const StyleArguments &arguments, const Given &given);
  void choose_pair(const StyleArguments &arguments, const Given &given);
  void lay_out();
  void clear_results();
  void measure(int i, double moment);
  double moment_of(int i) const;

  FingerprintOptions options_;
  LengthBins bins_;
  bool histograms_ = false;
  std::unique_ptr<AtomValue> spin_;
  std::vector<bool> is_center_;  // per type
  PairCutoffs reach_{0};
  std::vector<int> states_;
  int sides_ = 1;

  LAMMPS_NS::NeighList *list_ = nullptr;
  LocalBonds bonds_;
  std::vector<Vec3> vectors_;
  std::vector<double> moments_;
  std::vector<std::int64_t> counts_;  // of this rank, in the order of the global vector
  std::vector<std::int64_t> totals_;
  std::vector<double> global_;
  PerAtomColumns values_;
};

}  // namespace naglass
