#include "core/environment_file.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/error.hpp"

namespace naglass {
namespace {

int element_type(NamedEnvironments &named, const std::string &element)
{
  const auto found = std::find(named.elements.begin(), named.elements.end(), element);
  if (found != named.elements.end()) return static_cast<int>(found - named.elements.begin());
  named.elements.push_back(element);
  return static_cast<int>(named.elements.size()) - 1;
}

bool read_vector(std::istringstream &words, Vec3 &r)
{
  words >> r[0] >> r[1] >> r[2];
  return words && std::isfinite(dot(r, r)) && dot(r, r) > 0.0;
}

}  // namespace

NamedEnvironments parse_environments(const std::string &text, const std::string &name)
{
  NamedEnvironments named;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string first;
    if (!(words >> first)) continue;
    bool good = true;
    if (first == "center") {
      good = named.center.empty() && static_cast<bool>(words >> named.center);
    } else if (first == "environment") {
      named.environments.emplace_back();
    } else {
      Vec3 r;
      good = !named.environments.empty() && read_vector(words, r);
      if (good) {
        named.environments.back().types.push_back(element_type(named, first));
        named.environments.back().vectors.push_back(r);
      }
    }
    std::string rest;
    if (!good || words >> rest)
      throw Error(name + ":" + std::to_string(number), line,
                  "expected 'center E' once, 'environment', or 'E x y z' within an environment");
  }
  if (named.center.empty()) throw Error(name, "no 'center'", "an environment file must name the element of its center");
  if (named.environments.empty()) throw Error(name, "no 'environment'", "needs at least one");
  for (const Environment &environment : named.environments)
    if (environment.vectors.empty()) throw Error(name, "empty 'environment'", "needs at least one neighbor");
  return named;
}

}  // namespace naglass
