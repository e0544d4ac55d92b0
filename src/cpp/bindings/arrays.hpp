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
#include "core/neighbors.hpp"

namespace naglass::python {

namespace py = pybind11;

template <typename T> using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

template <typename T> std::span<const T> view(const Array<T> &array, const char *name)
{
  if (array.ndim() != 1) throw Error(name, std::to_string(array.ndim()) + " dimensions", "must be a vector");
  return {array.data(), static_cast<std::size_t>(array.size())};
}

inline std::span<const Vec3> view_positions(const Array<double> &array)
{
  if (array.ndim() != 2 || array.shape(1) != 3)
    throw Error("positions", std::to_string(array.size()) + " numbers", "must have the shape (N, 3)");
  return {reinterpret_cast<const Vec3 *>(array.data()), static_cast<std::size_t>(array.shape(0))};
}

inline std::span<const Shift> view_shifts(const Array<int> &array)
{
  if (array.ndim() != 2 || array.shape(1) != 3)
    throw Error("shifts", std::to_string(array.size()) + " numbers", "must have the shape (bonds, 3)");
  return {reinterpret_cast<const Shift *>(array.data()), static_cast<std::size_t>(array.shape(0))};
}

/// Arrays from Python may contain anything: checks row order and target range before the core uses them.
inline void check_bonds(std::span<const std::int64_t> offsets, std::span<const int> targets, std::size_t atoms)
{
  const auto entries = static_cast<std::int64_t>(targets.size());
  if (offsets.size() != atoms + 1 || offsets.front() != 0 || offsets.back() != entries ||
      !std::is_sorted(offsets.begin(), offsets.end()))
    throw Error("offsets", std::to_string(offsets.size()) + " entries",
                "must increase from 0 to the number of bonds, with one more entry than atoms");
  for (const int target : targets)
    if (target < 0 || static_cast<std::size_t>(target) >= atoms)
      throw Error("targets", std::to_string(target), "atoms run from 0 to " + std::to_string(atoms) + " - 1");
}

// Rows of arrays in CSR form: those of center i are offsets[i] ... offsets[i + 1] - 1 of `entries` rows of `what`.
inline void check_rows(std::span<const std::int64_t> offsets, std::size_t entries, const char *what)
{
  if (offsets.empty() || offsets.front() != 0 || offsets.back() != static_cast<std::int64_t>(entries) ||
      !std::is_sorted(offsets.begin(), offsets.end()))
    throw Error("offsets", std::to_string(offsets.size()) + " entries",
                std::string("must increase from 0 to the number of ") + what);
}

inline void check_graph(const GraphView &graph, std::size_t atoms)
{
  check_bonds(graph.offsets, graph.targets, atoms);
  if (graph.lengths.size() != graph.targets.size())
    throw Error("lengths", std::to_string(graph.lengths.size()) + " entries",
                "there are " + std::to_string(graph.targets.size()) + " bonds");
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
