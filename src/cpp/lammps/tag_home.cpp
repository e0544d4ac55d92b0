#include "tag_home.hpp"

#include <algorithm>
#include <cmath>

#include "access.hpp"
#include "atom_rows.hpp"
#include "exchange.hpp"
#include "messages.hpp"

namespace naglass {
namespace {

struct Place {
  std::int64_t tag;
  Vec3 position;
  int type;
};

struct Member {
  std::int64_t tag;
  int type;
};

// 1e-8 Å, far below the resolution of a trajectory; the sum can hold 10^8 atoms at 1000 Å from the origin.
constexpr double fixed_point = 1 << 26;

}  // namespace

TagHome::TagHome(LAMMPS_NS::LAMMPS *lammps, std::string title, int groupbit)
    : lammps_(lammps), title_(std::move(title)), groupbit_(groupbit)
{
  const MPI_Comm comm = communicator(lammps);
  MPI_Comm_size(comm, &ranks_);
  const OwnedAtoms owned(lammps, title_);
  std::vector<std::vector<Member>> leaving(ranks_);
  for (int i = 0; i < owned.count(); ++i)
    if (owned.in_group(i, groupbit)) leaving[home_of(owned.tag(i))].push_back({owned.tag(i), owned.type(i)});
  std::vector<Member> members = exchange_records(comm, leaving).records;
  std::sort(members.begin(), members.end(), [](const Member &a, const Member &b) { return a.tag < b.tag; });
  for (const Member &member : members) {
    tags_.push_back(member.tag);
    types_.push_back(member.type);
  }
  positions_.resize(tags_.size());
  place_of_.assign(tags_.empty() ? 0 : tags_.back() / ranks_ + 1, -1);
  for (std::size_t i = 0; i < tags_.size(); ++i) place_of_[tags_[i] / ranks_] = static_cast<int>(i);

  // place of a tag = tags of all ranks below it
  std::vector<int> counts(ranks_), at(ranks_ + 1, 0);
  const int own = static_cast<int>(tags_.size());
  MPI_Allgather(&own, 1, MPI_INT, counts.data(), 1, MPI_INT, comm);
  for (int r = 0; r < ranks_; ++r) at[r + 1] = at[r] + counts[r];
  total_ = at[ranks_];
  if (total_ == 0) stop_all(lammps, title_ + ": the group contains no atoms");
  std::vector<std::int64_t> all(total_);
  MPI_Allgatherv(tags_.data(), own, MPI_INT64_T, all.data(), counts.data(), at.data(), MPI_INT64_T, comm);
  std::sort(all.begin(), all.end());
  for (const std::int64_t tag : tags_) order_.push_back(std::lower_bound(all.begin(), all.end(), tag) - all.begin());
}

int TagHome::index_of(std::int64_t tag) const
{
  const auto at = static_cast<std::size_t>(tag / ranks_);
  if (at >= place_of_.size() || place_of_[at] < 0)
    stop_one(lammps_, title_ + ": atom " + std::to_string(tag) + " joined the group during the run");
  return place_of_[at];
}

const std::vector<Vec3> &TagHome::positions(const CellHistory &cell)
{
  const OwnedAtoms owned(lammps_, title_);
  std::vector<std::vector<Place>> leaving(ranks_);
  sent_.assign(ranks_, {});
  for (int i = 0; i < owned.count(); ++i) {
    if (!owned.in_group(i, groupbit_)) continue;
    const int home = home_of(owned.tag(i));
    leaving[home].push_back({owned.tag(i), cell.lay(owned.unwrapped(i)), owned.type(i)});
    sent_[home].push_back(i);
  }
  const Received<Place> mail = exchange_records(communicator(lammps_), leaving);
  arrived_.assign(ranks_, {});
  other_type_ = -1;
  for (int r = 0; r < ranks_; ++r)
    for (int k = mail.offsets[r]; k < mail.offsets[r + 1]; ++k) {
      const int i = index_of(mail.records[k].tag);
      positions_[i] = mail.records[k].position;
      if (mail.records[k].type != types_[i]) other_type_ = mail.records[k].tag;
      arrived_[r].push_back(i);
    }
  if (mail.records.size() != tags_.size())
    stop_one(lammps_, title_ + ": the group has " + std::to_string(mail.records.size()) + " atoms instead of " +
                          std::to_string(tags_.size()) + ": an atom was lost or left the group during the run");
  return positions_;
}

void TagHome::require_same_types() const
{
  if (other_type_ >= 0)
    stop_one(lammps_, title_ + ": atom " + std::to_string(other_type_) + " changed type during the run");
}

std::int64_t TagHome::tags_checksum() const
{
  std::uint64_t sum = 0;
  for (const std::int64_t tag : tags_) {
    std::uint64_t bits = static_cast<std::uint64_t>(tag) * 0x9e3779b97f4a7c15u;  // spreads neighboring tags
    bits ^= bits >> 31;
    sum += bits * 0xbf58476d1ce4e5b9u;
  }
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT64_T, MPI_SUM, communicator(lammps_));
  return static_cast<std::int64_t>(sum >> 11);
}

