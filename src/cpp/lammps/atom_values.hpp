// Values that LAMMPS and other commands provide: per atom from computes, fixes, variables, properties and pair_style
// mace, and the potential energy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace LAMMPS_NS {
class Compute;
class LAMMPS;
}  // namespace LAMMPS_NS

namespace naglass {

/// A per-atom value that another command of the input script provides: c_ID, c_ID[i], f_ID, f_ID[i], d_name,
/// d2_name[i] or v_name.
class AtomValue {
 public:
  /// Ends the run, with `title` before the message, if the text is none of these.
  AtomValue(LAMMPS_NS::LAMMPS *lammps, std::string title, std::string text);

  /// Ends the run if the provider does not exist or has no such per-atom value.
  void require() const;
  /// The values of the owned atoms at this step; computed if necessary. Collective. A variable is 0 outside the group.
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

/// A per-atom quantity that pair_style mace provides through the protocol of LAMMPS's fix pair, also in a hybrid style.
class PairQuantity {
 public:
  PairQuantity(LAMMPS_NS::LAMMPS *lammps, std::string title, std::string name);

  /// Ends the run if there is no such pair style, or it does not provide the quantity.
  void require();
  /// Sets whether the pair style evaluates the quantity from now on.
  void ask(bool wanted);
  /// Values of the owned atoms from the last evaluation.
  const double *values() const;

 private:
  LAMMPS_NS::LAMMPS *lammps_;
  std::string title_, name_;
  int *flag_ = nullptr;
};

/// Runs a compute's per-atom part unless it already ran at this step.
void compute_peratom_once(LAMMPS_NS::LAMMPS *lammps, LAMMPS_NS::Compute *compute);

/// Potential energy of the system, tallied on this step; `tally_energy_at` requests it in advance.
double potential_energy(LAMMPS_NS::LAMMPS *lammps);
void tally_energy_at(LAMMPS_NS::LAMMPS *lammps, std::int64_t step);

}  // namespace naglass
