// fix ID group naglass/crystal N order V threshold x connect d keyword value ...
//
// Global vector: 1 crystalline atoms, 2 crystallites, 3 atoms of the largest, 4 its similarity to the reference, 5 how
// far it has turned since the first sample (degrees); the last two are 0 without a reference.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "atom_values.hpp"
#include "core/crystallites.hpp"
#include "crystal_reference.hpp"
#include "fix.h"
#include "io/event_file.hpp"

namespace naglass {

class FixCrystal : public LAMMPS_NS::Fix {
 public:
  FixCrystal(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  int setmask() override;
  void init() override;
  void init_list(int id, LAMMPS_NS::NeighList *list) override;
  void setup(int vflag) override;
  void end_of_step() override;
  double compute_vector(int k) override;
  void write_restart(FILE *file) override;
  void restart(char *buffer) override;

 private:
  struct Summary {
    std::int64_t crystalline = 0, crystallites = 0, largest = 0, dimension = 0;
    Vec3 center{};
    double gyration = 0.0;
  };

  void read_arguments(int narg, char **arg);
  void look();
  Summary find_largest();
  std::vector<char> members() const;
  std::vector<std::int64_t> composition(const std::vector<char> &is_member) const;
  void orient(const std::vector<char> &is_member);
  void write(const Summary &found, const std::vector<std::int64_t> &counts);
  void open_file();

  std::string order_text_, path_;
  double threshold_ = 0.0, connect_ = 0.0, inside_ = 0.0, shell_ = 0.0;
  SimilarityOptions similarity_;
  CrystalReference reference_;
  ElementMap::Species species_;
  PairCutoffs cutoffs_{0};  // of the neighbor list: inside + shell, and the reference's

  std::unique_ptr<AtomValue> order_;
  LAMMPS_NS::NeighList *list_ = nullptr;
  LocalBonds bonds_;
  std::vector<double> values_;
  std::vector<std::int64_t> largest_;             // tags, ascending
  std::optional<Orientation> orientation_;        // on rank 0, as of the last sample with a crystallite
  std::optional<Rotation> first_;                 // on rank 0
  std::array<double, 5> vector_{};
  EventFile file_;  // on rank 0
  std::int64_t last_look_ = -1;
};

}  // namespace naglass
