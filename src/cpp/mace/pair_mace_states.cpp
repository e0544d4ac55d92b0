// States of atoms, which choose among the initial features of an element: i_state of LAMMPS's fix property/atom.
#include <algorithm>
#include <limits>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "pair_mace.hpp"

namespace naglass {

using namespace LAMMPS_NS;

bool PairMace::has_states() const
{
  return std::any_of(members_.begin(), members_.end(), [](const Member &member) { return member.model.has_states(); });
}

// An atom's state means the same to all models of a committee.
void PairMace::check_states_agree(const Member &first, const Member &other, const std::string &path) const
{
  for (std::size_t t = 1; t < first.type_element.size(); ++t) {
    if (first.type_element[t] < 0) continue;
    const auto expected = first.model.states[static_cast<std::size_t>(first.type_element[t])],
               found = other.model.states[static_cast<std::size_t>(other.type_element[t])];
    if (found != expected)
      error->all(FLERR, "Pair style mace: " + path + ": atom type " + std::to_string(t) + " has " +
                            std::to_string(found) + " states, and " + std::to_string(expected) +
                            " in the first model of the committee");
  }
}

// Of owned atoms; null if the input gives none, and all atoms are in state 0.
const int *PairMace::own_states() const
{
  int real = 0, columns = 0;
  const int index = atom->find_custom("state", real, columns);
  if (index < 0) return nullptr;
  if (real || columns) error->all(FLERR, "Pair style mace: d_state is not i_state: states are one integer per atom");
  return atom->ivector[index];
}

// Atoms change owners between steps, and their states may change; a model without states has nothing to do here.
void PairMace::find_states()
{
  if (!has_states()) return;
  const auto rows = members_.front().row_element.size();
  state_.assign(rows, 0.0);
  if (const int *const own = own_states()) {
    require_known(own);
    std::copy_n(own, atom->nlocal, state_.begin());
    forward(state_.data(), 1);
  }
  for (Member &member : members_) {
    std::vector<std::int64_t> first(member.model.states.size(), 0);
    for (std::size_t z = 1; z < first.size(); ++z) first[z] = first[z - 1] + member.model.states[z - 1];
    member.row_initial.resize(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      const bool ours = member.type_element[static_cast<std::size_t>(atom->type[i])] >= 0;
      member.row_initial[i] =
          first[static_cast<std::size_t>(member.row_element[i])] + (ours ? static_cast<std::int64_t>(state_[i]) : 0);
    }
  }
}

// All ranks stop together, with the first atom by ID.
void PairMace::require_known(const int *state) const
{
  const Member &member = members_.front();
  constexpr tagint none = std::numeric_limits<tagint>::max();
  tagint own = none, found = none;
  int values[3] = {std::numeric_limits<int>::min(), 0, 0};
  for (int i = 0; i < atom->nlocal; ++i) {
    const auto element = member.type_element[static_cast<std::size_t>(atom->type[i])];
    if (element < 0 || atom->tag[i] >= own) continue;
    const int count = member.model.states[static_cast<std::size_t>(element)];
    if (state[i] >= 0 && state[i] < count) continue;
    own = atom->tag[i];
    values[0] = state[i];
    values[1] = count;
    values[2] = static_cast<int>(element);
  }
  MPI_Allreduce(&own, &found, 1, MPI_LMP_TAGINT, MPI_MIN, world);
  if (found == none) return;
  if (own != found) values[0] = values[1] = values[2] = std::numeric_limits<int>::min();
  MPI_Allreduce(MPI_IN_PLACE, values, 3, MPI_INT, MPI_MAX, world);
  error->all(FLERR, "Pair style mace: i_state of atom " + std::to_string(found) + " is " + std::to_string(values[0]) +
                        ", but " + member.model.elements[static_cast<std::size_t>(values[2])] + " has states 0 to " +
                        std::to_string(values[1] - 1));
}

}  // namespace naglass
