#include "core/rings.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/error.hpp"
#include "core/ring_search.hpp"

namespace naglass {
namespace {

void check(const GraphView &graph, const RingOptions &options)
{
  const std::size_t sites = graph.rows();
  if (options.max_size < 3) throw Error("max_size", std::to_string(options.max_size), "a ring has at least 3 members");
  if (options.strong_reach < -1)
    throw Error("strong_reach", std::to_string(options.strong_reach), "must be a number of bonds of at least 0");
  if (options.selection != RingSelection::all && options.types.size() != sites)
    throw Error("types", std::to_string(options.types.size()) + " entries",
                "the graph has " + std::to_string(sites) + " atoms");
  if (!options.roots.empty() && options.roots.size() != sites)
    throw Error("roots", std::to_string(options.roots.size()) + " entries",
                "the graph has " + std::to_string(sites) + " atoms");
}

RingList sorted_list(const RingSet &rings)
{
  std::vector<std::int64_t> order(rings.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    const auto x = rings[a], y = rings[b];
    return x.size() != y.size() ? x.size() < y.size() : std::ranges::lexicographical_compare(x, y);
  });
  RingList list;
  for (const std::int64_t k : order) {
    for (const RingSite &member : rings[k]) {
      list.sites.push_back(member.site);
      list.shifts.push_back(unpack(member.cells));
    }
    list.offsets.push_back(static_cast<std::int64_t>(list.sites.size()));
  }
  return list;
}

// Strong rings are primitive: a shortcut would split a ring into two smaller ones.
RingSet find_strong(const GraphView &graph, const RingNet &net, const RingOptions &options, RingTally &tally)
{
  RingOptions everywhere = options;
  everywhere.roots = {};
  everywhere.members = true;
  const RingSet primitive = primitive_rings(net, everywhere, nullptr);
  const std::vector<std::uint8_t> strong = strong_rings(graph, net, primitive, options);
  RingSet kept;
  for (std::int64_t k = 0; k < primitive.size(); ++k) {
    if (!strong[k] || !is_selected(primitive[k], options)) continue;
    tally.add(primitive[k]);
    if (options.members) kept.append(primitive[k]);
  }
  return kept;
}

void originate_where_through(RingCounts &out)
{
  for (std::size_t k = 0; k < out.through.size(); ++k) out.origins[k] = out.through[k] > 0;
}

}  // namespace

RingCounts find_rings(const GraphView &graph, const RingOptions &options)
{
  check(graph, options);
  // Where images are distinguished, walks go at most `max_size` steps plus the reach.
  const RingNet net(graph, options.max_size + strong_reach(options));
  RingCounts out;
  RingTally tally(graph.rows(), options.max_size, out);
  RingSet rings;
  switch (options.criterion) {
  case RingCriterion::primitive:
    rings = primitive_rings(net, options, &tally);
    originate_where_through(out);
    break;
  case RingCriterion::strong:
    rings = find_strong(graph, net, options, tally);
    originate_where_through(out);
    break;
  case RingCriterion::king:
  case RingCriterion::guttman:
    rings = closed_path_rings(net, options, tally, out.searches);
    break;
  }
  if (options.members) out.members = sorted_list(rings);
  return out;
}

int strong_reach(const RingOptions &options)
{
  if (options.criterion != RingCriterion::strong) return 0;
  return options.strong_reach < 0 ? options.max_size : options.strong_reach;
}

int ring_halo(const RingOptions &options)
{
  // One more than the rings need, so that all ranks agree on what joins three or more bonds.
  const int own = options.max_size / 2 + 1;
  // A smaller ring within reach is tested with its own surroundings.
  return options.criterion == RingCriterion::strong ? own + strong_reach(options) + options.max_size / 2 : own;
}

}  // namespace naglass
