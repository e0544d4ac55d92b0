// fix ID group naglass/profile N keyword value ...
//
// Global vector: samples, samples without surfaces, positions of the lower and the upper surface, their 10-90 % widths.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "atom_values.hpp"
#include "core/surface_fit.hpp"
#include "element_map.hpp"
#include "fix.h"
#include "io/event_file.hpp"
#include "restart_state.hpp"

namespace naglass {

/// Averages what atoms carry over layers of the cell, about the surfaces of a crystal in it or across the whole cell.
class FixProfile : public LAMMPS_NS::Fix {
 public:
  FixProfile(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  int setmask() override;
  void init() override;
  void setup(int vflag) override;
  void end_of_step() override;
  void post_run() override;
  double compute_vector(int n) override;
  void write_restart(FILE *file) override;
  void restart(char *buffer) override;
  double memory_usage() override;

 private:
  // A value per atom, for the atoms of some types.
  struct Value {
    AtomValue source;
    std::string text;  // "c_q[1]:P"
    std::vector<char> of_type;
  };

  void read_arguments(int narg, char **arg);
  void choose_bins();
  void open_file();
  void restore();
  std::string columns_text() const;
  std::vector<Setting> settings() const;

  void sample();
  std::vector<double> fractions() const;
  /// The value of each owned atom of the group, NaN for atoms that do not carry it.
  std::vector<double> read(const Value &value) const;
  bool find_surfaces(const std::vector<double> &fractions);
  void add_layers(const std::vector<double> &fractions);
  /// Per column and bin, what the owned atoms add.
  std::vector<double> numbers_of(const std::vector<int> &bins) const;
  std::size_t columns() const { return names_.size() + 1 + values_.size(); }
  std::string block_text() const;
  void begin_block();

  int axis_ = 2;
  double width_ = 1.0;
  std::optional<double> reach_;
  std::vector<std::string> names_;  // per species
  std::vector<int> species_of_type_;  // -1 for NULL
  std::vector<Value> values_;
  std::optional<Value> order_;  // the order parameter whose steps are the surfaces
  std::string path_;
  std::int64_t write_every_ = 100;
  EventFile file_;  // on rank 0

  int size_ = 0;  // bins on either side of a surface, or across the cell; 0 before the first sample
  std::int64_t last_step_ = -1, last_block_ = -1;
  std::int64_t samples_ = 0, missed_ = 0;
  SurfaceFit surfaces_;

  // Of the block that is not written yet.
  std::int64_t tried_ = 0, found_ = 0;
  std::vector<double> volume_;  // per bin
  std::vector<double> sums_;  // per column and bin: atoms, sum; on rank 0
  std::array<double, 5> means_{};  // sums of positions, widths and the height

  std::vector<double> saved_;  // state of a restart file until the first init()
  bool opened_ = false;
};

}  // namespace naglass
