#include "core/pair_histogram.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/bins.hpp"
#include "core/error.hpp"
#include "core/interrupt.hpp"
#include "core/threads.hpp"

namespace naglass {
namespace {

// A few minutes of work
constexpr double most_candidates = 1e11;

void check(const PairHistogramInput &input, int bins)
{
  if (input.others.size() != input.centers.size() || input.types.size() != input.centers.size())
    throw Error("types", std::to_string(input.types.size()) + " entries",
                "there are " + std::to_string(input.centers.size()) + " and " + std::to_string(input.others.size()) +
                    " positions");
  for (const int type : input.types)
    if (type < 0 || type >= input.type_count)
      throw Error("types", std::to_string(type), "types run from 0 to " + std::to_string(input.type_count - 1));
  for (const Vec3 &center : input.centers)
    for (const double x : center)
      if (!std::isfinite(x)) throw Error("positions", x, "must be finite numbers (Å)");
  if (bins < 1) throw Error("bins", std::to_string(bins), "at least one is needed");
}

}  // namespace

std::vector<std::int64_t> pair_histogram(const PairHistogramInput &input, const Box &box, double reach, int bins)
{
  check(input, bins);
  const Bins grid(input.others, box, reach);
  if (grid.candidates() > most_candidates) throw Error("reach", reach, "too many pairs of atoms are within it (Å)");
  const std::size_t atoms = input.centers.size();
  std::vector<Bins::Place> places;
  for (const Vec3 &center : input.centers) places.push_back(grid.place(center));
  std::vector<std::int64_t> counts(static_cast<std::size_t>(input.type_count) * input.type_count * bins, 0);

  const Interrupt interrupt = Interrupt::current();
  ParallelErrors errors;
#pragma omp parallel num_threads(threads_for(atoms, 500))
  {
    std::vector<std::int64_t> own(counts.size(), 0);
#pragma omp for schedule(static)
    for (std::ptrdiff_t i = 0; i < static_cast<std::ptrdiff_t>(atoms); ++i)
      errors.run([&] {
        interrupt.check();
        const Shift &wrapping = places[i].wrapping;
        std::int64_t *const row = own.data() + static_cast<std::size_t>(input.types[i]) * input.type_count * bins;
        grid.visit_near(places[i].bin, [&](int j, const Shift &cells) {
          const Shift &other = grid.of(j).wrapping;
          const Shift shift{cells[0] + other[0] - wrapping[0], cells[1] + other[1] - wrapping[1],
                            cells[2] + other[2] - wrapping[2]};
          if (j == i && shift == Shift{}) return;
          const Vec3 r = (input.others[j] - input.centers[i]) + box.lattice_vector(shift);
          const double squared = dot(r, r);
          if (squared >= reach * reach) return;
          const int bin = std::min(static_cast<int>(std::sqrt(squared) / reach * bins), bins - 1);
          ++row[static_cast<std::size_t>(input.types[j]) * bins + bin];
        });
      });
#pragma omp critical
    for (std::size_t n = 0; n < counts.size(); ++n) counts[n] += own[n];
  }
  errors.rethrow();
  return counts;
}

}  // namespace naglass
