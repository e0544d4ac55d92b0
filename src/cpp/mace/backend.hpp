// Evaluation of a MACE model. The pair style uses only this interface; libtorch is one implementation. Only plain data
// crosses it, so both sides may be in different shared libraries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace naglass::mace {

/// One rank's share of the graph. A row is an atom present on this rank (owned first, then ghosts), a node is a row
/// whose energy this rank computes. Edges run from a sender row to a receiver node.
struct Graph {
  std::span<const double> vectors;  // 3 per edge, Å, receiver minus sender
  std::span<const std::int64_t> sender;  // per edge, a row
  std::span<const std::int64_t> receiver;  // per edge, a node
  std::span<const std::int64_t> row_element;  // per row, index into the model's elements
  std::span<const std::int64_t> node_row;  // per node, a row
  std::span<const std::int64_t> row_initial;  // per row, its initial features: those of all states of element 0, then 1
};

/// The results of a backend, without the energies of isolated atoms.
struct Output {
  std::span<double> node_energy;  // all nodes of the first head, then those of the next, eV
  std::span<double> edge_gradient;  // 3 per edge, eV/Å, dE/dvector of the whole system's energy E, the mean over heads
  std::span<double> extra;  // per node, the columns of all extra outputs; empty if not requested
  bool each_head = false;  // edge_gradient holds all edges of the first head, then those of the next
};

/// Moves features between ranks. Arrays have `width` columns per row, stored row by row. All ranks make the same
/// sequence of calls, including those without nodes.
class GhostExchange {
 public:
  /// Copies the owners' rows to their ghosts on all ranks.
  virtual void forward(double *rows, int width) = 0;
  /// Adds the ghosts' rows on all ranks to their owners'.
  virtual void reverse(double *rows, int width) = 0;

 protected:
  ~GhostExchange() = default;
};

class Backend {
 public:
  virtual ~Backend() = default;
  /// Throws an exception derived from std::exception on failure.
  virtual void compute(const Graph &graph, GhostExchange &exchange, const Output &output) = 0;
  /// Index of the GPU that computes, -1 for the CPU.
  virtual int gpu() const = 0;
};

/// Where a model is evaluated. `automatic` uses a GPU if there is one.
enum class Device { automatic, cpu, gpu };

struct Placement {
  Device device = Device::automatic;
  int threads = 1;
  int local_rank = 0;  // among the ranks of this machine: rank r takes visible GPU r modulo their number
};

/// The pieces of a model as stored in the archive; the bytes are needed only while the backend is constructed.
struct ModelPieces {
  struct Layer {
    std::string_view pre, post;
    int up_width;
  };
  std::string_view edge;
  std::vector<Layer> layers;
  std::vector<std::string_view> outputs;
  int elements;
  bool single_precision;
};

}  // namespace naglass::mace
