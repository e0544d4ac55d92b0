// Evaluation of a MACE model by kernels of our own on CPUs: no libtorch, and nothing in the archive but numbers.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "../archive.hpp"
#include "../backend.hpp"

namespace naglass::mace {

/// Builds the backend from an archive's model.json and weights.bin for the elements in `used` (indices into the
/// model's). Throws std::runtime_error with one sentence if they are inconsistent.
std::unique_ptr<Backend> make_native_backend(const Archive &archive, const std::vector<std::int64_t> &used,
                                             bool single_precision, int threads);

}  // namespace naglass::mace
