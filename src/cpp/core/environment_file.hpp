#pragma once

#include <string>
#include <vector>

#include "core/crystal.hpp"

namespace naglass {

/// Reference environments with element names; a type is an index into `elements`.
struct NamedEnvironments {
  std::string center;
  std::vector<std::string> elements;
  std::vector<Environment> environments;
};

/// Reads the text of an environment file: `center V`, then per environment a line `environment` and one line
/// `element x y z` (Å from the center) per neighbor; `#` begins a comment. `name` is the file name used in messages.
/// Throws Error with the line number for an invalid line, or if there is no environment.
NamedEnvironments parse_environments(const std::string &text, const std::string &name);

}  // namespace naglass
