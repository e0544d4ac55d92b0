// Number of threads for a loop.
#pragma once

#include <algorithm>
#include <cstddef>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace naglass {

/// Threads for a loop over `items`: `wanted` (0: as many as OpenMP may use), each with at least `least` items. On a
/// busy machine all threads wait for the slowest, which costs a short loop more than it gains.
inline int threads_for([[maybe_unused]] std::size_t items, [[maybe_unused]] std::size_t least,
                       [[maybe_unused]] int wanted = 0)
{
#ifdef _OPENMP
  const int most = wanted > 0 ? wanted : omp_get_max_threads();
  return static_cast<int>(std::clamp<std::size_t>(items / least, 1, static_cast<std::size_t>(std::max(most, 1))));
#else
  return 1;
#endif
}

}  // namespace naglass
