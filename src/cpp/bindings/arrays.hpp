// numpy arrays in and out of the core: views without copies on the way in, moved vectors on the way out.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/interrupt.hpp"
#include "core/graph.hpp"

namespace naglass::python {

namespace py = pybind11;
using namespace py::literals;

template <typename T> using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

template <typename T> std::span<const T> view(const Array<T> &array, const char *name)
{
  if (array.ndim() != 1) throw Error(name, std::to_string(array.ndim()) + " dimensions", "must be a vector");
  return {array.data(), static_cast<std::size_t>(array.size())};
}

/// Rows of three numbers.
template <typename Row, typename T> std::span<const Row> view_rows(const Array<T> &array, const char *name)
{
  static_assert(sizeof(Row) == 3 * sizeof(T));
  if (array.ndim() != 2 || array.shape(1) != 3)
    throw Error(name, std::to_string(array.size()) + " numbers", "must have the shape (N, 3)");
  return {reinterpret_cast<const Row *>(array.data()), static_cast<std::size_t>(array.shape(0))};
}

// Rows of arrays in CSR form: those of center i are offsets[i] ... offsets[i + 1] - 1 of `entries` rows of `what`.
inline void check_rows(std::span<const std::int64_t> offsets, std::size_t entries, const char *what)
{
  if (offsets.empty() || offsets.front() != 0 || offsets.back() != static_cast<std::int64_t>(entries) ||
      !std::is_sorted(offsets.begin(), offsets.end()))
    throw Error("offsets", std::to_string(offsets.size()) + " entries",
                std::string("must increase from 0 to the number of ") + what);
}

/// One value per bond.
inline void check_per_bond(std::size_t values, std::size_t bonds, const char *name)
{
  if (values != bonds)
    throw Error(name, std::to_string(values) + " entries", "there are " + std::to_string(bonds) + " bonds");
}

// Arrays from Python may contain anything: order of the rows and range of the targets are checked before use.
inline GraphView view_graph(const Array<std::int64_t> &offsets, const Array<int> &targets, std::size_t atoms)
{
  const GraphView graph{view(offsets, "offsets"), view(targets, "targets")};
  if (graph.offsets.size() != atoms + 1)
    throw Error("offsets", std::to_string(graph.offsets.size()) + " entries",
                "must increase from 0, with one more entry than the " + std::to_string(atoms) + " atoms");
  check_rows(graph.offsets, graph.targets.size(), "bonds");
  for (const int target : graph.targets)
    if (target < 0 || static_cast<std::size_t>(target) >= atoms)
      throw Error("targets", target, "atoms run from 0 to " + std::to_string(atoms) + " - 1");
  return graph;
}

inline GraphView view_graph(const Array<std::int64_t> &offsets, const Array<int> &targets, const Array<int> &shifts)
{
  GraphView graph = view_graph(offsets, targets, std::max<std::size_t>(offsets.size(), 1) - 1);
  graph.shifts = view_rows<Shift>(shifts, "shifts");
  check_per_bond(graph.shifts.size(), graph.targets.size(), "shifts");
  return graph;
}

inline GraphView view_graph(const Array<std::int64_t> &offsets, const Array<int> &targets, const Array<double> &lengths,
                            std::size_t atoms)
{
  GraphView graph = view_graph(offsets, targets, atoms);
  graph.lengths = view(lengths, "lengths");
  check_per_bond(graph.lengths.size(), graph.targets.size(), "lengths");
  return graph;
}

/// During its lifetime other Python threads run, and a signal whose Python handler raises (Ctrl-C) ends the core's
/// loops.
class ReleasedGil {
 private:
  static bool signal_raised()
  {
    const py::gil_scoped_acquire held;
    return PyErr_CheckSignals() != 0;
  }

  const py::gil_scoped_release released_;
  const InterruptScope scope_{&ReleasedGil::signal_raised};
};

/// A numpy array that owns the vector's memory; `columns` 0 makes it one-dimensional.
template <typename T, typename Element> py::array_t<T> give(std::vector<Element> &&values, py::ssize_t columns = 0)
{
  static_assert(sizeof(Element) % sizeof(T) == 0);
  auto owner = std::make_unique<std::vector<Element>>(std::move(values));
  const auto rows = static_cast<py::ssize_t>(owner->size());
  const T *const data = reinterpret_cast<const T *>(owner->data());
  const std::vector<py::ssize_t> shape =
      columns ? std::vector<py::ssize_t>{rows, columns} : std::vector<py::ssize_t>{rows};
  const py::capsule free(owner.release(), [](void *p) { delete static_cast<std::vector<Element> *>(p); });
  return py::array_t<T>(shape, data, free);
}

}  // namespace naglass::python
