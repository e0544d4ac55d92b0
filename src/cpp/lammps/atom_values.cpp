#include "atom_values.hpp"

#include <algorithm>
#include <cstdlib>

#include "atom.h"
#include "compute.h"
#include "fix.h"
#include "force.h"
#include "group.h"
#include "lammps.h"
#include "library.h"
#include "messages.hpp"
#include "modify.h"
#include "pair.h"
#include "update.h"

namespace naglass {

using LAMMPS_NS::Atom;
using LAMMPS_NS::LAMMPS;

AtomValue::AtomValue(LAMMPS *lammps, std::string title, std::string text)
    : lammps_(lammps), title_(std::move(title)), text_(std::move(text))
{
  const bool array = text_.rfind("d2_", 0) == 0;
  const std::size_t start = array ? 3 : 2;
  if (text_.size() <= start || !(array || (std::string("cfdv").find(text_[0]) != std::string::npos && text_[1] == '_')))
    fail("must be c_ID, c_ID[i], f_ID, f_ID[i], d_name, d2_name[i] or v_name");
  kind_ = array ? '2' : text_[0];
  const std::size_t bracket = text_.find('[');
  name_ = text_.substr(start, bracket == std::string::npos ? bracket : bracket - start);
  if (bracket != std::string::npos) {
    const std::string index = text_.substr(bracket + 1);
    char *end = nullptr;
    column_ = static_cast<int>(std::strtol(index.c_str(), &end, 10));
    if (std::string(end) != "]" || column_ < 1) fail("the column in brackets must be a number of at least 1");
  }
  if (column_ > 0 && (kind_ == 'd' || kind_ == 'v')) fail("has no columns");
  if (column_ == 0 && kind_ == '2') fail("needs a column in brackets");
}

void AtomValue::fail(const std::string &problem) const { stop_all(lammps_, title_ + " " + text_ + ": " + problem); }

void AtomValue::require_column(int peratom, int columns) const
{
  if (!peratom) fail("does not compute per-atom values");
  if (column_ == 0 && columns > 0) fail("has " + std::to_string(columns) + " columns; choose one in brackets");
  if (column_ > columns) fail("has " + std::to_string(columns) + " columns");
}

void AtomValue::require() const
{
  if (kind_ == 'c') {
    const LAMMPS_NS::Compute *const compute = lammps_->modify->get_compute_by_id(name_);
    if (!compute) fail("there is no such compute");
    require_column(compute->peratom_flag, compute->size_peratom_cols);
  } else if (kind_ == 'f') {
    const LAMMPS_NS::Fix *const fix = lammps_->modify->get_fix_by_id(name_);
    if (!fix) fail("there is no such fix");
    require_column(fix->peratom_flag, fix->size_peratom_cols);
  } else if (kind_ == 'v') {
    const int kind = lammps_extract_variable_datatype(lammps_, name_.c_str());
    if (kind < 0) fail("there is no such variable");
    if (kind != LMP_VAR_ATOM) fail("is not an atom-style variable");
  } else {
    int is_double = 0, columns = 0;
    const int index = lammps_->atom->find_custom(name_.c_str(), is_double, columns);
    if (index < 0 || !is_double) fail("there is no such floating-point property (fix property/atom)");
    require_column(1, columns);
  }
}

void AtomValue::copy(const double *vector, double **array, std::vector<double> &values) const
{
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = column_ ? array[i][column_ - 1] : vector[i];
}

void AtomValue::read(int igroup, std::vector<double> &values) const
{
  require();
  const std::int64_t step = lammps_->update->ntimestep;
  values.assign(lammps_->atom->nlocal, 0.0);
  if (kind_ == 'c') {
    LAMMPS_NS::Compute *const compute = lammps_->modify->get_compute_by_id(name_);
    compute_peratom_once(lammps_, compute);
    copy(compute->vector_atom, compute->array_atom, values);
  } else if (kind_ == 'f') {
    const LAMMPS_NS::Fix *const fix = lammps_->modify->get_fix_by_id(name_);
    if (step % fix->peratom_freq)
      fail("is not computed at step " + std::to_string(step) + ", only every " + std::to_string(fix->peratom_freq));
    copy(fix->vector_atom, fix->array_atom, values);
  } else if (kind_ == 'v') {
    read_variable(igroup, values);
  } else {
    int is_double = 0, columns = 0;
    Atom *const atom = lammps_->atom;
    const int index = atom->find_custom(name_.c_str(), is_double, columns);
    copy(columns ? nullptr : atom->dvector[index], columns ? atom->darray[index] : nullptr, values);
  }
}

// Uses the library interface: variable.h may include headers that LAMMPS does not install. Without local atoms, the
// evaluation still takes part in collective operations.
void AtomValue::read_variable(int igroup, std::vector<double> &values) const
{
  const auto *const numbers =
      static_cast<double *>(lammps_extract_variable(lammps_, name_.c_str(), lammps_->group->names[igroup]));
  if (lammps_has_error(lammps_)) {
    char message[512] = "";
    constexpr int on_all_ranks = 1;
    const int kind = lammps_get_last_error_message(lammps_, message, sizeof message);
    if (kind == on_all_ranks) fail(message);
    stop_one(lammps_, title_ + " " + text_ + ": " + message);
  }
  if (numbers) std::copy_n(numbers, values.size(), values.begin());
  lammps_free(const_cast<double *>(numbers));
}

PairQuantity::PairQuantity(LAMMPS *lammps, std::string title, std::string name)
    : lammps_(lammps), title_(std::move(title)), name_(std::move(name))
{
}

void PairQuantity::require()
{
  LAMMPS_NS::Pair *const pair = lammps_->force->pair_match("mace", 1);
  if (!pair) stop_all(lammps_, title_ + ": there is no pair_style mace, or more than one");
  int dim = 0;
  flag_ = static_cast<int *>(pair->extract((name_ + "_flag").c_str(), dim));
  if (!flag_)
    stop_all(lammps_, title_ + ": the pair style provides no " + name_ + "; a committee of two or more models does");
}

void PairQuantity::ask(bool wanted) { *flag_ = wanted; }

const double *PairQuantity::values() const
{
  int columns = 0;
  return static_cast<const double *>(lammps_->force->pair_match("mace", 1)->extract_peratom(name_.c_str(), columns));
}

void compute_peratom_once(LAMMPS *lammps, LAMMPS_NS::Compute *compute)
{
  if (compute->invoked_peratom != lammps->update->ntimestep) compute->compute_peratom();
  compute->invoked_flag |= LAMMPS_NS::Compute::INVOKED_PERATOM;
}

double potential_energy(LAMMPS *lammps)
{
  auto *const energy = lammps->modify->get_compute_by_id("thermo_pe");
  return energy->invoked_scalar == lammps->update->ntimestep ? energy->scalar : energy->compute_scalar();
}

void tally_energy_at(LAMMPS *lammps, std::int64_t step)
{ lammps->modify->get_compute_by_id("thermo_pe")->addstep(step); }

}  // namespace naglass
