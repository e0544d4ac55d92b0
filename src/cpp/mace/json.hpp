// A small strict reader for the metadata of a model archive (RFC 8259; \u escapes are kept as "?").
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace naglass::mace {

/// One JSON value. Accessors throw std::runtime_error, naming the key or type, if the value is not of the requested
/// kind.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;

  /// Parses one complete document.
  static Json parse(std::string_view text);

  const Json &at(std::string_view key) const;
  double number() const;
  int integer() const;
  const std::string &text() const;
  const Array &array() const;

  std::variant<std::nullptr_t, bool, double, std::string, Array, Object> value = nullptr;
};

}  // namespace naglass::mace
