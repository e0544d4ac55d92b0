#include "pair_mace.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <stdexcept>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "torch_loader.hpp"
#include "update.h"

namespace naglass {

using namespace LAMMPS_NS;

namespace {

// PairHybrid copies the buffer sizes when the style is created, before the model is known: hence a fixed size, and
// wider features travel in several passes.
constexpr int columns_per_pass = 64;
constexpr int tally_width = 3 + 6 + 9;

std::int64_t find_element(const std::vector<std::string> &elements, const char *name)
{
  const auto found = std::find(elements.begin(), elements.end(), name);
  return found == elements.end() ? -1 : found - elements.begin();
}

std::string join(const std::vector<std::string> &words)
{
  std::string out;
  for (const auto &word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// libtorch's messages run over many lines: the one that says what went wrong.
std::string one_line(const std::string &text)
{
  const std::string mark = "RuntimeError: ";
  const auto at = text.find(mark);
  const auto start = at == std::string::npos ? 0 : at + mark.size();
  return text.substr(start, text.find('\n', start) - start);
}

mace::ModelPieces pieces_of(const mace::Archive &archive, bool single_precision)
{
  const auto &model = archive.metadata();
  mace::ModelPieces pieces{
      archive.entry("pieces/edge.pt"), {}, static_cast<int>(model.elements.size()), single_precision};
  for (std::size_t k = 0; k < model.up_widths.size(); ++k) {
    const auto index = std::to_string(k) + ".pt";
    pieces.layers.push_back(
        {archive.entry("pieces/pre_" + index), archive.entry("pieces/post_" + index), model.up_widths[k]});
  }
  return pieces;
}

std::string read_file(const char *path)
{
  const std::unique_ptr<FILE, int (*)(FILE *)> file(std::fopen(path, "rb"), &std::fclose);
  if (!file) throw std::runtime_error(std::strerror(errno));
  std::string bytes;
  char block[1 << 16];
  for (std::size_t n; (n = std::fread(block, 1, sizeof block, file.get())) > 0;) bytes.append(block, n);
  if (std::ferror(file.get())) throw std::runtime_error("reading failed");
  return bytes;
}

}  // namespace

PairMace::PairMace(LAMMPS *lmp) : Pair(lmp)
{
  one_coeff = 1;
  manybody_flag = 1;
  single_enable = 0;
  restartinfo = 0;
  // the virial is summed per edge, which also holds per atom
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

void PairMace::settings(int narg, char **arg)
{
  for (int k = 0; k < narg; k += 2) {
    if (std::strcmp(arg[k], "dtype") != 0)
      error->all(FLERR, std::string("Pair style mace: unknown keyword '") + arg[k] + "'");
    if (k + 1 == narg) error->all(FLERR, "Pair style mace: dtype needs a value, float64 or float32");
    dtype_ = arg[k + 1];
    if (dtype_ != "float64" && dtype_ != "float32")
      error->all(FLERR, "Pair style mace: dtype '" + dtype_ + "' is neither float64 nor float32");
  }
}

void PairMace::coeff(int narg, char **arg)
{
  if (narg < 3 || std::strcmp(arg[0], "*") != 0 || std::strcmp(arg[1], "*") != 0)
    error->all(FLERR, "Pair style mace: expected 'pair_coeff * * model.naglass' and one element per atom type");
  const std::string where = "Pair style mace: " + std::string(arg[2]) + ": ";
  std::unique_ptr<mace::Archive> archive;
  attempt(where, [&] { archive = std::make_unique<mace::Archive>(read_on_first_rank(arg[2])); });
  model_ = archive->metadata();
  if (model_.dtype == "float32" && dtype_ == "float64")
    error->all(FLERR, where + "exported in float32; use 'pair_style mace dtype float32' or export it in float64");
  map_types(arg[2], narg - 3, arg + 3);
  attempt(where,
          [&] { backend_ = mace::make_torch_backend(pieces_of(*archive, dtype_ == "float32"), comm->nthreads); });
}

// What throws on all ranks stops them with the message; error->all would wait for ever if it threw on some only.
void PairMace::attempt(const std::string &where, const std::function<void()> &action)
{
  std::string failure;
  try {
    action();
  } catch (const std::exception &problem) {
    failure = problem.what();
    if (failure.empty()) failure = "unknown failure";
  }
  int failed = failure.empty() ? 0 : 1, count = 0;
  MPI_Allreduce(&failed, &count, 1, MPI_INT, MPI_SUM, world);
  if (count == 0) return;
  const std::string text = where + (failed ? one_line(failure) : "failed on another rank");
  if (count == comm->nprocs) error->all(FLERR, text);
  error->one(FLERR, text);
}

std::string PairMace::read_on_first_rank(const char *path)
{
  std::string bytes, failure;
  if (comm->me == 0) {
    try {
      bytes = read_file(path);
    } catch (const std::exception &problem) {
      failure = problem.what();
    }
  }
  bigint sizes[2] = {static_cast<bigint>(bytes.size()), static_cast<bigint>(failure.size())};
  MPI_Bcast(sizes, 2, MPI_LMP_BIGINT, 0, world);
  failure.resize(static_cast<std::size_t>(sizes[1]));
  MPI_Bcast(failure.data(), static_cast<int>(sizes[1]), MPI_CHAR, 0, world);
  if (!failure.empty()) throw std::runtime_error(failure);
  bytes.resize(static_cast<std::size_t>(sizes[0]));
  constexpr std::size_t block = 1 << 30;
  for (std::size_t at = 0; at < bytes.size(); at += block)
    MPI_Bcast(bytes.data() + at, static_cast<int>(std::min(block, bytes.size() - at)), MPI_CHAR, 0, world);
  return bytes;
}

void PairMace::map_types(const char *path, int names, char **name)
{
  const int ntypes = atom->ntypes;
  if (names != ntypes)
    error->all(FLERR, "Pair style mace: pair_coeff names " + std::to_string(names) + " elements for " +
                          std::to_string(ntypes) + " atom types (write NULL for a type without this potential)");
  type_element_.assign(static_cast<std::size_t>(ntypes) + 1, -1);
  for (int type = 1; type <= ntypes; ++type) {
    const char *const element = name[type - 1];
    if (std::strcmp(element, "NULL") == 0) continue;
    const auto index = find_element(model_.elements, element);
    if (index < 0)
      error->all(FLERR, std::string("Pair style mace: ") + path + " knows no element '" + element + "' (atom type " +
                            std::to_string(type) + "); it knows " + join(model_.elements));
    type_element_[static_cast<std::size_t>(type)] = index;
  }
  if (!allocated) allocate();
  int pairs = 0;
  for (int i = 1; i <= ntypes; ++i)
    for (int j = i; j <= ntypes; ++j) {
      setflag[i][j] =
          type_element_[static_cast<std::size_t>(i)] >= 0 && type_element_[static_cast<std::size_t>(j)] >= 0;
      pairs += setflag[i][j];
    }
  if (pairs == 0) error->all(FLERR, "Pair style mace: pair_coeff maps every atom type to NULL");
}

void PairMace::allocate()
{
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  std::fill_n(&setflag[0][0], n * n, 0);
  std::fill_n(&cutsq[0][0], n * n, 0.0);
  allocated = 1;
}

void PairMace::init_style()
{
  if (std::strcmp(update->unit_style, "metal") != 0)
    error->all(FLERR,
               std::string("Pair style mace: units are '") + update->unit_style + "', the model needs 'units metal'");
  if (atom->molecular != Atom::ATOMIC &&
      (force->special_lj[1] == 0 || force->special_lj[2] == 0 || force->special_lj[3] == 0))
    error->all(FLERR, "Pair style mace: special_bonds leaves bonded neighbours out; use 'special_bonds lj/coul 1 1 1'");
  neighbor->add_request(this, NeighConst::REQ_FULL);
}

double PairMace::init_one(int i, int j)
{
  setflag[j][i] = setflag[i][j];
  return model_.r_max;
}

double PairMace::memory_usage()
{
  const auto doubles =
      vectors_.capacity() + node_energy_.capacity() + edge_gradient_.capacity() + ghost_tally_.capacity();
  const auto integers = sender_.capacity() + receiver_.capacity() + row_element_.capacity() + node_row_.capacity();
  return Pair::memory_usage() + static_cast<double>(8 * (doubles + integers));
}

void PairMace::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  build_graph();
  std::string failure;
  try {
    backend_->compute({vectors_, sender_, receiver_, row_element_, node_row_}, *this, {node_energy_, edge_gradient_});
  } catch (const std::exception &problem) {
    failure = problem.what();
  }
  if (!failure.empty())
    error->one(FLERR, "Pair style mace: step " + std::to_string(update->ntimestep) + ": " + one_line(failure));
  check_finite();
  tally_energy();
  if (force->newton_pair) {
    double *const none = nullptr;
    tally_edges({{&atom->f[0][0], 3}, {vflag_atom ? &vatom[0][0] : none, 6}, {cvflag_atom ? &cvatom[0][0] : none, 9}});
  } else {
    tally_with_ghost_reduction();
  }
}

void PairMace::build_graph()
{
  const int rows = atom->nlocal + atom->nghost;
  const double cutoff_squared = model_.r_max * model_.r_max;
  row_element_.resize(static_cast<std::size_t>(rows));
  for (int i = 0; i < rows; ++i) row_element_[i] = std::max<std::int64_t>(type_element_[atom->type[i]], 0);
  vectors_.clear();
  sender_.clear();
  receiver_.clear();
  node_row_.clear();
  for (int ii = 0; ii < list->inum; ++ii) {
    const int i = list->ilist[ii];
    if (type_element_[atom->type[i]] < 0) continue;
    const double *const xi = atom->x[i];
    for (int jj = 0; jj < list->numneigh[i]; ++jj) {
      const int j = list->firstneigh[i][jj] & NEIGHMASK;
      const double *const xj = atom->x[j];
      const double d[3] = {xi[0] - xj[0], xi[1] - xj[1], xi[2] - xj[2]};
      if (d[0] * d[0] + d[1] * d[1] + d[2] * d[2] >= cutoff_squared || type_element_[atom->type[j]] < 0) continue;
      vectors_.insert(vectors_.end(), d, d + 3);
      sender_.push_back(j);
      receiver_.push_back(static_cast<std::int64_t>(node_row_.size()));
    }
    node_row_.push_back(i);
  }
  node_energy_.resize(node_row_.size());
  edge_gradient_.resize(vectors_.size());
}

void PairMace::check_finite()
{
  double sum = 0;
  for (const double energy : node_energy_) sum += energy;
  for (const double gradient : edge_gradient_) sum += gradient;
  if (std::isfinite(sum)) return;
  double shortest = model_.r_max * model_.r_max;
  for (std::size_t e = 0; e < vectors_.size(); e += 3)
    shortest = std::min(
        shortest, vectors_[e] * vectors_[e] + vectors_[e + 1] * vectors_[e + 1] + vectors_[e + 2] * vectors_[e + 2]);
  error->one(FLERR, "Pair style mace: step " + std::to_string(update->ntimestep) +
                        ": energy or forces are not finite; shortest distance " + std::to_string(std::sqrt(shortest)) +
                        " Angstrom");
}

void PairMace::tally_energy()
{
  for (std::size_t n = 0; n < node_row_.size(); ++n) {
    const auto i = node_row_[n];
    const double energy = node_energy_[n] + model_.atomic_energies[static_cast<std::size_t>(row_element_[i])];
    if (eflag_global) eng_vdwl += energy;
    if (eflag_atom) eatom[i] += energy;
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

// Without newton LAMMPS ignores what a rank adds to its ghosts, so the sums go home by our own exchange.
void PairMace::tally_with_ghost_reduction()
{
  const auto rows = row_element_.size();
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

void PairMace::forward(double *rows, int width)
{
  rows_ = rows;
  width_ = width;
  for (first_column_ = 0; first_column_ < width; first_column_ += columns_per_pass) {
    columns_ = std::min(columns_per_pass, width - first_column_);
    comm->forward_comm(this, columns_);
  }
}

void PairMace::reverse(double *rows, int width)
{
  rows_ = rows;
  width_ = width;
  for (first_column_ = 0; first_column_ < width; first_column_ += columns_per_pass) {
    columns_ = std::min(columns_per_pass, width - first_column_);
    comm->reverse_comm(this, columns_);
  }
}

int PairMace::pack_forward_comm(int n, int *list, double *buffer, int, int *)
{
  for (int k = 0; k < n; ++k)
    buffer = std::copy_n(rows_ + static_cast<std::int64_t>(list[k]) * width_ + first_column_, columns_, buffer);
  return n * columns_;
}

void PairMace::unpack_forward_comm(int n, int first, double *buffer)
{
  for (int k = 0; k < n; ++k)
    std::copy_n(buffer + static_cast<std::int64_t>(k) * columns_, columns_,
                rows_ + static_cast<std::int64_t>(first + k) * width_ + first_column_);
}

int PairMace::pack_reverse_comm(int n, int first, double *buffer)
{
  for (int k = 0; k < n; ++k)
    buffer = std::copy_n(rows_ + static_cast<std::int64_t>(first + k) * width_ + first_column_, columns_, buffer);
  return n * columns_;
}

void PairMace::unpack_reverse_comm(int n, int *list, double *buffer)
{
  for (int k = 0; k < n; ++k) {
    double *const row = rows_ + static_cast<std::int64_t>(list[k]) * width_ + first_column_;
    for (int c = 0; c < columns_; ++c) row[c] += *buffer++;
  }
}

}  // namespace naglass
