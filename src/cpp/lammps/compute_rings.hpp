// compute ID group naglass/rings keyword value ...
//
// Global vector: c_ID[n] rings of size n, n = 1 ... max. Per-atom columns with peratom yes: n rings of size n through
// the atom. Only bonds between atoms of the group count.
#pragma once

#include <vector>

#include "atom_rows.hpp"
#include "bond_lists.hpp"
#include "compute.h"
#include "core/rings.hpp"
#include "element_map.hpp"
#include "graph_halo.hpp"

namespace naglass {

class ComputeRings : public LAMMPS_NS::Compute {
 public:
  ComputeRings(LAMMPS_NS::LAMMPS *lammps, int narg, char **arg);

  void init() override;
  void init_list(int id, LAMMPS_NS::NeighList *list) override;
  void compute_vector() override;
  void compute_peratom() override;
  int pack_forward_comm(int count, int *atoms, double *buffer, int pbc_flag, int *pbc) override;
  void unpack_forward_comm(int count, int first, double *buffer) override;
  double memory_usage() override;

 private:
  void read(StyleArguments &arguments);
  void set_roles(const StyleArguments &arguments, const ElementMap &elements, std::vector<std::uint8_t> &roles,
                 const char *keyword, const std::vector<std::string> &names);
  void require_cutoffs(const StyleArguments &arguments) const;
  void find();
  HaloGraph gather();
  void keep_former_bonds();
  void use_former_graph(HaloGraph &halo) const;
  void expose(const std::vector<std::int64_t> &counts, const std::vector<std::int64_t> &per_atom);

  RingOptions options_;
  bool formers_only_ = false;
  std::vector<std::uint8_t> formers_, bridges_;  // per type
  std::vector<int> elements_;                    // per type: its first type of the same name
  PairCutoffs cutoffs_{0};

  LAMMPS_NS::NeighList *list_ = nullptr;
  std::vector<Home> homes_;
  BondRows rows_;
  std::vector<double> counts_;
  PerAtomColumns values_;
};

}  // namespace naglass
