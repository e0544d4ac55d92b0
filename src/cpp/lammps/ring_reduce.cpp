#include "ring_reduce.hpp"

#include <algorithm>
#include <span>
#include <unordered_map>

#include "exchange.hpp"

namespace naglass {
namespace {

/// A member of a ring, in a form valid on every rank.
struct Member {
  std::int64_t tag;
  Cells cells;
  int owner;

  bool operator<(const Member &other) const { return tag != other.tag ? tag < other.tag : cells < other.cells; }
  bool operator==(const Member &other) const { return tag == other.tag && cells == other.cells; }
};

/// Rings of one size through an atom.
struct Share {
  std::int64_t tag;
  std::int64_t rings;
  int size;
};

using RingView = std::span<const Member>;

int ranks_of(MPI_Comm comm)
{
  int ranks;
  MPI_Comm_size(comm, &ranks);
  return ranks;
}

std::size_t meeting_rank(const std::vector<Member> &ring, int ranks)
{
  std::uint64_t h = ring.size();
  for (const Member &member : ring)
    h = (h ^ static_cast<std::uint64_t>(member.tag) ^ static_cast<std::uint64_t>(member.cells)) * 0x9e3779b97f4a7c15ULL;
  return (h >> 32) % ranks;
}

// Each ring found by any rank, exactly once over all ranks. Rings keep the library's form: sites are ordered by tag.
std::vector<RingView> meet(MPI_Comm comm, const HaloGraph &halo, const RingList &rings, std::vector<Member> &members)
{
  const int ranks = ranks_of(comm);
  std::vector<std::vector<int>> sizes(ranks);
  std::vector<std::vector<Member>> mail(ranks);
  std::vector<Member> ring;
  for (std::int64_t k = 0; k < rings.rings(); ++k) {
    ring.clear();
    for (std::int64_t m = rings.offsets[k]; m < rings.offsets[k + 1]; ++m) {
      const int site = rings.sites[m];
      ring.push_back({halo.tags[site], pack(rings.shifts[m]), halo.owners[site]});
    }
    const std::size_t to = meeting_rank(ring, ranks);
    sizes[to].push_back(static_cast<int>(ring.size()));
    mail[to].insert(mail[to].end(), ring.begin(), ring.end());
  }
  const Received<int> arrived = exchange_records(comm, sizes);
  members = exchange_records(comm, mail).records;
  std::vector<RingView> met;
  const Member *next = members.data();
  for (const int size : arrived.records) {
    met.emplace_back(next, static_cast<std::size_t>(size));
    next += size;
  }
  const auto before = [](RingView a, RingView b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
  };
  const auto same = [](RingView a, RingView b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); };
  std::sort(met.begin(), met.end(), before);
  met.erase(std::unique(met.begin(), met.end(), same), met.end());
  return met;
}

std::vector<std::int64_t> to_atoms(MPI_Comm comm, const BondRows &own, const std::vector<std::vector<Share>> &shares,
                                   int max_size)
{
  std::unordered_map<std::int64_t, std::size_t> row_of;
  for (std::size_t i = 0; i < own.tags.size(); ++i) row_of[own.tags[i]] = i;
  std::vector<std::int64_t> through(own.tags.size() * (max_size + 1), 0);
  for (const Share &share : exchange_records(comm, shares).records)
    through[row_of.at(share.tag) * (max_size + 1) + share.size] += share.rings;
  return through;
}

}  // namespace

bool found_more_than_once(RingCriterion criterion)
{ return criterion == RingCriterion::king || criterion == RingCriterion::guttman; }

RingTotals reduce_rings(MPI_Comm comm, const HaloGraph &halo, const BondRows &own, const RingCounts &found,
                        const RingOptions &options, bool per_atom)
{
  RingTotals totals;
  totals.counts = found.counts;
  std::vector<std::vector<Share>> shares(ranks_of(comm));
  if (found_more_than_once(options.criterion)) {
    std::vector<Member> members;
    totals.counts.assign(options.max_size + 1, 0);
    for (const RingView ring : meet(comm, halo, found.members, members)) {
      ++totals.counts[ring.size()];
      for (const Member &member : ring)
        if (per_atom) shares[member.owner].push_back({member.tag, 1, static_cast<int>(ring.size())});
    }
  } else if (per_atom) {
    const std::size_t row = options.max_size + 1;
    for (std::size_t s = 0; s < halo.tags.size(); ++s)
      for (std::size_t size = 0; size < row; ++size)
        if (const int rings = found.through[s * row + size])
          shares[halo.owners[s]].push_back({halo.tags[s], rings, static_cast<int>(size)});
  }
  MPI_Allreduce(MPI_IN_PLACE, totals.counts.data(), static_cast<int>(totals.counts.size()), MPI_INT64_T, MPI_SUM, comm);
  if (per_atom) totals.per_atom = to_atoms(comm, own, shares, options.max_size);
  return totals;
}

}  // namespace naglass
