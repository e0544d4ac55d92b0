#include "core/ring_search.hpp"

#include <algorithm>
#include <atomic>
#include <string>

#include "core/error.hpp"

namespace naglass {
namespace {

std::uint64_t mixed(std::uint64_t x)
{
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

std::uint64_t hash(std::span<const RingSite> ring)
{
  std::uint64_t h = ring.size();
  for (const RingSite &member : ring)
    h = mixed(h ^ static_cast<std::uint64_t>(member.site)) + mixed(static_cast<std::uint64_t>(member.cells) + h);
  return h;
}

}  // namespace

void make_canonical(Ring &ring)
{
  std::rotate(ring.begin(), std::min_element(ring.begin(), ring.end()), ring.end());
  const Cells home = ring.front().cells;
  for (RingSite &member : ring) member.cells -= home;
  if (ring.back() < ring[1]) std::reverse(ring.begin() + 1, ring.end());
}

bool is_selected(std::span<const RingSite> ring, const RingOptions &options)
{
  if (options.selection == RingSelection::all) return true;
  const std::size_t n = ring.size();
  bool alternates = n % 2 == 0, heteropolar = true;
  for (std::size_t k = 0; k < n; ++k) {
    const int type = options.types[ring[k].site];
    const bool same_as_next = type == options.types[ring[(k + 1) % n].site];
    heteropolar = heteropolar && !same_as_next;
    alternates = alternates && !same_as_next && type == options.types[ring[(k + 2) % n].site];
  }
  if (options.selection == RingSelection::heteropolar) return heteropolar;
  return alternates == (options.selection == RingSelection::abab);
}

std::size_t RingSet::slot_of(std::span<const RingSite> ring) const
{
  std::size_t slot = hash(ring) & (slots_.size() - 1);
  while (slots_[slot] >= 0 && !std::ranges::equal((*this)[slots_[slot]], ring)) slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

void RingSet::rehash(std::size_t slots)
{
  slots_.assign(slots, -1);
  for (std::int64_t k = 0; k < size(); ++k) slots_[slot_of((*this)[k])] = k;
}

bool RingSet::insert(std::span<const RingSite> ring)
{
  if (2 * (static_cast<std::size_t>(size()) + 1) > slots_.size())
    rehash(std::max<std::size_t>(1024, 2 * slots_.size()));
  const std::size_t slot = slot_of(ring);
  if (slots_[slot] >= 0) return false;
  slots_[slot] = size();
  append(ring);
  return true;
}

void RingSet::append(std::span<const RingSite> ring)
{
  constexpr std::size_t most_members = std::size_t{1} << 28;  // 4 GiB
  if (sites_.size() + ring.size() > most_members)
    throw Error("max_size", std::to_string(ring.size()),
                std::to_string(size()) + " or more rings are too many to list");
  sites_.insert(sites_.end(), ring.begin(), ring.end());
  offsets_.push_back(static_cast<std::int64_t>(sites_.size()));
}

void RingSet::absorb(RingSet &&other, bool disjoint)
{
  if (size() == 0) {
    *this = std::move(other);
    return;
  }
  for (std::int64_t k = 0; k < other.size(); ++k)
    if (disjoint) append(other[k]);
    else insert(other[k]);
}

RingTally::RingTally(int sites, int max_size, RingCounts &out) : row_(max_size + 1), out_(out)
{
  out.counts.assign(row_, 0);
  out.searches.assign(row_, 0);
  out.through.assign(row_ * sites, 0);
  out.origins.assign(row_ * sites, 0);
}

void RingTally::add(std::span<const RingSite> ring)
{
  std::atomic_ref(out_.counts[ring.size()]).fetch_add(1, std::memory_order_relaxed);
  for (const RingSite &member : ring)
    std::atomic_ref(out_.through[member.site * row_ + ring.size()]).fetch_add(1, std::memory_order_relaxed);
}

void RingTally::originates(int site, std::size_t size)
{ std::atomic_ref(out_.origins[site * row_ + size]).store(1, std::memory_order_relaxed); }

void PathCount::step()
{
  constexpr std::int64_t most = 20'000'000, between_checks = 4096;
  if (++steps_ % between_checks) return;
  net_->interrupt().check();
  if (steps_ > most)
    throw Error("max_size", "for the rings through atom " + std::to_string(net_->site(root_)),
                "more than " + std::to_string(most) +
                    " steps along its paths; the cutoffs are too long for a network, or max_size is too large");
}

void append_vertex(Ring &ring, const RingNet &net, const RingBall &ball, int vertex)
{ ring.push_back({net.site(ball.node(vertex)), ball.cells(vertex)}); }

void append_middle(Ring &ring, const RingNet &net, const RingBall &ball, int vertex, int edge)
{
  const RingNet::Middle &middle = net.middle(edge);
  if (middle.site >= 0) ring.push_back({middle.site, ball.cells(vertex) + middle.cells});
}

}  // namespace naglass
