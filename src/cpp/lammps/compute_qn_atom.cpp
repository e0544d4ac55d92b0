#include "compute_qn_atom.hpp"

#include <string>

#include "atom.h"
#include "comm.h"
#include "core/error.hpp"
#include "messages.hpp"
#include "update.h"

namespace naglass {
namespace {

constexpr const char *title = "compute naglass/qn/atom";
constexpr int columns = 3;

}  // namespace

ComputeQnAtom::ComputeQnAtom(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg) : Compute(lammps, narg, arg)
{
  StyleArguments arguments(lammps, title, narg, arg);
  ElementMap elements;
  std::vector<NamedCutoff> cutoffs;
  std::vector<std::string> formers{"P"}, metals, oxygens{"O"};
  arguments.read({
      elements.keyword(),
      cutoff_keyword(cutoffs),
      {"former", each_word_into(formers, "E"), "network former"},
      {"metal", each_word_into(metals, "E").otherwise("none"), "transition metal"},
      {"oxygen", each_word_into(oxygens, "E"), "bridging anion"},
      {"vanadyl", number_into(vanadyl_cutoff_, "distance", Sign::not_negative),
       "a terminal metal-oxygen bond below this is V=O"},
  });

  roles_.assign(atom->ntypes, Role::other);
  assign_roles(arguments, elements, "former", Role::former, formers);
  assign_roles(arguments, elements, "metal", Role::metal, metals);
  assign_roles(arguments, elements, "oxygen", Role::oxygen, oxygens);
  cutoffs_ = pair_cutoffs(arguments, elements, cutoffs);
  require_cutoffs(arguments);

  peratom_flag = 1;
  size_peratom_cols = columns;
  comm_forward = 2;
}

void ComputeQnAtom::assign_roles(const StyleArguments &arguments, const ElementMap &elements, const char *keyword,
                                 Role role, const std::vector<std::string> &names)
{
  for (const std::string &name : names)
    for (const int type : elements.types_of(arguments, keyword, name)) {
      if (roles_[type] != Role::other) arguments.fail(keyword, name, "already has a role");
      roles_[type] = role;
    }
}

void ComputeQnAtom::require_cutoffs(const StyleArguments &arguments) const
{
  for (int a = 0; a < cutoffs_.types(); ++a)
    for (int b = 0; b < cutoffs_.types(); ++b) {
      const bool bonds = roles_[b] == Role::oxygen && (roles_[a] == Role::former || roles_[a] == Role::metal);
      if (bonds && cutoffs_.of_pair(a, b) == 0.0)
        arguments.fail("cutoff", "of atom types " + std::to_string(a + 1) + " and " + std::to_string(b + 1),
                       "is missing; each former and metal needs a cutoff with oxygen");
    }
}

void ComputeQnAtom::init()
{
  require_cutoffs_covered(lmp, title, cutoffs_);
  request_full_list(lmp, this);
}

void ComputeQnAtom::init_list(int, LAMMPS_NS::NeighList *list) { list_ = list; }

void ComputeQnAtom::compute_peratom()
{
  invoked_peratom = update->ntimestep;
  const QnOptions options{roles_, vanadyl_cutoff_};
  try {
    fill_local_bonds(lmp, title, list_, cutoffs_, bonds_);
    const OxygenBonds oxygens = oxygen_bonds(bonds_.view(), bonds_.types, options);

    // An oxygen's owner sees all its bonds; a ghost's neighbors may be beyond the ghost cutoff.
    formers_ = oxygens.formers;
    metals_ = oxygens.metals;
    formers_.resize(bonds_.types.size());
    metals_.resize(bonds_.types.size());
    comm->forward_comm(this);

    expose(oxygens, former_links(bonds_.view(), bonds_.types, formers_, metals_, options));
  } catch (const Error &error) {
    stop_one(lmp, std::string(title) + ": " + error.what());
  }
}

void ComputeQnAtom::expose(const OxygenBonds &oxygens, const FormerLinks &links)
{
  array_atom = values_.fill(lmp, columns, 0.0);
  for (int i = 0; i < atom->nlocal; ++i) {
    const bool in_group = atom->mask[i] & groupbit;
    array_atom[i][0] = in_group ? links.n[i] : -1;
    array_atom[i][1] = in_group ? links.m[i] : -1;
    array_atom[i][2] = in_group ? static_cast<int>(oxygens.classes[i]) : 0;
  }
}

int ComputeQnAtom::pack_forward_comm(int count, int *atoms, double *buffer, int, int *)
{
  int filled = 0;
  for (int k = 0; k < count; ++k) {
    buffer[filled++] = formers_[atoms[k]];
    buffer[filled++] = metals_[atoms[k]];
  }
  return filled;
}

void ComputeQnAtom::unpack_forward_comm(int count, int first, double *buffer)
{
  for (int k = 0; k < count; ++k) {
    formers_[first + k] = static_cast<int>(buffer[2 * k]);
    metals_[first + k] = static_cast<int>(buffer[2 * k + 1]);
  }
}

double ComputeQnAtom::memory_usage() { return values_.memory() + bonds_.memory(); }

}  // namespace naglass
