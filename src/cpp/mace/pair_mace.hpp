// pair_style mace: a MACE potential on any number of ranks, one exchange of node features per layer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "archive.hpp"
#include "backend.hpp"
#include "pair.h"

namespace naglass {

class PairMace final : public LAMMPS_NS::Pair, private mace::GhostExchange {
 public:
  explicit PairMace(LAMMPS_NS::LAMMPS *lmp);
  ~PairMace() override;

  void compute(int eflag, int vflag) override;
  void settings(int narg, char **arg) override;
  void coeff(int narg, char **arg) override;
  void init_style() override;
  double init_one(int i, int j) override;
  double memory_usage() override;

  int pack_forward_comm(int n, int *list, double *buffer, int pbc_flag, int *pbc) override;
  void unpack_forward_comm(int n, int first, double *buffer) override;
  int pack_reverse_comm(int n, int first, double *buffer) override;
  void unpack_reverse_comm(int n, int *list, double *buffer) override;

 private:
  // columns of one quantity inside an array of rows
  struct Columns {
    double *data;
    int stride;
    double *row(std::int64_t i) const { return data + i * stride; }
  };
  struct Tally {
    Columns force, virial, centroid;
  };

  void forward(double *rows, int width) override;
  void reverse(double *rows, int width) override;

  void allocate();
  std::string read_on_first_rank(const char *path);
  void attempt(const std::string &where, const std::function<void()> &action);
  void map_types(const char *path, int names, char **name);
  void build_graph();
  void tally_energy();
  void tally_edges(const Tally &tally);
  void tally_with_ghost_reduction();
  void check_finite();

  std::string dtype_ = "float64";
  mace::Metadata model_;
  std::unique_ptr<mace::Backend> backend_;
  std::vector<std::int64_t> type_element_;  // per type, -1 for NULL

  std::vector<double> vectors_, node_energy_, edge_gradient_, ghost_tally_;
  std::vector<std::int64_t> sender_, receiver_, row_element_, node_row_;

  // the array in transit, and which of its columns this pass carries
  double *rows_ = nullptr;
  int width_ = 0, first_column_ = 0, columns_ = 0;
};

}  // namespace naglass
