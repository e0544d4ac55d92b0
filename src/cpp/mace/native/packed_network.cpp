#include "packed_network.hpp"

#include <algorithm>
#include <cmath>

#include "native_kernels.hpp"

namespace naglass::mace {
namespace {

using Activation = NetworkStep::Activation;

std::size_t room_of(int columns) { return static_cast<std::size_t>(padded<double>(columns)); }

void normalize(const NetworkStep &step, double *row)
{
  const auto width = static_cast<std::size_t>(step.out);
  double mean = 0, variance = 0;
  for (std::size_t c = 0; c < width; ++c) mean += row[c] / step.out;
  for (std::size_t c = 0; c < width; ++c) variance += (row[c] - mean) * (row[c] - mean) / step.out;
  const double factor = 1 / std::sqrt(variance + step.epsilon);
  for (std::size_t c = 0; c < width; ++c) row[c] = (row[c] - mean) * factor * step.gain[c] + step.offset[c];
}

// Points at the rows of two arrays.
void point(PackedNetwork::Trace &trace, std::size_t rows, const double *from, std::size_t from_width, double *to,
           std::size_t to_width)
{
  trace.from.resize(rows);
  trace.to.resize(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    trace.from[r] = from + r * from_width;
    trace.to[r] = to + r * to_width;
  }
}

}  // namespace

double activate(Activation kind, double x)
{
  double slope = 0;
  return activate(kind, x, slope);
}

double activate(Activation kind, double x, double &slope)
{
  switch (kind) {
  case Activation::identity:
    break;
  case Activation::silu: {
    const double s = 1 / (1 + std::exp(-x));
    slope = s * (1 + x * (1 - s));
    return x * s;
  }
  case Activation::tanh: {
    const double t = std::tanh(x);
    slope = 1 - t * t;
    return t;
  }
  case Activation::abs:
    slope = x > 0 ? 1 : x < 0 ? -1 : 0;
    return std::abs(x);
  case Activation::sigmoid: {
    const double s = 1 / (1 + std::exp(-x));
    slope = s * (1 - s);
    return s;
  }
  }
  slope = 1;
  return x;
}

PackedNetwork::PackedNetwork(const Network &network)
{
  for (const auto &step : network) {
    const std::size_t out = room_of(step.out), in = room_of(step.in);
    Step own{step, std::vector<double>(static_cast<std::size_t>(step.in) * out),
             std::vector<double>(static_cast<std::size_t>(step.out) * in)};
    own.shape.weight.clear();
    for (std::size_t i = 0; i < static_cast<std::size_t>(step.in); ++i)
      for (std::size_t c = 0; c < static_cast<std::size_t>(step.out); ++c)
        own.forward[i * out + c] = own.backward[c * in + i] = step.weight[i * static_cast<std::size_t>(step.out) + c];
    steps_.push_back(std::move(own));
  }
}

bool PackedNetwork::linear() const
{
  return std::all_of(steps_.begin(), steps_.end(), [](const Step &step) {
    return step.shape.activation == Activation::identity && step.shape.gain.empty();
  });
}

void PackedNetwork::forward(const double *x, std::size_t rows, bool slopes, Trace &trace) const
{
  trace.values.resize(steps_.size());
  trace.slopes.resize(steps_.size());
  const double *from = x;
  std::size_t from_width = static_cast<std::size_t>(inputs());
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    const NetworkStep &step = steps_[s].shape;
    const std::size_t width = room_of(step.out);
    auto &values = trace.values[s], &slope = trace.slopes[s];
    values.assign(rows * width, 0.0);
    slope.assign(slopes ? rows * width : 0, 0.0);
    point(trace, rows, from, from_width, values.data(), width);
    if (!step.bias.empty())
      for (double *const row : trace.to) std::copy(step.bias.begin(), step.bias.end(), row);
    native_kernels<double>().multiply(trace.from.data(), trace.to.data(), static_cast<std::int64_t>(rows),
                                      steps_[s].forward.data(), step.in, static_cast<int>(width));
    for (std::size_t r = 0; r < rows; ++r) {
      double *const row = values.data() + r * width;
      if (!step.gain.empty()) normalize(step, row);
      for (std::size_t c = 0; c < static_cast<std::size_t>(step.out); ++c) {
        double rise = 0;
        row[c] = step.factor * activate(step.activation, row[c], rise);
        if (slopes) slope[r * width + c] = step.factor * rise;
      }
    }
    from = values.data();
    from_width = width;
  }
}

void PackedNetwork::backward(const std::vector<double> &weight, std::size_t rows, Trace &trace) const
{
  auto &gradient = trace.gradient, &inner = trace.inner;
  std::size_t width = room_of(outputs());
  gradient.assign(rows * width, 0.0);
  for (std::size_t r = 0; r < rows; ++r) std::copy(weight.begin(), weight.end(), gradient.data() + r * width);
  for (std::size_t s = steps_.size(); s-- > 0;) {
    const NetworkStep &step = steps_[s].shape;
    for (std::size_t k = 0; k < rows * width; ++k) gradient[k] *= trace.slopes[s][k];
    const std::size_t before = room_of(step.in);
    inner.assign(rows * before, 0.0);
    point(trace, rows, gradient.data(), width, inner.data(), before);
    native_kernels<double>().multiply(trace.from.data(), trace.to.data(), static_cast<std::int64_t>(rows),
                                      steps_[s].backward.data(), step.out, static_cast<int>(before));
    gradient.swap(inner);
    width = before;
  }
}

}  // namespace naglass::mace
