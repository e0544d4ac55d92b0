// Per-atom quantities of pair_style mace other than forces: node energy, committee deviation, outputs of the models.
#include <algorithm>
#include <cmath>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "pair_mace.hpp"
#include "update.h"

namespace naglass {

using namespace LAMMPS_NS;

namespace {

const mace::ExtraOutput *find_output(const mace::Metadata &model, const std::string &name)
{
  for (const auto &output : model.outputs)
    if (output.name == name) return &output;
  return nullptr;
}

// Mean square deviation from the mean of `count` values that are `step` apart.
double variance(const double *values, std::size_t count, std::size_t step)
{
  double mean = 0, sum = 0;
  for (std::size_t m = 0; m < count; ++m) mean += values[m * step] / static_cast<double>(count);
  for (std::size_t m = 0; m < count; ++m) sum += (values[m * step] - mean) * (values[m * step] - mean);
  return sum / static_cast<double>(count);
}

}  // namespace

void PairMace::offer_quantities()
{
  // LAMMPS's fix pair keeps writing to its trigger after another pair_coeff: entries must not move
  for (auto &[name, quantity] : quantity_) quantity.columns = 0;
  quantity_["energy"].columns = 1;
  if (predictions() > 1) quantity_["deviation"].columns = quantity_["energy_deviation"].columns = 1;
  for (const auto &output : members_.front().model.outputs) {
    const bool everywhere = std::all_of(members_.begin(), members_.end(), [&](const Member &member) {
      const auto *const same = find_output(member.model, output.name);
      return same && same->columns == output.columns;
    });
    if (everywhere) quantity_[output.name].columns = output.columns;
  }
}

std::vector<std::string> PairMace::quantities() const
{
  std::vector<std::string> names;
  for (const auto &[name, quantity] : quantity_)
    if (quantity.columns > 0) names.push_back(name);
  return names;
}

int PairMace::want(const std::string &name)
{
  Quantity *const quantity = find_quantity(name);
  if (!quantity) return 0;
  quantity->wanted = true;
  return quantity->columns;
}

PairMace::Quantity *PairMace::find_quantity(const std::string &name)
{
  const auto found = quantity_.find(name);
  return found == quantity_.end() || found->second.columns == 0 ? nullptr : &found->second;
}

bool PairMace::asked_for(const std::string &name)
{
  const Quantity *const quantity = find_quantity(name);
  return quantity && (quantity->triggered != 0 || (quantity->wanted && eflag_atom));
}

// The protocol of LAMMPS's fix pair: "<quantity>_flag" set to 1 requests the quantity for the following steps.
void *PairMace::extract(const char *name, int &dim)
{
  dim = 0;
  const std::string text = name, suffix = "_flag";
  if (!text.ends_with(suffix)) return nullptr;
  Quantity *const quantity = find_quantity(text.substr(0, text.size() - suffix.size()));
  return quantity ? &quantity->triggered : nullptr;
}

void *PairMace::extract_peratom(const char *name, int &columns)
{
  Quantity *const quantity = find_quantity(name);
  if (!quantity) return nullptr;
  // before the first step that evaluates it, and for atoms that arrived since
  quantity->values.resize(static_cast<std::size_t>(std::max(1, atom->nmax) * quantity->columns), 0.0);
  columns = quantity->columns == 1 ? 0 : quantity->columns;
  if (columns == 0) return quantity->values.data();
  quantity->rows.clear();
  for (std::size_t k = 0; k < quantity->values.size(); k += static_cast<std::size_t>(columns))
    quantity->rows.push_back(&quantity->values[k]);
  return quantity->rows.data();
}

void PairMace::clear_outputs()
{
  for (auto &[name, quantity] : quantity_)
    if (find_output(members_.front().model, name) && asked_for(name))
      quantity.values.assign(static_cast<std::size_t>(atom->nlocal * quantity.columns), 0.0);
}

bool PairMace::prepare_outputs(const Member &member)
{
  int columns = 0;
  bool asked = false;
  for (const auto &output : member.model.outputs) {
    columns += output.columns;
    asked = asked || asked_for(output.name);
  }
  if (asked) member_extra_.assign(node_row_.size() * static_cast<std::size_t>(columns), 0.0);
  return asked;
}

// Adds this model's contribution to the mean.
void PairMace::take_outputs(const Member &member)
{
  const auto width = static_cast<int>(member_extra_.size() / node_row_.size());
  const double share = 1.0 / static_cast<double>(members_.size());
  int first = 0;
  for (const auto &output : member.model.outputs) {
    if (asked_for(output.name))
      for (std::size_t n = 0; n < node_row_.size(); ++n)
        for (int c = 0; c < output.columns; ++c)
          quantity_.at(output.name).values[static_cast<std::size_t>(node_row_[n] * output.columns + c)] +=
              share * member_extra_[n * static_cast<std::size_t>(width) + static_cast<std::size_t>(first + c)];
    first += output.columns;
  }
}

void PairMace::collect_prediction(std::size_t p, const double *gradient)
{
  const auto stride = 3 * predicted_virial_.size();
  auto &virial = predicted_virial_[p];
  for (std::size_t e = 0; e < sender_.size(); ++e) {
    const double *const g = gradient + 3 * e, *const d = &vectors_[3 * e];
    double *const fi =
        &predicted_force_[static_cast<std::size_t>(node_row_[static_cast<std::size_t>(receiver_[e])]) * stride + 3 * p];
    double *const fj = &predicted_force_[static_cast<std::size_t>(sender_[e]) * stride + 3 * p];
    for (std::size_t k = 0; k < 3; ++k) {
      fi[k] -= g[k];
      fj[k] += g[k];
      for (std::size_t l = 0; l < 3; ++l) virial[3 * k + l] -= d[k] * g[l];
    }
  }
}

// Zhang et al., 10.1103/PhysRevMaterials.3.023804: root of the mean over predictions of |F - <F>|^2, per atom.
void PairMace::find_deviation()
{
  const auto all = predicted_virial_.size(), stride = 3 * all;
  reverse(predicted_force_.data(), static_cast<int>(stride));
  auto &values = quantity_.at("deviation").values;
  values.assign(static_cast<std::size_t>(atom->nlocal), 0.0);
  for (const auto i : node_row_) {
    const double *const forces = &predicted_force_[static_cast<std::size_t>(i) * stride];
    double sum = 0;
    for (std::size_t k = 0; k < 3; ++k) sum += variance(forces + k, all, 3);
    values[static_cast<std::size_t>(i)] = std::sqrt(sum);
  }
}

void PairMace::find_energy_deviation()
{
  auto &values = quantity_.at("energy_deviation").values;
  values.assign(static_cast<std::size_t>(atom->nlocal), 0.0);
  for (std::size_t n = 0; n < node_row_.size(); ++n)
    values[static_cast<std::size_t>(node_row_[n])] =
        std::sqrt(variance(predicted_energy_.data() + n, predictions(), node_row_.size()));
}

Spread PairMace::virial_spread() const
{
  const auto all = predicted_virial_.size();
  std::vector<double> total(9 * all);
  MPI_Allreduce(predicted_virial_.front().data(), total.data(), static_cast<int>(total.size()), MPI_DOUBLE, MPI_SUM,
                world);
  Spread spread{0.0, HUGE_VAL, 0.0};
  for (std::size_t k = 0; k < 9; ++k) {
    const double deviation = std::sqrt(variance(total.data() + k, all, 9)) / static_cast<double>(atom->natoms);
    spread.max = std::max(spread.max, deviation);
    spread.min = std::min(spread.min, deviation);
    spread.mean += deviation * deviation;
  }
  spread.mean = std::sqrt(spread.mean / 9);
  return spread;
}

void PairMace::write_deviation()
{
  const auto &values = quantity_.at("deviation").values;
  // maximum and minimum in one reduction: the minimum is minus the maximum of the negatives
  double extremes[2] = {0.0, -HUGE_VAL}, sums[2] = {0.0, static_cast<double>(node_row_.size())};
  for (const auto i : node_row_) {
    const double value = values[static_cast<std::size_t>(i)];
    extremes[0] = std::max(extremes[0], value);
    extremes[1] = std::max(extremes[1], -value);
    sums[0] += value;
  }
  MPI_Allreduce(MPI_IN_PLACE, extremes, 2, MPI_DOUBLE, MPI_MAX, world);
  MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, world);
  const Spread virial = virial_spread();
  attempt("Pair style mace: out_", [&] {
    if (comm->me == 0)
      deviation_file_->write(update->ntimestep, virial, {extremes[0], -extremes[1], sums[0] / std::max(1.0, sums[1])});
    else deviation_file_->skip(update->ntimestep);
  });
}

}  // namespace naglass
