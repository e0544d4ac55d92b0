// Per-atom numbers of other styles: computes, fixes, variables and properties, and what pair_style mace offers.
#pragma once

#include <string>
#include <vector>

namespace LAMMPS_NS {
class LAMMPS;
}

namespace naglass {

/// A per-atom number that something else in the input script provides: c_ID, c_ID[i], f_ID, f_ID[i], d_name,
/// d2_name[i] or v_name.
class AtomValue {
 public:
  /// Ends the run, with `title` before the message, for text that is none of these.
  AtomValue(LAMMPS_NS::LAMMPS *lammps, std::string title, std::string text);

  /// Ends the run if the provider does not exist or has no such per-atom number.
  void require() const;
  /// The numbers of the owned atoms at this step; computes them if need be. Collective. A variable is 0 outside of the
  /// group.
  void read(int igroup, std::vector<double> &values) const;

 private:
  [[noreturn]] void fail(const std::string &problem) const;
  void require_column(int peratom, int columns) const;
  void read_variable(int igroup, std::vector<double> &values) const;
  void copy(const double *vector, double **array, std::vector<double> &values) const;

  LAMMPS_NS::LAMMPS *lammps_;
  std::string title_, text_;
  std::string name_;
  char kind_ = ' ';  // 'c', 'f', 'd', '2' or 'v'
  int column_ = 0;   // from 1; 0 for a vector
};

/// A per-atom quantity that pair_style mace offers by the protocol of LAMMPS's fix pair, also within a hybrid style.
class PairQuantity {
 public:
  PairQuantity(LAMMPS_NS::LAMMPS *lammps, std::string title, std::string name);

  /// Ends the run when there is no such pair style, or it does not offer the quantity.
  void require();
  /// Whether the pair style evaluates the quantity from now on.
  void ask(bool wanted);
  /// Values of the owned atoms, as last evaluated.
  const double *values() const;

 private:
  LAMMPS_NS::LAMMPS *lammps_;
  std::string title_, name_;
  int *flag_ = nullptr;
};

}  // namespace naglass
