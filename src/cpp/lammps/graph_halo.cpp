#include "graph_halo.hpp"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "exchange.hpp"

namespace naglass {
namespace {

/// Requests the row of an atom and of all atoms within `bonds` of it that the same rank owns.
struct Request {
  std::int64_t tag;
  int bonds;
};

/// Opens a row in the mail: the atom it belongs to and how many ends follow.
struct RowHead {
  std::int64_t tag;
  int type;
  int count;
};

class HaloBuilder {
 public:
  HaloBuilder(MPI_Comm comm, const BondRows &own, int bonds) : comm_(comm), own_(own), bonds_(bonds)
  {
    MPI_Comm_size(comm, &ranks_);
    MPI_Comm_rank(comm, &rank_);
    known_.reserve(2 * own.tags.size());
    for (std::size_t i = 0; i < own.tags.size(); ++i) meet(own.tags[i], own.types[i], rank_);
    for (std::size_t i = 0; i < own.tags.size(); ++i)
      add_row(static_cast<int>(i), own.ends.data() + own.offsets[i], own.offsets[i + 1] - own.offsets[i]);
  }

  /// Fetches rows that are still missing; false if none are missing on any rank. Each rank replies with everything it
  /// has of the surroundings, so the number of rounds equals the number of borders crossed, not of bonds.
  bool fetch()
  {
    const std::vector<std::vector<Request>> wanted = missing_rows();
    int missing = 0;
    for (const auto &list : wanted) missing = missing || !list.empty();
    MPI_Allreduce(MPI_IN_PLACE, &missing, 1, MPI_INT, MPI_MAX, comm_);
    if (!missing) return false;
    answer(exchange_records(comm_, wanted));
    return true;
  }

  HaloGraph finish() const
  {
    const int n = static_cast<int>(tags_.size());
    std::vector<int> order(n), place(n);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int a, int b) { return tags_[a] < tags_[b]; });
    for (int p = 0; p < n; ++p) place[order[p]] = p;

    HaloGraph out;
    std::vector<std::pair<int, Shift>> row;
    for (const int s : order) {
      out.tags.push_back(tags_[s]);
      out.types.push_back(types_[s]);
      out.owners.push_back(owners_[s]);
      out.graph.complete.push_back(begin_[s] >= 0);
      row.clear();
      for (std::int64_t e = begin_[s]; e >= 0 && e < end_[s]; ++e)
        row.emplace_back(place[links_[e].site], links_[e].shift);
      std::sort(row.begin(), row.end());
      for (const auto &[target, shift] : row) {
        out.graph.targets.push_back(target);
        out.graph.shifts.push_back(shift);
      }
      out.graph.offsets.push_back(static_cast<std::int64_t>(out.graph.targets.size()));
    }
    return out;
  }

 private:
  struct Link {
    int site;
    Shift shift;
  };

  int meet(std::int64_t tag, int type, int owner)
  {
    const auto [entry, is_new] = known_.try_emplace(tag, static_cast<int>(tags_.size()));
    if (is_new) {
      tags_.push_back(tag);
      types_.push_back(type);
      owners_.push_back(owner);
      begin_.push_back(-1);
      end_.push_back(-1);
    }
    return entry->second;
  }

  void add_row(int site, const BondEnd *ends, std::int64_t count)
  {
    const auto begin = static_cast<std::int64_t>(links_.size());
    for (std::int64_t k = 0; k < count; ++k)
      links_.push_back({meet(ends[k].tag, ends[k].type, ends[k].owner), ends[k].shift});
    begin_[site] = begin;
    end_[site] = begin + count;
  }

  // Sites by bonds from the nearest of the given starts (site, bonds still to go), through rows for which `may_pass`.
  template <typename MayPass, typename Visit>
  void walk(std::vector<std::vector<int>> starts, MayPass &&may_pass, Visit &&visit) const
  {
    std::vector<std::uint8_t> seen(tags_.size(), 0);
    for (int left = static_cast<int>(starts.size()) - 1; left >= 0; --left)
      for (std::size_t k = 0; k < starts[left].size(); ++k) {
        const int s = starts[left][k];
        if (seen[s]) continue;
        seen[s] = 1;
        visit(s, left);
        if (left == 0 || !may_pass(s)) continue;
        for (std::int64_t e = begin_[s]; e < end_[s]; ++e) starts[left - 1].push_back(links_[e].site);
      }
  }

  std::vector<std::vector<Request>> missing_rows() const
  {
    std::vector<std::vector<int>> starts(bonds_ + 1);
    for (std::size_t i = 0; i < own_.tags.size(); ++i) starts[bonds_].push_back(static_cast<int>(i));
    std::vector<std::vector<Request>> wanted(ranks_);
    walk(
        std::move(starts), [&](int s) { return begin_[s] >= 0; },
        [&](int s, int left) {
          if (begin_[s] < 0) wanted[owners_[s]].push_back({tags_[s], left});
        });
    return wanted;
  }

  // Sends this rank's rows that others request, and receives the rows requested here.
  void answer(const Received<Request> &asked)
  {
    std::vector<std::vector<RowHead>> heads(ranks_);
    std::vector<std::vector<BondEnd>> ends(ranks_);
    for (int r = 0; r < ranks_; ++r) {
      if (asked.offsets[r] == asked.offsets[r + 1]) continue;
      std::vector<std::vector<int>> starts(bonds_ + 1);
      for (int k = asked.offsets[r]; k < asked.offsets[r + 1]; ++k)
        starts[asked.records[k].bonds].push_back(known_.at(asked.records[k].tag));
      const auto is_own = [&](int s) { return owners_[s] == rank_; };
      walk(std::move(starts), is_own, [&](int s, int) {
        if (!is_own(s)) return;
        const auto first = own_.ends.begin() + own_.offsets[s], last = own_.ends.begin() + own_.offsets[s + 1];
        heads[r].push_back({tags_[s], types_[s], static_cast<int>(last - first)});
        ends[r].insert(ends[r].end(), first, last);
      });
    }
    const Received<RowHead> rows = exchange_records(comm_, heads);
    const std::vector<BondEnd> bonds = exchange_records(comm_, ends).records;
    const BondEnd *next = bonds.data();
    for (int r = 0; r < ranks_; ++r)
      for (int k = rows.offsets[r]; k < rows.offsets[r + 1]; ++k) {
        const RowHead &row = rows.records[k];
        const int site = meet(row.tag, row.type, r);
        if (begin_[site] < 0) add_row(site, next, row.count);
        next += row.count;
      }
  }

  MPI_Comm comm_;
  const BondRows &own_;
  int bonds_;
  int ranks_ = 1, rank_ = 0;
  std::unordered_map<std::int64_t, int> known_;
  std::vector<std::int64_t> tags_;
  std::vector<int> types_, owners_;
  std::vector<std::int64_t> begin_, end_;  // per site, of its row in links_; -1 if unknown
  std::vector<Link> links_;
};

}  // namespace

HaloGraph gather_halo(MPI_Comm comm, const BondRows &own, int bonds)
{
  HaloBuilder builder(comm, own, bonds);
  while (builder.fetch()) {}
  return builder.finish();
}

}  // namespace naglass
