// Finds libtorch at run time and opens the backend that is linked against it.
#pragma once

#include <memory>
#include <string>

#include "backend.hpp"

namespace naglass::mace {

/// Builds the torch backend. Opens libtorch on first use, with its GPU part if it has one and `placement` allows it:
/// the one already in the process, or the one in the folder NAGLASS_TORCH_LIB, or next to this package, or the one this
/// library was built with. Throws std::runtime_error with one sentence on what is missing or incompatible.
std::unique_ptr<Backend> make_torch_backend(const ModelPieces &pieces, const Placement &placement);

/// Whether `path`, with links resolved, is in the folder of the Python package in which this library is installed.
bool inside_package(const std::string &path);

}  // namespace naglass::mace
