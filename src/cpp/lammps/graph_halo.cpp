#include "graph_halo.hpp"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <unordered_map>

#include "exchange.hpp"

namespace naglass {
namespace {

class HaloBuilder {
 public:
  HaloBuilder(MPI_Comm comm, const BondRows &own) : comm_(comm), own_(own)
  {
    int rank;
    MPI_Comm_size(comm, &ranks_);
    MPI_Comm_rank(comm, &rank);
    known_.reserve(2 * own.tags.size());
    for (std::size_t i = 0; i < own.tags.size(); ++i) meet(own.tags[i], own.types[i], rank);
    for (std::size_t i = 0; i < own.tags.size(); ++i)
      add_row(static_cast<int>(i), own.ends.data() + own.offsets[i], own.offsets[i + 1] - own.offsets[i]);
  }

  /// Fetches the rows of all atoms that are named but not known; false if no rank misses any.
  bool fetch_layer()
  {
    std::vector<std::vector<std::int64_t>> wanted(ranks_);
    std::vector<std::vector<int>> sites(ranks_);
    for (int s = searched_; s < static_cast<int>(tags_.size()); ++s) {
      if (begin_[s] >= 0) continue;
      wanted[owners_[s]].push_back(tags_[s]);
      sites[owners_[s]].push_back(s);
    }
    searched_ = static_cast<int>(tags_.size());
    int missing = 0;
    for (const auto &list : wanted) missing = missing || !list.empty();
    MPI_Allreduce(MPI_IN_PLACE, &missing, 1, MPI_INT, MPI_MAX, comm_);
    if (!missing) return false;
    answer(exchange_records(comm_, wanted), sites);
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
      for (std::int64_t e = begin_[s]; e >= 0 && e < end_[s]; ++e) row.emplace_back(place[links_[e].site], links_[e].shift);
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

  // Sends the own rows that others ask for, and takes in those asked for here, in the order of the requests.
  void answer(const Received<std::int64_t> &asked, const std::vector<std::vector<int>> &sites)
  {
    std::vector<std::vector<int>> lengths(ranks_);
    std::vector<std::vector<BondEnd>> rows(ranks_);
    for (int r = 0; r < ranks_; ++r)
      for (int k = asked.offsets[r]; k < asked.offsets[r + 1]; ++k) {
        const int i = known_.at(asked.records[k]);  // own atoms come first
        lengths[r].push_back(static_cast<int>(own_.offsets[i + 1] - own_.offsets[i]));
        rows[r].insert(rows[r].end(), own_.ends.begin() + own_.offsets[i], own_.ends.begin() + own_.offsets[i + 1]);
      }
    const Received<int> counts = exchange_records(comm_, lengths);
    const Received<BondEnd> ends = exchange_records(comm_, rows);
    for (int r = 0; r < ranks_; ++r) {
      const BondEnd *next = ends.records.data() + ends.offsets[r];
      for (std::size_t k = 0; k < sites[r].size(); ++k) {
        const int count = counts.records[counts.offsets[r] + k];
        add_row(sites[r][k], next, count);
        next += count;
      }
    }
  }

  MPI_Comm comm_;
  const BondRows &own_;
  int ranks_ = 1;
  int searched_ = 0;  // sites before this one are known or have been asked for
  std::unordered_map<std::int64_t, int> known_;
  std::vector<std::int64_t> tags_;
  std::vector<int> types_, owners_;
  std::vector<std::int64_t> begin_, end_;  // per site, of its row in links_; -1 where it is not known
  std::vector<Link> links_;
};

}  // namespace

HaloGraph gather_halo(MPI_Comm comm, const BondRows &own, int bonds)
{
  HaloBuilder builder(comm, own);
  for (int layer = 0; layer < bonds; ++layer)
    if (!builder.fetch_layer()) break;
  return builder.finish();
}

}  // namespace naglass
