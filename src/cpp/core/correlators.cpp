#include "core/correlators.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "core/error.hpp"
#include "core/exact_sum.hpp"

namespace naglass {
namespace {

constexpr std::size_t most_blocks = 32;
constexpr std::size_t fewest_blocks = 4;
constexpr int per_species = 4;

void add_to(std::vector<double> &sum, std::span<const double> other)
{
  if (sum.size() < other.size()) sum.resize(other.size(), 0.0);
  for (std::size_t n = 0; n < other.size(); ++n) sum[n] += other[n];
}

using Function = std::function<double(const std::vector<double> &)>;

// Leave-one-out over blocks: also correct for ratios and products of averages.
Estimate jackknife(const std::vector<std::vector<double>> &blocks, const std::vector<double> &total,
                   const Function &function)
{
  const auto count = static_cast<double>(blocks.size());
  Estimate result{function(total), std::numeric_limits<double>::quiet_NaN()};
  if (blocks.size() < fewest_blocks) return result;
  double mean = 0.0, squares = 0.0;
  std::vector<double> values, rest(total.size());
  for (const std::vector<double> &block : blocks) {
    for (std::size_t n = 0; n < total.size(); ++n) rest[n] = total[n] - block[n];
    values.push_back(function(rest));
    mean += values.back() / count;
  }
  for (const double value : values) squares += (value - mean) * (value - mean);
  result.error = std::sqrt(squares * (count - 1.0) / count);
  return result;
}

std::vector<double> sum_of(const std::vector<std::vector<double>> &blocks, std::size_t size)
{
  std::vector<double> total(size, 0.0);
  for (const std::vector<double> &block : blocks) add_to(total, block);
  return total;
}

// Reads a state from front to back.
class Reader {
 public:
  explicit Reader(std::span<const double> state) : state_(state) {}

  double number() { return take(1).front(); }
  std::int64_t integer() { return static_cast<std::int64_t>(number()); }
  std::vector<double> vector()
  {
    const auto values = take(length());
    std::vector<double> copy(values.size());
    std::copy(values.begin(), values.end(), copy.begin());
    return copy;
  }
  std::size_t length()
  {
    const double value = number();
    if (!(value >= 0.0 && value <= static_cast<double>(state_.size())))
      throw Error("state", std::to_string(value), "is not a valid section length");
    return static_cast<std::size_t>(value);
  }
  void finish() const
  {
    if (!state_.empty()) throw Error("state", std::to_string(state_.size()) + " numbers left", "it is too long");
  }

 private:
  std::span<const double> take(std::size_t count)
  {
    if (count > state_.size()) throw Error("state", std::to_string(state_.size()) + " numbers left", "it is too short");
    const auto values = state_.first(count);
    state_ = state_.subspan(count);
    return values;
  }

