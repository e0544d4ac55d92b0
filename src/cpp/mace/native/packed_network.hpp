// A network of scalars for many inputs at once, in double precision.
#pragma once

#include <cstddef>
#include <vector>

#include "model_file.hpp"

namespace naglass::mace {

double activate(NetworkStep::Activation kind, double x);
/// Also gives the derivative at x.
double activate(NetworkStep::Activation kind, double x, double &slope);

class PackedNetwork {
 public:
  /// What `forward` leaves behind; rows are padded to whole cache lines.
  struct Trace {
    std::vector<std::vector<double>> values, slopes;  // of each step
    std::vector<double> gradient, inner;
    std::vector<const double *> from;
    std::vector<double *> to;
  };

  PackedNetwork() = default;
  explicit PackedNetwork(const Network &network);

  bool empty() const { return steps_.empty(); }
  int inputs() const { return steps_.front().shape.in; }
  int outputs() const { return steps_.back().shape.out; }
  /// All that it does is linear.
  bool linear() const;

  /// x rows × inputs. Results are the first columns of the rows of trace.values.back(); `slopes` is for `backward`.
  void forward(const double *x, std::size_t rows, bool slopes, Trace &trace) const;
  /// After `forward` with slopes: for each row the gradient by its inputs of sum_c weight[c] y[c], in trace.gradient.
  /// Not for networks with a norm.
  void backward(const std::vector<double> &weight, std::size_t rows, Trace &trace) const;

 private:
  struct Step {
    NetworkStep shape;  // without its weights
    std::vector<double> forward, backward;  // in × padded out, out × padded in
  };
  std::vector<Step> steps_;
};

}  // namespace naglass::mace
