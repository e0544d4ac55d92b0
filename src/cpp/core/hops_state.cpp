// The state of a HopDetector as plain numbers, for restarts.
#include <algorithm>
#include <string>

#include "core/error.hpp"
#include "core/hops.hpp"

namespace naglass {

std::array<double, Hop::width> Hop::row() const
{
  return {static_cast<double>(step),
          static_cast<double>(atom),
          from[0],
          from[1],
          from[2],
          to[0],
          to[1],
          to[2],
          p_max,
          overlap,
          static_cast<double>(waiting),
          returned ? 1.0 : 0.0};
}

Hop Hop::from_row(std::span<const double, width> row)
{
  Hop hop;
  hop.step = static_cast<std::int64_t>(row[0]);
  hop.atom = static_cast<std::int64_t>(row[1]);
  hop.from = {row[2], row[3], row[4]};
  hop.to = {row[5], row[6], row[7]};
  hop.p_max = row[8];
  hop.overlap = row[9];
  hop.waiting = static_cast<std::int64_t>(row[10]);
  hop.returned = row[11] != 0.0;
  return hop;
}

// One row, number by number: the same order for writing and reading.
void HopDetector::visit_row(std::size_t i, auto &&visit)
{
  const auto vector = [&](Vec3 &r) {
    for (double &x : r) visit(x);
  };
  const auto integer = [&](auto &value) {
    double number = static_cast<double>(value);
    visit(number);
    value = static_cast<std::remove_reference_t<decltype(value)>>(number);
  };
  for (std::size_t s = 0; s < 2 * static_cast<std::size_t>(options_.window); ++s) vector(ring_[s * atoms() + i]);
  vector(sums_[i].mean_a);
  vector(sums_[i].mean_b);
  visit(sums_[i].spread_a);
  visit(sums_[i].spread_b);
  integer(open_[i]);
  Track &track = tracks_[i];
  visit(track.peak);
  integer(track.peak_sample);
  vector(track.from);
  vector(track.to);
  visit(track.overlap);
  integer(track.last_hop);
  integer(track.hops);
  for (Site &site : track.sites) {
    vector(site.position);
    integer(site.left);
  }
}

std::size_t HopDetector::most_hosts() const
{
  std::int64_t most = 0;
  for (const CageSample &sample : cages_)
    for (std::size_t i = 1; i < sample.offsets.size(); ++i)
      most = std::max(most, sample.offsets[i] - sample.offsets[i - 1]);
  return static_cast<std::size_t>(most);
}

int HopDetector::row_width(std::size_t most_hosts) const
{
  const int sums = 8, track = 12, site = 4;
  return 2 * options_.window * (3 + static_cast<int>(most_hosts)) + sums + track + site * sites_kept;
}

std::vector<double> HopDetector::rows(std::size_t most_hosts)
{
  std::vector<double> rows;
  rows.reserve(atoms() * row_width(most_hosts));
  for (std::size_t i = 0; i < atoms(); ++i) {
    visit_row(i, [&](double &number) { rows.push_back(number); });
    const std::size_t cages = 2 * static_cast<std::size_t>(options_.window);
    for (std::size_t s = 0; s < cages && most_hosts > 0; ++s) {
      const std::size_t filled = rows.size();
      if (s < cages_.size() && !cages_[s].offsets.empty())
        rows.insert(rows.end(), cages_[s].hosts.begin() + cages_[s].offsets[i],
                    cages_[s].hosts.begin() + cages_[s].offsets[i + 1]);
      rows.resize(filled + most_hosts, -1.0);
    }
  }
  return rows;
}

void HopDetector::restore(const HopProgress &progress, std::span<const double> rows, std::size_t most_hosts,
                          std::vector<Hop> held_back)
{
  if (rows.size() != atoms() * static_cast<std::size_t>(row_width(most_hosts)))
    throw Error("rows", std::to_string(rows.size()) + " numbers",
                "expected " + std::to_string(row_width(most_hosts)) + " for each of " + std::to_string(atoms()) +
                    " atoms");
  progress_ = progress;
  held_back_ = std::move(held_back);
  cages_.assign(progress.cages ? 2 * options_.window : 0, {});
  for (CageSample &sample : cages_) sample.offsets.assign(1, 0);
  auto next = rows.begin();
  for (std::size_t i = 0; i < atoms(); ++i) {
    visit_row(i, [&](double &number) { number = *next++; });
    for (CageSample &sample : cages_) {
      for (std::size_t k = 0; k < most_hosts; ++k, ++next)
        if (*next >= 0.0) sample.hosts.push_back(static_cast<std::int64_t>(*next));
      sample.offsets.push_back(static_cast<std::int64_t>(sample.hosts.size()));
    }
  }
}

}  // namespace naglass
