// pair_style mace: a MACE potential or a committee of them on any number of ranks, one exchange of node features per
// layer.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "archive.hpp"
#include "backend.hpp"
#include "deviation_file.hpp"
#include "left_out_pairs.hpp"
#include "pair.h"

namespace naglass {

// PairHybrid copies the buffer sizes when the style is created, before the model is known, so the size is fixed and
// wider features are sent in several passes.
inline constexpr int columns_per_pass = 64;

class PairMace final : public LAMMPS_NS::Pair, private mace::GhostExchange {
 public:
  explicit PairMace(LAMMPS_NS::LAMMPS *lmp);
  ~PairMace() override;

  void compute(int eflag, int vflag) override;
  void settings(int narg, char **arg) override;
  void coeff(int narg, char **arg) override;
  void init_style() override;
  void setup() override;
  double init_one(int i, int j) override;
  double memory_usage() override;
  void *extract(const char *name, int &dim) override;
  void *extract_peratom(const char *name, int &columns) override;

  /// Available per-atom quantities: energy (eV), deviation (eV/Å) and energy_deviation (eV) of a committee, and those
  /// that every model provides.
  std::vector<std::string> quantities() const;

  /// From now on, evaluates a quantity on all steps that tally per-atom energies. Returns its number of columns, 0 if
  /// not available.
  int want(const std::string &quantity);

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
  struct Member {
    mace::Metadata model;
    std::unique_ptr<mace::Backend> backend;
    std::vector<std::int64_t> type_element, row_element;  // -1 for a type that is NULL
    std::vector<std::int64_t> row_initial;                // empty without states: as row_element
    std::size_t heads() const { return model.heads.size(); }
  };
  // one per-atom quantity: values of owned atoms, and which styles requested it
  struct Quantity {
    int columns = 0;    // 0: not provided by the current models
    int triggered = 0;  // LAMMPS's fix pair and fix naglass/select set it for one step
    bool wanted = false;
    std::vector<double> values;
    std::vector<double *> rows;
  };

  void forward(double *rows, int width) override;
  void reverse(double *rows, int width) override;

  void allocate();
  std::string read_on_first_rank(const std::string &path);
  bool on_first_rank(const std::function<bool()> &question) const;
  void attempt(const std::string &where, const std::function<void()> &action);
  Member read_member(const std::string &path, const std::vector<std::string> &elements);
  std::unique_ptr<mace::Backend> make_backend(const mace::Archive &archive,
                                              const std::vector<std::int64_t> &type_element) const;
  std::vector<std::int64_t> map_types(const std::string &path, const mace::Metadata &model,
                                      const std::vector<std::string> &elements) const;
  void say_devices() const;
  void set_pair_flags();
  void clear_pair_flags();
  void offer_quantities();
  Quantity *find_quantity(const std::string &name);
  bool asked_for(const std::string &name);
  double reach() const;
  void build_graph();
  void find_homes();
  bool has_states() const;
  void check_states_agree(const Member &first, const Member &other, const std::string &path) const;
  void find_states();
  const int *own_states() const;
  void require_known(const int *state) const;
  void require_whole_lists();
  PairFilter is_ours() const;
  void run_models(bool deviation);
  void run_model(Member &member, bool each_head);
  void add_energies(const Member &member);
  std::size_t predictions() const;
  void clear_outputs();
  bool prepare_outputs(const Member &member);
  void take_outputs(const Member &member);
  void tally_energy();
  void tally_edges(const Tally &tally);
  void tally_with_ghost_reduction();
  void collect_prediction(std::size_t p, const double *gradient);
  void find_deviation();
  void find_energy_deviation();
  Spread virial_spread() const;
  void write_deviation();
  void check_finite();

  std::string dtype_ = "float64";
  mace::Device device_ = mace::Device::automatic;
  bool single_rank_ = false, trust_ = false;
  int left_out_ = 0;  // bits of groups whose atoms are excluded from the system by 'neigh_modify exclude group X all'
  std::vector<Member> members_;
  std::map<std::string, Quantity> quantity_;
  std::unique_ptr<DeviationFile> deviation_file_;

  std::vector<double> vectors_, node_energy_, edge_gradient_, ghost_tally_;
  std::vector<double> member_energy_, member_gradient_, member_extra_;  // of the current model, head by head
  // a prediction is one head of one model
  std::vector<double> predicted_energy_;  // nodes for each prediction
  std::vector<double> predicted_force_;  // rows × 3 for each prediction
  std::vector<std::array<double, 9>> predicted_virial_;
  std::vector<std::int64_t> sender_, receiver_, node_row_;
  std::vector<double> state_;  // of each row, where a model has states
  std::vector<std::int64_t> home_;  // with single_rank: the owned atom behind each row

  // the array in transit, and which of its columns this pass carries
  double *rows_ = nullptr;
  int width_ = 0, first_column_ = 0, columns_ = 0;
};

}  // namespace naglass