  std::span<const double> state_;
};

void append(std::vector<double> &state, const std::vector<double> &values)
{
  state.push_back(static_cast<double>(values.size()));
  state.insert(state.end(), values.begin(), values.end());
}

}  // namespace

void DisplacementStatistics::Blocks::coarsen()
{
  std::vector<Table> pairs;
  for (std::size_t k = 0; k < tables.size(); k += 2) {
    pairs.push_back(std::move(tables[k]));
    if (k + 1 < tables.size()) add_to(pairs.back(), tables[k + 1]);
  }
  tables = std::move(pairs);
  width *= 2;
}

DisplacementStatistics::DisplacementStatistics(const CorrelatorOptions &options, std::span<const std::int64_t> atoms)
    : options_(options), scheme_(options), layout_(options), atoms_(atoms.begin(), atoms.end())
{
  options.check();
  if (atoms_.size() != static_cast<std::size_t>(options.species))
    throw Error("atoms", std::to_string(atoms_.size()) + " numbers",
                "there are " + std::to_string(options.species) + " species");
}

int DisplacementStatistics::numbers() const
{ return pair(layout_.species, 0) + 1 + layout_.species * layout_.histogram; }

int DisplacementStatistics::pair(int s, int t) const { return 1 + per_species * layout_.species + s * (s + 1) / 2 + t; }

void DisplacementStatistics::add(std::span<const double> sums)
{
  const std::vector<int> ending = scheme_.ending_at(frames_);
  if (sums.size() != layout_.size(ending.size()))
    throw Error("sums", std::to_string(sums.size()) + " numbers",
                "expected " + std::to_string(layout_.size(ending.size())) + " at frame " + std::to_string(frames_));
  std::vector<double> centers;
  for (int s = 0; s < layout_.species; ++s)
    for (int d = 0; d < 3; ++d) centers.push_back(ExactSum::value(&sums[layout_.center(s) + d * ExactSum::parts]));
  lags_ = std::max(lags_, scheme_.count(frames_));
  for (std::size_t k = 0; k < ending.size(); ++k) add_lag(ending[k], k, sums, centers);
  centers_.add(frames_, std::move(centers), scheme_);
  ++frames_;
}

void DisplacementStatistics::add_lag(int index, std::size_t k, std::span<const double> sums,
                                     const std::vector<double> &centers)
{
  const std::int64_t origin = frames_ - scheme_.lag(index);
  while (origin / own_.width >= static_cast<std::int64_t>(2 * most_blocks)) own_.coarsen();
  const auto block = static_cast<std::size_t>(origin / own_.width);
  if (own_.tables.size() <= block) own_.tables.resize(block + 1);
  Table &table = own_.tables[block];
  const auto width = static_cast<std::size_t>(numbers());
  if (table.size() < (index + 1) * width) table.resize((index + 1) * width, 0.0);
  double *const row = table.data() + index * width;

  const std::vector<double> &then = centers_.at(origin);
  row[0] += 1.0;
  Vec3 current{};
  for (int s = 0; s < layout_.species; ++s) {
    const double overlap = sums[layout_.overlap(k, s)];
    double *const own = row + 1 + per_species * s;
    own[0] += ExactSum::value(&sums[layout_.square(k, s)]);
    own[1] += ExactSum::value(&sums[layout_.fourth(k, s)]);
    own[2] += overlap;
    own[3] += overlap * overlap;
    for (int d = 0; d < 3; ++d)
      current[d] += options_.charges.empty() ? 0.0 : options_.charges[s] * (centers[3 * s + d] - then[3 * s + d]);
    for (int t = 0; t <= s; ++t)
      for (int d = 0; d < 3; ++d)
        row[pair(s, t)] += (centers[3 * s + d] - then[3 * s + d]) * (centers[3 * t + d] - then[3 * t + d]);
  }
  double *const charge = row + pair(layout_.species, 0);
  *charge += dot(current, current);
  for (int s = 0; s < layout_.species; ++s)
    for (int b = 0; b < layout_.histogram; ++b)
      charge[1 + s * layout_.histogram + b] += sums[layout_.bins(k, s) + static_cast<std::size_t>(b)];
}

void DisplacementStatistics::merge(const DisplacementStatistics &other)
{
  if (other.header() != header()) throw Error("other", "correlator", "has different options or atoms");
  Blocks foreign[] = {other.merged_, other.own_};
  for (Blocks &blocks : foreign) {
    if (blocks.tables.empty()) continue;
    while (blocks.width < merged_.width) blocks.coarsen();
    while (merged_.width < blocks.width) merged_.coarsen();
    for (Table &table : blocks.tables) merged_.tables.push_back(std::move(table));
  }
  while (merged_.tables.size() > 2 * most_blocks) merged_.coarsen();
  lags_ = std::max(lags_, other.lags_);
}

std::vector<std::vector<double>> DisplacementStatistics::blocks(std::int64_t width) const
{
  Blocks all[] = {merged_, own_};
  const std::int64_t least = std::max({width, merged_.width, own_.width});
  std::vector<std::vector<double>> joined;
  for (Blocks &blocks : all) {
    while (blocks.width < least) blocks.coarsen();
    for (Table &table : blocks.tables) {
      table.resize(static_cast<std::size_t>(lags_) * numbers(), 0.0);
      joined.push_back(std::move(table));
    }
  }
  return joined;
}

std::vector<std::vector<double>> DisplacementStatistics::slices(int index) const
{
  if (index < 0 || index >= lags_)
    throw Error("index", std::to_string(index), "there are " + std::to_string(lags_) + " lags");
  const auto width = static_cast<std::ptrdiff_t>(numbers());
  const std::int64_t least = std::max({2 * scheme_.lag(index), merged_.width, own_.width});
  std::vector<std::vector<double>> joined;
  for (const Blocks *all : {&merged_, &own_}) {
    Blocks part{all->width, {}};
    for (const Table &table : all->tables) {
      const bool holds = static_cast<std::ptrdiff_t>(table.size()) >= (index + 1) * width;
      const auto row = table.begin() + (holds ? index * width : 0);
      part.tables.emplace_back(row, row + (holds ? width : 0));
    }
    while (part.width < least) part.coarsen();
    for (Table &row : part.tables)
      if (!row.empty() && row[0] > 0.0) joined.push_back(std::move(row));
  }
  return joined;
}

LagEstimate DisplacementStatistics::at(int index) const
{
  const auto blocks = slices(index);
  const std::vector<double> total = sum_of(blocks, static_cast<std::size_t>(numbers()));
  LagEstimate result{scheme_.lag(index), static_cast<std::int64_t>(total[0]), {}, {}};
  for (int s = 0; s < layout_.species; ++s) {
    const int first = 1 + per_species * s;
    const auto n = static_cast<double>(atoms_[s]);
    const auto estimate = [&](const Function &function) { return jackknife(blocks, total, function); };
    const auto collective = [=, this](const auto &sums) { return sums[pair(s, s)] / (sums[0] * n); };
    const auto msd = [=](const auto &sums) { return sums[first] / (sums[0] * n); };
    result.species.push_back({
        estimate(msd),
        estimate([=](const auto &sums) {
          return 0.6 * sums[first + 1] * (sums[0] * n) / (sums[first] * sums[first]) - 1.0;
        }),
        estimate([=](const auto &sums) { return sums[first + 2] / (sums[0] * n); }),
        estimate([=](const auto &sums) {
          const double mean = sums[first + 2] / sums[0];
          return (sums[first + 3] / sums[0] - mean * mean) / n;
        }),
        estimate(collective),
        estimate([=](const auto &sums) { return msd(sums) / collective(sums); }),
    });
  }
  const int charge = pair(layout_.species, 0);
  result.charge = jackknife(blocks, total, [=](const auto &sums) { return sums[charge] / sums[0]; });
  return result;
}

std::vector<Estimate> DisplacementStatistics::van_hove(int index, int species) const
{
  if (species < 0 || species >= layout_.species)
    throw Error("species", std::to_string(species), "there are " + std::to_string(layout_.species));
  const auto blocks = slices(index);
  const std::vector<double> total = sum_of(blocks, static_cast<std::size_t>(numbers()));
  std::vector<Estimate> result;
  for (int b = 0; b < layout_.histogram; ++b) {
    const int at = pair(layout_.species, 0) + 1 + species * layout_.histogram + b;
    const double width = b + 1 < layout_.histogram ? options_.van_hove_width : 1.0;
    const double norm = static_cast<double>(atoms_[species]) * width;
    result.push_back(jackknife(blocks, total, [=](const auto &sums) { return sums[at] / (sums[0] * norm); }));
  }
  return result;
}

std::vector<double> DisplacementStatistics::header() const
{
  std::vector<double> values{static_cast<double>(options_.species), static_cast<double>(options_.points),
                             static_cast<double>(options_.longest), options_.overlap,
                             static_cast<double>(options_.bins()),  options_.bins() ? options_.van_hove_width : 0.0};
  values.insert(values.end(), options_.charges.begin(), options_.charges.end());
  values.insert(values.end(), atoms_.begin(), atoms_.end());
  return values;
}

std::vector<double> DisplacementStatistics::state() const
{
  std::vector<double> state;
  append(state, header());
  state.push_back(static_cast<double>(frames_));
  state.push_back(static_cast<double>(lags_));
  for (const Blocks *blocks : {&own_, &merged_}) {
    state.push_back(static_cast<double>(blocks->width));
    state.push_back(static_cast<double>(blocks->tables.size()));
    for (const Table &table : blocks->tables) append(state, table);
  }
  state.push_back(static_cast<double>(centers_.all().size()));
  for (const auto &[frame, values] : centers_.all()) {
    state.push_back(static_cast<double>(frame));
    append(state, values);
  }
  return state;
}

void DisplacementStatistics::restore(std::span<const double> state)
{
  Reader reader(state);
  if (reader.vector() != header()) throw Error("state", "correlator", "was saved with different options or atoms");
  frames_ = reader.integer();
  lags_ = static_cast<int>(reader.integer());
  for (Blocks *blocks : {&own_, &merged_}) {
    blocks->width = reader.integer();
    blocks->tables.assign(reader.length(), {});
    for (Table &table : blocks->tables) table = reader.vector();
  }
  centers_.all().clear();
  for (std::size_t held = reader.length(); held > 0; --held) {
    const std::int64_t frame = reader.integer();
    std::vector<double> values = reader.vector();
    if (values.size() != 3 * atoms_.size())
      throw Error("state", std::to_string(values.size()) + " numbers of a frame", "does not match the species");
    centers_.all()[frame] = std::move(values);
  }
  reader.finish();
}

Correlator::Correlator(const CorrelatorOptions &options, std::span<const int> species)
    : history_(options, species), statistics_(options, [&] {
        std::vector<std::int64_t> atoms(static_cast<std::size_t>(options.species), 0);
        for (const int s : species) ++atoms[s];
        return atoms;
      }())
{
}

std::vector<double> Correlator::state() const
{
  std::vector<double> state;
  append(state, statistics_.state());
  const std::vector<std::int64_t> held = history_.held();
  append(state, {held.begin(), held.end()});
  append(state, history_.rows());
  return state;
}

void Correlator::restore(std::span<const double> state)
{
  Correlator next = *this;  // so that an invalid state changes nothing
  Reader reader(state);
  next.statistics_.restore(reader.vector());
  const std::vector<double> numbers = reader.vector();
  const std::vector<std::int64_t> held(numbers.begin(), numbers.end());
  next.history_.restore(next.statistics_.frames(), held, reader.vector());
  reader.finish();
  *this = std::move(next);
}

}  // namespace naglass
