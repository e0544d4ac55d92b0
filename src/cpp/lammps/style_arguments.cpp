#include "style_arguments.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "lammps_views.hpp"

namespace naglass {

StyleArguments::StyleArguments(LAMMPS_NS::LAMMPS *lammps, std::string title, int narg, char **arg, int first)
    : lammps_(lammps), title_(std::move(title)), words_(arg + std::min(first, narg), arg + narg)
{
}

std::string StyleArguments::word(const std::string &keyword)
{
  if (!more()) fail(keyword, "(end of line)", "an argument is missing");
  return words_[next_++];
}

double StyleArguments::number(const std::string &keyword)
{
  const std::string text = word(keyword);
  char *end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value)) fail(keyword, text, "must be a number");
  return value;
}

std::int64_t StyleArguments::whole(const std::string &keyword, std::int64_t least)
{
  const double value = number(keyword);
  if (value != std::floor(value) || value < static_cast<double>(least) || value > 1e9)
    fail(keyword, std::to_string(value), "must be a whole number of at least " + std::to_string(least));
  return static_cast<std::int64_t>(value);
}

void StyleArguments::fail(const std::string &argument, const std::string &value, const std::string &problem) const
{ stop_all(lammps_, title_ + ": " + argument + " " + value + ": " + problem); }

void ElementMap::read(StyleArguments &arguments)
{
  const int types = atom_type_count(arguments.lammps());
  if (!names_.empty()) arguments.fail("elements", "", "is given twice");
  for (int t = 0; t < types; ++t) names_.push_back(arguments.word("elements"));
}

std::vector<int> ElementMap::types_of(const StyleArguments &arguments, const std::string &keyword,
                                      const std::string &name) const
{
  std::vector<int> types;
  if (names_.empty()) {
    const int type = type_of_label(arguments.lammps(), name);
    if (type >= 0) types.push_back(type);
  }
  for (std::size_t t = 0; t < names_.size(); ++t)
    if (names_[t] == name && name != "NULL") types.push_back(static_cast<int>(t));
  if (types.empty()) {
    const std::string problem = names_.empty()
                                    ? "no atom type has this label; give 'elements' with one name per atom type"
                                    : "not among the names given by 'elements'";
    arguments.fail(keyword, name, problem);
  }
  return types;
}

NamedCutoff read_cutoff(StyleArguments &arguments)
{
  NamedCutoff read;
  read.a = arguments.word("cutoff");
  read.b = arguments.word("cutoff");
  const std::string pair = "cutoff " + read.a + " " + read.b;
  read.cutoff = arguments.number(pair);
  if (read.cutoff <= 0.0) arguments.fail(pair, std::to_string(read.cutoff), "must be a positive distance");
  return read;
}

PairCutoffs pair_cutoffs(const StyleArguments &arguments, const ElementMap &elements,
                         const std::vector<NamedCutoff> &named)
{
  PairCutoffs cutoffs(atom_type_count(arguments.lammps()));
  for (const NamedCutoff &entry : named)
    for (const int a : elements.types_of(arguments, "cutoff", entry.a))
      for (const int b : elements.types_of(arguments, "cutoff", entry.b)) {
        const bool same_entry = entry.a == entry.b && a != b;
        if (cutoffs.of_pair(a, b) > 0.0 && !(same_entry && cutoffs.of_pair(a, b) == entry.cutoff))
          arguments.fail("cutoff " + entry.a + " " + entry.b, std::to_string(entry.cutoff), "the pair is given twice");
        cutoffs.set(a, b, entry.cutoff);
      }
  return cutoffs;
}

}  // namespace naglass
