#pragma once

#include <complex>
#include <cstdint>
#include <span>
#include <vector>

#include "core/box.hpp"

namespace naglass {

/// q_lm of each row for m = 0 ... l (those of negative m follow by conjugation): the mean of Y_lm over the row's
/// neighbors. `offsets` and `vectors` (Å) are the neighbors in CSR form. Rows without neighbors are zero.
/// Steinhardt, Nelson & Ronchetti, Phys. Rev. B 28, 784 (1983), Eq. 1.1.
/// Throws Error for l outside 0 ... 20, or a vector of length zero.
std::vector<std::complex<double>> bond_harmonics(std::span<const std::int64_t> offsets, std::span<const Vec3> vectors,
                                                 int l);

}  // namespace naglass
