#include "core/lantern.hpp"

namespace naglass {

std::vector<SharedLigand> centres_by_bridge(std::span<const Link> links)
{
  std::vector<SharedLigand> records;
  std::vector<CentreImage> around;
  for (std::size_t first = 0; first < links.size();) {
    std::size_t next = first;
    around.clear();
    for (; next < links.size() && links[next].a == links[first].a; ++next)
      if (links[next].kind_a == lantern_bridge && links[next].kind_b == lantern_centre)
        around.push_back({links[next].b, lantern_centre, links[next].shift});
    append_shared(around, records);
    first = next;
  }
  return records;
}

std::vector<Link> lanterns(std::vector<SharedLigand> &&records)
{
  std::vector<Link> links = count_shared(std::move(records));
  std::erase_if(links, [](const Link &link) { return link.shared != 3; });
  return links;
}

std::vector<int> lantern_counts(const PeriodicView &bonds, std::span<const int> kinds, std::span<const char> ligand)
{
  std::vector<int> counts(kinds.size());
  for (std::size_t i = 0; i < kinds.size(); ++i) counts[i] = kinds[i] == lantern_centre ? 0 : -1;
  for (const Link &link : lanterns(centres_by_bridge(centre_links(bonds, kinds, ligand)))) ++counts[link.a];
  return counts;
}

}  // namespace naglass
