// One block of nodes and their edges: forward and backward through one layer, within the caches of one core.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "../backend.hpp"
#include "native_model.hpp"

namespace naglass::mace {

// Arrays over edges start on cache lines of their own.
inline int room_for(int edges) { return (edges + 15) / 16 * 16; }

template <typename Real> void clear(std::vector<Real> &values, std::size_t count) { values.assign(count, Real(0)); }

template <typename Real> void make_room(std::vector<Real> &values, std::size_t count)
{
  if (values.size() < count) values.resize(count);
}

/// Nodes [first_node, first_node + nodes) and their edges, which are consecutive.
struct Block {
  std::int64_t first_node = 0, first_edge = 0;
  int nodes = 0, edges = 0;
  const std::int64_t *edge_start = nullptr;  // of each node and the end, among all edges
};

/// What a layer takes from outside the block. Rows are atoms, or states of elements in the first layer.
template <typename Real> struct LayerInput {
  const Real *up;
  const Real *skip;  // per node of the rank, or per state in the first layer; null without self-connection
};

/// What a layer gives back, for each energy. Null where it is not needed.
template <typename Real> struct LayerGradient {
  Gradients<Real> up;        // added to: rows of atoms
  Gradients<Real> previous;  // added to: features of the nodes of this rank before the layer, by the self-connection
};

/// Intermediate values of a layer for its backward pass: rows of nodes of this rank. Empty if they are recomputed.
template <typename Real> struct Kept {
  std::vector<Real> mixed, scale;
};

template <typename Real> class BlockPass {
 public:
  explicit BlockPass(const NativeModel<Real> &model);

  /// Geometry of the block's edges. With `each_head`, gradients are those of each head's energy, else of the mean.
  void begin(const Graph &graph, const Block &block, bool each_head);
  /// Features of the nodes after layer k. With `kept`, writes to it.
  void forward(std::size_t k, const LayerInput<Real> &in, Kept<Real> *kept);
  /// As `forward`, from what was kept.
  void resume(std::size_t k, const LayerInput<Real> &in, const Kept<Real> &kept);
  /// Adds the last layer's energies (eV) to those of all nodes of the rank, head by head.
  void add_energy(double *node_energy) const;
  /// After `forward` or `resume` of the same layer. `incoming` is the gradient by the features after it, for all nodes
  /// of the rank, of what comes later; null in the last layer.
  void backward(std::size_t k, const LayerInput<Real> &in, const Gradients<const Real> &incoming,
                const LayerGradient<Real> &out);
  /// Adds dE/dvector (eV/Å) of the layers since `begin` to the gradient of all edges.
  void add_edge_gradient(const Gradients<double> &edge_gradient);

  const ElementGroups &groups() const { return groups_; }
  const std::vector<Real> &node_features() const { return node_; }

 private:
  struct Run {
    int key, first, last;  // of order_
  };
  void sort_edges();
  NodeEdges<Real> coupled_edges(std::size_t k, std::size_t p, int node);
  void weights(std::size_t k, std::size_t part, bool slopes);
  void messages(std::size_t k, const LayerInput<Real> &in);
  void mix(std::size_t k, const LayerInput<Real> &in);
  void finish(std::size_t k, const LayerInput<Real> &in);
  void gate(std::size_t k);
  void gate_back(std::size_t k);
  void read_out(std::size_t k);
  void mix_back(std::size_t k, const Gradients<Real> &up_gradient);
  void density_back(std::size_t k);
  void residual_back(std::size_t k, const Gradients<Real> &up_gradient);
  void messages_back(std::size_t k, const LayerInput<Real> &in, const Gradients<Real> &up_gradient);
  /// Rows of `width` values for all nodes of the block and all energies.
  std::size_t rows_of(int width) const;
  /// The rows of one energy in such an array.
  template <typename Values> auto *rows(Values &values, int s, int width) const
  { return values.data() + static_cast<std::ptrdiff_t>(s) * block_.nodes * width; }
  std::size_t row(int node) const;
  std::int64_t element(int node) const;
  std::int64_t initial(int node) const;
  std::span<const std::int32_t> senders(std::size_t k) const { return k == 0 ? sender_initial_ : sender_row_; }

  const NativeModel<Real> &model_;
  const NativeKernels<Real> &kernels_;
  const Graph *graph_ = nullptr;
  Block block_;
  int energies_ = 1;  // whose gradients are taken: of the mean over the heads, or of each head's
  ElementGroups groups_;
  int stride_ = 0;  // of arrays [component][edge]

  std::vector<double> length_;
  std::vector<Real> unit_, harmonics_, basis_, basis_slope_, work_;
  std::vector<std::int32_t> sender_row_, sender_initial_, key_, order_;
  std::vector<Run> runs_;
  std::vector<Real> weight_, slope_, coupling_, coupling_gradient_, harmonics_gradient_, unit_gradient_,
      radial_gradient_;
  std::vector<Real> message_, mixed_, scale_, feature_, product_, node_, own_up_;
  std::vector<Real> message_gradient_, mixed_gradient_, feature_gradient_, product_gradient_, node_gradient_,
      scale_gradient_;
  std::vector<double> energy_, readout_input_;
  PackedNetwork::Trace readout_;
};

}  // namespace naglass::mace
