#pragma once

#include <string>
#include <vector>

#include "core/crystal.hpp"

namespace naglass {

/// Reference environments with their elements' names; a type is an element's place in `elements`.
struct NamedEnvironments {
  std::string center;
  std::vector<std::string> elements;
  std::vector<Environment> environments;
};

/// Reads the text of an environment file: `center V`, then per environment a line `environment` and one line
/// `element x y z` (Å from the center) per neighbor; `#` begins a comment. `name` is what messages call the file.
/// Throws Error with the line's number for a line that does not fit, or without any environment.
NamedEnvironments parse_environments(const std::string &text, const std::string &name);

}  // namespace naglass
