#include "array_file.hpp"

#include <bit>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace naglass::mace {
namespace {

std::int64_t count_of(const std::vector<std::int64_t> &shape)
{
  std::int64_t total = 1;
  for (const auto n : shape) {
    if (n < 0 || (n > 0 && total > std::numeric_limits<std::int64_t>::max() / 16 / n)) inconsistent("a shape");
    total *= n;
  }
  return total;
}

}  // namespace

void inconsistent(const std::string &what)
{ throw std::runtime_error("the description of the model is inconsistent: " + what); }

ArrayFile::ArrayFile(const Json &table, std::string_view bytes)
{
  static_assert(std::endian::native == std::endian::little);
  for (const auto &entry : table.array()) {
    const std::string &name = entry.at("name").text(), &kind = entry.at("dtype").text();
    Array array;
    for (const auto &n : entry.at("shape").array()) array.shape.push_back(n.integer());
    const auto count = static_cast<std::size_t>(count_of(array.shape));
    const double place = entry.at("offset").number();
    if (!(place >= 0) || place > static_cast<double>(bytes.size()) ||
        count > (bytes.size() - static_cast<std::size_t>(place)) / 8 || (kind != "float64" && kind != "int64"))
      inconsistent("array " + name);
    const char *const from = bytes.data() + static_cast<std::size_t>(place);
    if (kind == "float64") {
      array.real.resize(count);
      if (count > 0) std::memcpy(array.real.data(), from, 8 * count);
    } else {
      array.integer.resize(count);
      if (count > 0) std::memcpy(array.integer.data(), from, 8 * count);
    }
    arrays_.insert_or_assign(name, std::move(array));
  }
}

const ArrayFile::Array &ArrayFile::find(const std::string &name) const
{
  const auto found = arrays_.find(name);
  if (found == arrays_.end()) inconsistent("no array " + name);
  return found->second;
}

const std::vector<double> &ArrayFile::reals(const std::string &name) const
{
  const Array &array = find(name);
  if (!array.integer.empty()) inconsistent("array " + name + " holds integers");
  return array.real;
}

const std::vector<std::int64_t> &ArrayFile::integers(const std::string &name) const
{
  const Array &array = find(name);
  if (!array.real.empty()) inconsistent("array " + name + " holds no integers");
  return array.integer;
}

const std::vector<std::int64_t> &ArrayFile::shape(const std::string &name) const { return find(name).shape; }

}  // namespace naglass::mace
