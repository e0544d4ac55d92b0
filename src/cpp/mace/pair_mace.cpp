#include "pair_mace.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "one_line.hpp"
#include "update.h"

namespace naglass {

using namespace LAMMPS_NS;

namespace {

constexpr int tally_width = 3 + 6 + 9;

}  // namespace

PairMace::PairMace(LAMMPS *lmp) : Pair(lmp)
{
  one_coeff = 1;
  manybody_flag = 1;
  single_enable = 0;
  restartinfo = 0;
  // the virial is summed per edge, which also works per atom
  no_virial_fdotr_compute = 1;
  centroidstressflag = CENTROID_AVAIL;
  comm_forward = comm_reverse = comm_reverse_off = columns_per_pass;
}

PairMace::~PairMace()
{
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }
}

void PairMace::init_style()
{
  if (std::strcmp(update->unit_style, "metal") != 0)
    error->all(FLERR, std::string("Pair style mace: units are '") + update->unit_style +
                          "', but the model needs 'units metal'");
  if (atom->molecular != Atom::ATOMIC &&
      (force->special_lj[1] == 0 || force->special_lj[2] == 0 || force->special_lj[3] == 0))
    error->all(FLERR, "Pair style mace: special_bonds leaves bonded neighbors out; use 'special_bonds lj/coul 1 1 1'");
  require_whole_lists();
  if (single_rank_ && comm->nprocs > 1)
    error->all(FLERR, "Pair style mace: single_rank on " + std::to_string(comm->nprocs) +
                          " ranks; remove it, and ranks exchange features");
  if (single_rank_ && atom->map_style == Atom::MAP_NONE)
    error->all(FLERR, "Pair style mace: single_rank finds the owners of ghost atoms by ID; "
                      "use 'atom_modify map yes' before the box is created");
  int real = 0, columns = 0;
  if (comm->me == 0 && !has_states() && atom->find_custom("state", real, columns) >= 0)
    error->warning(FLERR, "Pair style mace: the property 'state' of the atoms has no effect: no element of the model "
                          "has states");
  neighbor->add_request(this, NeighConst::REQ_FULL);
}

// Also covers exclusions set by other styles at the start of the run.
void PairMace::setup()
{
  require_whole_lists();
  const std::string problem = atoms_left_out(lmp, is_ours(), false);
  if (!problem.empty()) error->all(FLERR, "Pair style mace: " + problem);
  left_out_ = bits_left_out_of_all(lmp);
}

// Every pair within the cutoff contributes to the energy.
void PairMace::require_whole_lists()
{
  const std::string problem = pairs_left_out(lmp, is_ours());
  if (!problem.empty()) error->all(FLERR, "Pair style mace: " + problem);
}

PairFilter PairMace::is_ours() const
{
  const auto &element = members_.front().type_element;
  return [&element](int a, int b) {
    return element[static_cast<std::size_t>(a + 1)] >= 0 && element[static_cast<std::size_t>(b + 1)] >= 0;
  };
}

double PairMace::init_one(int i, int j)
{
  setflag[j][i] = setflag[i][j];
  return reach();
}

// An edge longer than a model's own cutoff contributes nothing to it, so one graph serves all models.
double PairMace::reach() const
{
  double most = 0;
  for (const Member &member : members_) most = std::max(most, member.model.r_max);
  return most;
}

double PairMace::memory_usage()
{
  const auto doubles = vectors_.capacity() + node_energy_.capacity() + edge_gradient_.capacity() +
                       ghost_tally_.capacity() + member_energy_.capacity() + member_gradient_.capacity() +
                       member_extra_.capacity() + predicted_energy_.capacity() + predicted_force_.capacity();
  const auto integers = sender_.capacity() + receiver_.capacity() + node_row_.capacity() + home_.capacity() +
                        members_.size() * (members_.empty() ? 0 : members_.front().row_element.capacity());
  return Pair::memory_usage() + static_cast<double>(8 * (doubles + integers));
}

void PairMace::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  build_graph();
  const bool line_due = deviation_file_ && deviation_file_->due(update->ntimestep);
  const bool deviation = line_due || asked_for("deviation");
  run_models(deviation);
  check_finite();
  tally_energy();
  // with single_rank every row is an owned atom
  if (force->newton_pair || single_rank_) {
    double *const none = nullptr;
    tally_edges({{&atom->f[0][0], 3}, {vflag_atom ? &vatom[0][0] : none, 6}, {cvflag_atom ? &cvatom[0][0] : none, 9}});
  } else {
    tally_with_ghost_reduction();
  }
  if (asked_for("energy_deviation")) find_energy_deviation();
  if (deviation) find_deviation();
  if (line_due) write_deviation();
}

