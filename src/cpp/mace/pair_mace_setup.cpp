// Reads pair_style mace's arguments and model archives.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "memory.h"
#include "native/native_backend.hpp"
#include "one_line.hpp"
#include "pair_mace.hpp"
#include "torch_loader.hpp"

namespace naglass {

using namespace LAMMPS_NS;

namespace {

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

// -1 means NULL; atoms of such types are passed as element 0 and have no edges
std::vector<std::int64_t> used_elements(const std::vector<std::int64_t> &type_element)
{
  std::set<std::int64_t> used(type_element.begin(), type_element.end());
  used.erase(-1);
  return {used.begin(), used.end()};
}

// The head that two archives have in common.
std::optional<std::string> shared_head(const mace::Metadata &a, const mace::Metadata &b)
{
  for (const auto &own : a.heads)
    for (const auto &other : b.heads)
      if (own.content == other.content) return own.name;
  return std::nullopt;
}

mace::ModelPieces pieces_of(const mace::Archive &archive, bool single_precision)
{
  const auto &model = archive.metadata();
  mace::ModelPieces pieces{archive.entry("pieces/edge.pt"),
                           {},
                           {},
                           static_cast<int>(model.elements.size()),
                           single_precision};
  for (std::size_t k = 0; k < model.up_widths.size(); ++k) {
    const auto index = std::to_string(k) + ".pt";
    pieces.layers.push_back(
        {archive.entry("pieces/pre_" + index), archive.entry("pieces/post_" + index), model.up_widths[k]});
  }
  for (const auto &output : model.outputs)
    pieces.outputs.push_back(archive.entry("pieces/output_" + output.name + ".pt"));
  return pieces;
}

// Index among the ranks of this machine. The launcher's own count covers all groups of ranks; without it, groups that
// share a machine would all start with its first GPU.
int local_rank(MPI_Comm world)
{
  for (const char *const name :
       {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID", "MV2_COMM_WORLD_LOCAL_RANK"})
    if (const char *const value = std::getenv(name)) return std::max(0, std::atoi(value));
  MPI_Comm machine;
  MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
  int rank = 0;
  MPI_Comm_rank(machine, &rank);
  MPI_Comm_free(&machine);
  return rank;
}

std::string read_file(const std::string &path)
{
  const std::unique_ptr<FILE, int (*)(FILE *)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) throw std::runtime_error(std::strerror(errno));
  std::string bytes;
  char block[1 << 16];
  for (std::size_t n; (n = std::fread(block, 1, sizeof block, file.get())) > 0;) bytes.append(block, n);
  if (std::ferror(file.get())) throw std::runtime_error("reading failed");
  return bytes;
}

}  // namespace

void PairMace::settings(int narg, char **arg)
{
  // LAMMPS keeps the object when an input names the same style again
  dtype_ = "float64";
  device_ = mace::Device::automatic;
  single_rank_ = false;
  trust_ = false;
  deviation_file_.reset();
  members_.clear();
  if (allocated) clear_pair_flags();
  std::string out_file;
  int out_freq = 0;
  for (int k = 0; k < narg; ++k) {
    const std::string keyword = arg[k];
    if (keyword == "single_rank") {
      single_rank_ = true;
      continue;
    }
    if (const std::set<std::string> known{"dtype", "device", "trust", "out_file", "out_freq"}; !known.contains(keyword))
      error->all(FLERR, "Pair style mace: unknown keyword '" + keyword + "'");
    if (++k == narg) error->all(FLERR, "Pair style mace: " + keyword + " needs a value");
    const std::string value = arg[k];
    if (keyword == "dtype") {
      dtype_ = value;
      if (dtype_ != "float64" && dtype_ != "float32")
        error->all(FLERR, "Pair style mace: dtype '" + dtype_ + "' is neither float64 nor float32");
    } else if (keyword == "device") {
      const std::map<std::string, mace::Device> known{{"auto", mace::Device::automatic},
                                                      {"cpu", mace::Device::cpu},
                                                      {"gpu", mace::Device::gpu}};
      if (!known.contains(value)) error->all(FLERR, "Pair style mace: device '" + value + "' is not auto, cpu or gpu");
      device_ = known.at(value);
    } else if (keyword == "trust") {
      if (value != "yes" && value != "no")
        error->all(FLERR, "Pair style mace: trust '" + value + "' is neither yes nor no");
      trust_ = value == "yes";
    } else if (keyword == "out_file") {
      out_file = value;
    } else {
      out_freq = utils::inumeric(FLERR, value, false, lmp);
      if (out_freq < 1)
        error->all(FLERR, "Pair style mace: out_freq '" + value + "' is not a positive number of steps");
    }
  }
  if (out_file.empty() != (out_freq == 0))
    error->all(
        FLERR,
        "Pair style mace: out_file and out_freq must be given together, as in 'out_file model_devi.out out_freq 100'");
  if (out_freq > 0) deviation_file_ = std::make_unique<DeviationFile>(out_file, out_freq);
}

void PairMace::coeff(int narg, char **arg)
{
  if (narg < 3 || std::strcmp(arg[0], "*") != 0 || std::strcmp(arg[1], "*") != 0)
    error->all(FLERR, "Pair style mace: expected 'pair_coeff * * model.naglass' and one element per atom type");
  const std::vector<std::string> words(arg + 2, arg + narg);
  const auto is_archive = [](const std::string &word) { return word.ends_with(".naglass"); };
  // without the usual suffix, the first word is the only model
  const auto archives =
      std::max<std::ptrdiff_t>(1, std::find_if_not(words.begin(), words.end(), is_archive) - words.begin());
  const std::vector<std::string> elements(words.begin() + archives, words.end());
  if (static_cast<int>(elements.size()) != atom->ntypes)
    error->all(FLERR, "Pair style mace: pair_coeff names " + std::to_string(elements.size()) + " elements for " +
                          std::to_string(atom->ntypes) + " atom types (write NULL for a type without this potential)");
  std::vector<Member> members;
  for (auto word = words.begin(); word != words.begin() + archives; ++word) {
    members.push_back(read_member(*word, elements));
    check_states_agree(members.front(), members.back(), *word);
    for (auto other = words.begin(); other != word; ++other)
      if (const auto same =
              shared_head(members[static_cast<std::size_t>(other - words.begin())].model, members.back().model))
        error->all(FLERR, "Pair style mace: " + *word + " is the same model as " + *other + " (head " + *same +
                              "); a committee of identical models has no meaningful deviation");
  }
  if (deviation_file_ && members.size() == 1 && members.front().heads() == 1)
    error->all(FLERR, "Pair style mace: out_file needs a committee: two or more models in pair_coeff, or one with "
                      "several heads");
  if (deviation_file_)
    attempt("Pair style mace: out_", [&] {
      if (comm->me == 0) deviation_file_->claim();
    });
  members_ = std::move(members);
  set_pair_flags();
  offer_quantities();
  say_devices();
}

void PairMace::say_devices() const
{
  std::vector<int> all(static_cast<std::size_t>(comm->nprocs));
  const int own = members_.front().backend->gpu();
  MPI_Gather(&own, 1, MPI_INT, all.data(), 1, MPI_INT, 0, world);
  const bool none = std::all_of(all.begin(), all.end(), [](int gpu) { return gpu < 0; });
  if (comm->me != 0 || none) return;
  std::string text = "Pair style mace: GPU of each rank:";
  for (const int gpu : all) {
    text += ' ';
    text += gpu < 0 ? "none" : std::to_string(gpu);
  }
  utils::logmesg(lmp, text + "\n");
}

PairMace::Member PairMace::read_member(const std::string &path, const std::vector<std::string> &elements)
{
  const std::string where = "Pair style mace: " + path + ": ";
  std::unique_ptr<mace::Archive> archive;
  attempt(where, [&] { archive = std::make_unique<mace::Archive>(read_on_first_rank(path)); });
  if (archive->metadata().torchscript && !trust_ && !on_first_rank([&] { return mace::inside_package(path); }))
    error->all(FLERR, where + "it contains TorchScript, which can run arbitrary code; if you trust its source, use "
                              "'pair_style mace trust yes', or export the model again without it");
  Member member;
  member.model = archive->metadata();
  if (member.model.dtype == "float32" && dtype_ == "float64")
    error->all(FLERR, where + "exported in float32; use 'pair_style mace dtype float32' or export it in float64");
  member.type_element = map_types(path, member.model, elements);
  attempt(where, [&] { member.backend = make_backend(*archive, member.type_element); });
  return member;
}

std::unique_ptr<mace::Backend> PairMace::make_backend(const mace::Archive &archive,
                                                      const std::vector<std::int64_t> &type_element) const
{
  const bool single_precision = dtype_ == "float32";
  if (archive.metadata().torchscript)
    return mace::make_torch_backend(pieces_of(archive, single_precision), {device_, comm->nthreads, local_rank(world)});
  if (device_ == mace::Device::gpu)
    throw std::runtime_error("device gpu needs an archive with TorchScript: export the model with --torch");
  return mace::make_native_backend(archive, used_elements(type_element), single_precision, comm->nthreads);
}

// An exception on all ranks stops them with the message; error->all would hang if only some ranks threw.
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

// Ranks on other machines may see different files: rank 0 decides.
bool PairMace::on_first_rank(const std::function<bool()> &question) const
{
  int answer = comm->me == 0 && question() ? 1 : 0;
  MPI_Bcast(&answer, 1, MPI_INT, 0, world);
  return answer == 1;
}

std::string PairMace::read_on_first_rank(const std::string &path)
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

std::vector<std::int64_t> PairMace::map_types(const std::string &path, const mace::Metadata &model,
                                              const std::vector<std::string> &elements) const
{
  std::vector<std::int64_t> map(elements.size() + 1, -1);
  for (std::size_t k = 0; k < elements.size(); ++k) {
    if (elements[k] == "NULL") continue;
    map[k + 1] = find_element(model.elements, elements[k].c_str());
    if (map[k + 1] < 0)
      error->all(FLERR, "Pair style mace: " + path + " has no element '" + elements[k] + "' (atom type " +
                            std::to_string(k + 1) + "); it has " + join(model.elements));
  }
  return map;
}

void PairMace::set_pair_flags()
{
  if (!allocated) allocate();
  const auto &element = members_.front().type_element;
  int pairs = 0;
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = i; j <= atom->ntypes; ++j) {
      setflag[i][j] = element[static_cast<std::size_t>(i)] >= 0 && element[static_cast<std::size_t>(j)] >= 0;
      pairs += setflag[i][j];
    }
  if (pairs == 0) error->all(FLERR, "Pair style mace: pair_coeff maps every atom type to NULL");
}

void PairMace::allocate()
{
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  std::fill_n(&cutsq[0][0], n * n, 0.0);
  clear_pair_flags();
  allocated = 1;
}

void PairMace::clear_pair_flags()
{
  const int n = atom->ntypes + 1;
  std::fill_n(&setflag[0][0], n * n, 0);
}

}  // namespace naglass
