// The named arrays of a model archive.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "../json.hpp"

namespace naglass::mace {

/// Throws std::runtime_error.
[[noreturn]] void inconsistent(const std::string &what);

/// Arrays by name. All numbers are copied out of the archive, as its entries are not aligned.
class ArrayFile {
 public:
  struct Array {
    std::vector<std::int64_t> shape;
    std::vector<double> real;
    std::vector<std::int64_t> integer;
  };
  /// `table` lists name, shape, dtype and offset. Throws std::runtime_error where they do not fit the bytes.
  ArrayFile(const Json &table, std::string_view bytes);

  /// Throw naming the array if it is missing or of another kind.
  const std::vector<double> &reals(const std::string &name) const;
  const std::vector<std::int64_t> &integers(const std::string &name) const;
  const std::vector<std::int64_t> &shape(const std::string &name) const;

 private:
  const Array &find(const std::string &name) const;

  std::map<std::string, Array> arrays_;
};

}  // namespace naglass::mace