void PairMace::build_graph()
{
  const int rows = single_rank_ ? atom->nlocal : atom->nlocal + atom->nghost;
  const double cutoff_squared = reach() * reach();
  const auto &type_element = members_.front().type_element;
  for (Member &member : members_) {
    member.row_element.resize(static_cast<std::size_t>(rows));
    for (int i = 0; i < rows; ++i)
      member.row_element[i] = std::max<std::int64_t>(member.type_element[atom->type[i]], 0);
  }
  find_homes();
  find_states();
  vectors_.clear();
  sender_.clear();
  receiver_.clear();
  node_row_.clear();
  for (int ii = 0; ii < list->inum; ++ii) {
    const int i = list->ilist[ii];
    if (type_element[atom->type[i]] < 0 || (atom->mask[i] & left_out_)) continue;
    const double *const xi = atom->x[i];
    for (int jj = 0; jj < list->numneigh[i]; ++jj) {
      const int j = list->firstneigh[i][jj] & NEIGHMASK;
      const double *const xj = atom->x[j];
      const double d[3] = {xi[0] - xj[0], xi[1] - xj[1], xi[2] - xj[2]};
      if (d[0] * d[0] + d[1] * d[1] + d[2] * d[2] >= cutoff_squared || type_element[atom->type[j]] < 0) continue;
      vectors_.insert(vectors_.end(), d, d + 3);
      sender_.push_back(single_rank_ ? home_[j] : j);
      receiver_.push_back(static_cast<std::int64_t>(node_row_.size()));
    }
    node_row_.push_back(i);
  }
}

void PairMace::find_homes()
{
  if (!single_rank_) return;
  home_.resize(static_cast<std::size_t>(atom->nlocal + atom->nghost));
  for (std::size_t j = 0; j < home_.size(); ++j) {
    home_[j] = j < static_cast<std::size_t>(atom->nlocal) ? static_cast<int>(j) : atom->map(atom->tag[j]);
    if (home_[j] < 0 || home_[j] >= atom->nlocal)
      error->one(FLERR, "Pair style mace: single_rank: no owned atom has the ID of ghost atom " +
                            std::to_string(atom->tag[j]) + "; are atom IDs unique?");
  }
}

std::size_t PairMace::predictions() const
{
  std::size_t count = 0;
  for (const Member &member : members_) count += member.heads();
  return count;
}

// Mean over the models and their heads; what each predicts is kept where deviations are needed. A model's heads share
// one pass back through it unless their forces are.
void PairMace::run_models(bool deviation)
{
  const auto all = predictions();
  node_energy_.assign(node_row_.size(), 0.0);
  edge_gradient_.assign(vectors_.size(), 0.0);
  predicted_energy_.clear();
  if (deviation) {
    predicted_force_.assign(members_.front().row_element.size() * 3 * all, 0.0);
    predicted_virial_.assign(all, {});
  }
  clear_outputs();
  std::size_t first = 0;
  for (Member &member : members_) {
    const bool each_head = deviation && member.heads() > 1;
    run_model(member, each_head);
    add_energies(member);
    const std::size_t gradients = each_head ? member.heads() : 1;
    const double share = static_cast<double>(member.heads()) / static_cast<double>(gradients * all);
    for (std::size_t h = 0; h < gradients; ++h) {
      const double *const gradient = member_gradient_.data() + h * vectors_.size();
      for (std::size_t k = 0; k < vectors_.size(); ++k) edge_gradient_[k] += share * gradient[k];
      if (deviation) collect_prediction(first + h, gradient);
    }
    first += member.heads();
  }
}

void PairMace::add_energies(const Member &member)
{
  const auto nodes = node_row_.size();
  const double share = 1.0 / static_cast<double>(predictions());
  for (std::size_t h = 0; h < member.heads(); ++h)
    for (std::size_t n = 0; n < nodes; ++n) {
      const auto element = static_cast<std::size_t>(member.row_element[static_cast<std::size_t>(node_row_[n])]);
      predicted_energy_.push_back(member_energy_[h * nodes + n] + member.model.heads[h].atomic_energies[element]);
      node_energy_[n] += share * predicted_energy_.back();
    }
}

void PairMace::run_model(Member &member, bool each_head)
{
  member_energy_.resize(member.heads() * node_row_.size());
  member_gradient_.resize((each_head ? member.heads() : 1) * vectors_.size());
  const bool outputs = !node_row_.empty() && prepare_outputs(member);
  std::string failure;
  try {
    const std::span<double> extra = outputs ? std::span<double>(member_extra_) : std::span<double>();
    const auto &initial = member.row_initial.empty() ? member.row_element : member.row_initial;
    member.backend->compute({vectors_, sender_, receiver_, member.row_element, node_row_, initial}, *this,
                            {member_energy_, member_gradient_, extra, each_head});
  } catch (const std::exception &problem) {
    failure = problem.what();
  }
  if (!failure.empty())
    error->one(FLERR, "Pair style mace: step " + std::to_string(update->ntimestep) + ": " + one_line(failure));
  if (outputs) take_outputs(member);
}

