#include "core/lantern.hpp"

#include <algorithm>
#include <tuple>

namespace naglass {
namespace {

constexpr int bridges_of_a_lantern = 3;

auto ends(const Link &link) { return std::tie(link.a, link.b, link.shift); }

}  // namespace

std::vector<SharedLigand> centers_by_bridge(std::span<const Link> links)
{
  std::vector<SharedLigand> records;
  std::vector<const Link *> around;
  for (std::size_t first = 0; first < links.size();) {
    std::size_t next = first;
    around.clear();
    for (; next < links.size() && links[next].a == links[first].a; ++next)
      if (links[next].kind_a == lantern_bridge && links[next].kind_b == lantern_center) around.push_back(&links[next]);
    for (const Link *p : around)
      for (const Link *q : around) {
        if (p == q) continue;
        // A bridge that shares an edge or a face with a center excludes the pair: it counts as more than three.
        const bool corners = p->shared == 1 && q->shared == 1;
        records.insert(records.end(), corners ? 1 : bridges_of_a_lantern + 1,
                       shared_by({p->b, lantern_center, p->shift}, {q->b, lantern_center, q->shift}));
      }
    first = next;
  }
  return records;
}

std::vector<Link> lanterns(std::vector<SharedLigand> &&records, std::span<const Link> links)
{
  std::vector<Link> found = count_shared(std::move(records));
  std::erase_if(found, [&](const Link &link) {
    return link.shared != bridges_of_a_lantern || std::ranges::binary_search(links, ends(link), {}, ends);
  });
  return found;
}

std::vector<int> lantern_counts(const GraphView &bonds, std::span<const int> kinds, std::span<const char> ligand)
{
  std::vector<int> counts(kinds.size());
  for (std::size_t i = 0; i < kinds.size(); ++i) counts[i] = kinds[i] == lantern_center ? 0 : -1;
  const std::vector<Link> links = center_links(bonds, kinds, ligand);
  for (const Link &link : lanterns(centers_by_bridge(links), links)) ++counts[link.a];
  return counts;
}

}  // namespace naglass