void TagHome::to_owners(const std::vector<double> &home, int width, std::vector<double> &owned) const
{
  std::vector<std::vector<double>> leaving(ranks_);
  for (int r = 0; r < ranks_; ++r)
    for (const int i : arrived_[r]) {
      const auto row = home.begin() + static_cast<std::ptrdiff_t>(i) * width;
      leaving[r].insert(leaving[r].end(), row, row + width);
    }
  const Received<double> mail = exchange_records(communicator(lammps_), leaving);
  owned.assign(static_cast<std::size_t>(OwnedAtoms(lammps_, title_).count()) * width, 0.0);
  auto row = mail.records.begin();
  for (int r = 0; r < ranks_; ++r)
    for (const int i : sent_[r]) {
      std::copy_n(row, width, owned.begin() + static_cast<std::ptrdiff_t>(i) * width);
      row += width;
    }
}

void TagHome::lists_from_owners(const std::vector<std::int64_t> &owned_offsets,
                                const std::vector<std::int64_t> &owned_values, std::vector<std::int64_t> &offsets,
                                std::vector<std::int64_t> &values) const
{
  std::vector<std::vector<std::int64_t>> counts(ranks_), leaving(ranks_);
  for (int r = 0; r < ranks_; ++r)
    for (const int i : sent_[r]) {
      counts[r].push_back(owned_offsets[i + 1] - owned_offsets[i]);
      leaving[r].insert(leaving[r].end(), owned_values.begin() + owned_offsets[i],
                        owned_values.begin() + owned_offsets[i + 1]);
    }
  const MPI_Comm comm = communicator(lammps_);
  const Received<std::int64_t> lengths = exchange_records(comm, counts);
  const Received<std::int64_t> mail = exchange_records(comm, leaving);

  offsets.assign(tags_.size() + 1, 0);
  for (int r = 0; r < ranks_; ++r)
    for (std::size_t k = 0; k < arrived_[r].size(); ++k)
      offsets[arrived_[r][k] + 1] = lengths.records[lengths.offsets[r] + k];
  for (std::size_t i = 0; i < tags_.size(); ++i) offsets[i + 1] += offsets[i];
  values.resize(offsets.back());
  auto list = mail.records.begin();
  for (int r = 0; r < ranks_; ++r)
    for (const int i : arrived_[r]) {
      const std::int64_t length = offsets[i + 1] - offsets[i];
      std::copy_n(list, length, values.begin() + offsets[i]);
      list += length;
    }
}

std::vector<double> TagHome::on_root(const std::vector<double> &home, int width) const
{
  std::vector<std::vector<std::int64_t>> order(ranks_);
  std::vector<std::vector<double>> values(ranks_);
  order[0] = order_;
  values[0] = home;
  const MPI_Comm comm = communicator(lammps_);
  const Received<std::int64_t> places = exchange_records(comm, order);
  const Received<double> rows = exchange_records(comm, values);
  std::vector<double> all(rows.records.size());
  for (std::size_t k = 0; k < places.records.size(); ++k)
    std::copy_n(rows.records.begin() + static_cast<std::ptrdiff_t>(k) * width, width,
                all.begin() + static_cast<std::ptrdiff_t>(places.records[k]) * width);
  return all;
}

std::vector<double> TagHome::from_all(const double *all, int width) const
{
  std::vector<double> own;
  own.reserve(order_.size() * width);
  for (const std::int64_t place : order_) own.insert(own.end(), all + place * width, all + (place + 1) * width);
  return own;
}

Vec3 group_mean(LAMMPS_NS::LAMMPS *lammps, const std::string &title, int groupbit, const CellHistory &cell,
                std::int64_t *atoms)
{
  const OwnedAtoms owned(lammps, title);
  std::int64_t sums[4] = {0, 0, 0, 0};
  for (int i = 0; i < owned.count(); ++i) {
    if (!owned.in_group(i, groupbit)) continue;
    const Vec3 r = cell.lay(owned.unwrapped(i));
    for (int k = 0; k < 3; ++k) sums[k] += std::llround(r[k] * fixed_point);
    ++sums[3];
  }
  MPI_Allreduce(MPI_IN_PLACE, sums, 4, MPI_INT64_T, MPI_SUM, communicator(lammps));
  if (sums[3] == 0) stop_all(lammps, title + ": the framework group contains no atoms");
  if (atoms) *atoms = sums[3];
  Vec3 mean;
  for (int k = 0; k < 3; ++k) mean[k] = static_cast<double>(sums[k]) / fixed_point / static_cast<double>(sums[3]);
  return mean;
}

}  // namespace naglass