void PairMace::check_finite()
{
  double sum = 0;
  for (const double energy : node_energy_) sum += energy;
  for (const double gradient : edge_gradient_) sum += gradient;
  // all ranks stop together: of one that stops alone MPI kills the others, and with them every other run of the job
  const int here = std::isfinite(sum) ? 0 : 1;
  int anywhere = 0;
  MPI_Allreduce(&here, &anywhere, 1, MPI_INT, MPI_MAX, world);
  if (!anywhere) return;
  double shortest = reach() * reach();
  for (std::size_t e = 0; e < vectors_.size(); e += 3)
    shortest = std::min(shortest, vectors_[e] * vectors_[e] + vectors_[e + 1] * vectors_[e + 1] +
                                      vectors_[e + 2] * vectors_[e + 2]);
  MPI_Allreduce(MPI_IN_PLACE, &shortest, 1, MPI_DOUBLE, MPI_MIN, world);
  error->all(FLERR, "Pair style mace: step " + std::to_string(update->ntimestep) +
                        ": energy or forces are not finite; shortest distance " + std::to_string(std::sqrt(shortest)) +
                        " Angstrom");
}

void PairMace::tally_energy()
{
  auto &energy = quantity_.at("energy");
  const bool asked = asked_for("energy");
  if (asked) energy.values.assign(static_cast<std::size_t>(atom->nlocal), 0.0);
  for (std::size_t n = 0; n < node_row_.size(); ++n) {
    const auto i = node_row_[n];
    if (eflag_global) eng_vdwl += node_energy_[n];
    if (eflag_atom) eatom[i] += node_energy_[n];
    if (asked) energy.values[static_cast<std::size_t>(i)] = node_energy_[n];
  }
}

// One pass over the edges: with g = dE/d(r_i - r_j), atom i feels -g and atom j feels g. The per-atom virial is
// shared evenly; the nine-component form belongs to the sender, whose motion changes the receiver's energy.
void PairMace::tally_edges(const Tally &tally)
{
  for (std::size_t e = 0; e < sender_.size(); ++e) {
    const double *const d = &vectors_[3 * e];
    const double *const g = &edge_gradient_[3 * e];
    const auto i = node_row_[receiver_[e]], j = sender_[e];
    double *const fi = tally.force.row(i), *const fj = tally.force.row(j);
    for (int k = 0; k < 3; ++k) {
      fi[k] -= g[k];
      fj[k] += g[k];
    }
    if (!vflag_either) continue;
    const double v[6] = {-d[0] * g[0],
                         -d[1] * g[1],
                         -d[2] * g[2],
                         -0.5 * (d[0] * g[1] + d[1] * g[0]),
                         -0.5 * (d[0] * g[2] + d[2] * g[0]),
                         -0.5 * (d[1] * g[2] + d[2] * g[1])};
    if (vflag_global)
      for (int k = 0; k < 6; ++k) virial[k] += v[k];
    if (vflag_atom)
      for (int k = 0; k < 6; ++k) {
        tally.virial.row(i)[k] += 0.5 * v[k];
        tally.virial.row(j)[k] += 0.5 * v[k];
      }
    if (cvflag_atom) {
      const double c[9] = {v[0],         v[1],         v[2],         -d[0] * g[1], -d[0] * g[2],
                           -d[1] * g[2], -d[1] * g[0], -d[2] * g[0], -d[2] * g[1]};
      for (int k = 0; k < 9; ++k) tally.centroid.row(j)[k] += c[k];
    }
  }
}

// With newton off LAMMPS ignores what a rank adds to its ghosts, so our own exchange returns the sums to the owners.
void PairMace::tally_with_ghost_reduction()
{
  const auto rows = members_.front().row_element.size();
  ghost_tally_.assign(rows * tally_width, 0.0);
  const Columns force_part{ghost_tally_.data(), tally_width}, virial_part{ghost_tally_.data() + 3, tally_width},
      centroid_part{ghost_tally_.data() + 9, tally_width};
  tally_edges({force_part, virial_part, centroid_part});
  reverse(ghost_tally_.data(), tally_width);
  for (int i = 0; i < atom->nlocal; ++i) {
    for (int k = 0; k < 3; ++k) atom->f[i][k] += force_part.row(i)[k];
    for (int k = 0; vflag_atom && k < 6; ++k) vatom[i][k] += virial_part.row(i)[k];
    for (int k = 0; cvflag_atom && k < 9; ++k) cvatom[i][k] += centroid_part.row(i)[k];
  }
}

}  // namespace naglass
