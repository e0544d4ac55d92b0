#include "core/linkage.hpp"

#include <algorithm>
#include <string>

#include "core/error.hpp"
#include "core/interrupt.hpp"

namespace naglass {
namespace {

// About 3 GB
constexpr std::size_t most_records = std::size_t{1} << 26;

}  // namespace

SharedLigand shared_by(const CenterImage &a, const CenterImage &b)
{
  const Shift shift{b.shift[0] - a.shift[0], b.shift[1] - a.shift[1], b.shift[2] - a.shift[2]};
  return {a.id, b.id, shift, a.kind, b.kind};
}

void append_shared(std::span<const CenterImage> around, std::vector<SharedLigand> &records)
{
  for (std::size_t p = 0; p < around.size(); ++p)
    for (std::size_t q = 0; q < around.size(); ++q)
      if (p != q) records.push_back(shared_by(around[p], around[q]));
}

std::vector<Link> count_shared(std::vector<SharedLigand> &&records)
{
  std::sort(records.begin(), records.end());
  std::vector<Link> links;
  for (std::size_t first = 0; first < records.size();) {
    std::size_t next = first + 1;
    while (next < records.size() && records[next] == records[first]) ++next;
    const SharedLigand &r = records[first];
    links.push_back({r.a, r.b, r.shift, r.kind_a, r.kind_b, static_cast<int>(next - first)});
    first = next;
  }
  return links;
}

std::vector<Link> center_links(const GraphView &bonds, std::span<const int> kinds, std::span<const char> ligand)
{
  const std::string atoms = "the graph has " + std::to_string(bonds.rows()) + " atoms";
  if (static_cast<int>(kinds.size()) != bonds.rows())
    throw Error("kinds", std::to_string(kinds.size()) + " entries", atoms);
  if (static_cast<int>(ligand.size()) != bonds.rows())
    throw Error("ligand", std::to_string(ligand.size()) + " entries", atoms);

  std::vector<SharedLigand> records;
  std::vector<CenterImage> around;
  const Interrupt interrupt = Interrupt::current();
  for (int i = 0; i < bonds.rows(); ++i) {
    if (!ligand[i]) continue;
    interrupt.check();
    around.clear();
    for (std::int64_t e = bonds.offsets[i]; e < bonds.offsets[i + 1]; ++e) {
      const int j = bonds.targets[e];
      if (kinds[j] >= 0) around.push_back({j, kinds[j], bonds.shifts[e]});
    }
    if (records.size() + around.size() * around.size() > most_records)
      throw Error("cutoffs", std::to_string(around.size()) + " centers around atom " + std::to_string(i),
                  "too many pairs of centers share a ligand; the cutoffs are too long");
    append_shared(around, records);
  }
  return count_shared(std::move(records));
}

std::size_t kind_pair(int a, int b, int kinds)
{
  const int low = std::min(a, b), high = std::max(a, b);
  return static_cast<std::size_t>(low * kinds - low * (low - 1) / 2 + high - low);
}

std::vector<LinkCounts> linkage_counts(std::span<const Link> links, int kinds)
{
  std::vector<LinkCounts> counts(static_cast<std::size_t>(kinds) * (kinds + 1) / 2, LinkCounts{});
  for (const Link &link : links)
    if (link.counts_pair()) ++counts[kind_pair(link.kind_a, link.kind_b, kinds)][std::min(link.shared, 3) - 1];
  return counts;
}

}  // namespace naglass
