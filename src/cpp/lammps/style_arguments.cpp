#include "style_arguments.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "lammps_views.hpp"
#include "core/number_text.hpp"

namespace naglass {

StyleArguments::StyleArguments(LAMMPS_NS::LAMMPS *lammps, std::string title, int narg, char **arg, int first,
                               std::vector<std::string> keywords)
    : lammps_(lammps), title_(std::move(title)), words_(arg + std::min(first, narg), arg + narg),
      keywords_(std::move(keywords))
{
  if (!has_box(lammps_))
    stop_all(lammps_, title_ + ": there is no simulation box yet, so atom types are unknown; " +
                          "move this command after read_data, read_restart or create_box");
}

bool StyleArguments::is_keyword(const std::string &word) const
{ return std::find(keywords_.begin(), keywords_.end(), word) != keywords_.end(); }

std::string StyleArguments::keyword()
{
  const std::string found = word("keyword");
  if (is_keyword(found)) {
    written_.erase(found);
    return found;
  }
  std::string known;
  for (const std::string &name : keywords_) known += (known.empty() ? "" : ", ") + name;
  fail("keyword", found, "must be one of " + known);
}

std::string StyleArguments::word(const std::string &keyword)
{
  if (!more()) fail(keyword, "(end of line)", "an argument is missing");
  return words_[next_++];
}

double StyleArguments::number(const std::string &keyword, const std::string &name)
{
  const std::string text = word(keyword);
  char *end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value)) fail(keyword, text, "must be a number");
  // a keyword with several numbers is shown with all of them
  std::string &written = written_[name.empty() ? keyword : name];
  written = written.empty() || keyword.find(' ') != std::string::npos ? text : written + " " + text;
  return value;
}

std::int64_t StyleArguments::whole(const std::string &keyword, std::int64_t least)
{
  constexpr double most = 1e9;
  const double value = number(keyword);
  if (value != std::floor(value) || value < static_cast<double>(least))
    fail(keyword, written_[keyword], "must be a whole number of at least " + std::to_string(least));
  if (value > most) fail(keyword, written_[keyword], "must be at most 1000000000");
  return static_cast<std::int64_t>(value);
}

std::vector<std::string> StyleArguments::words()
{
  std::vector<std::string> found;
  while (more() && !is_keyword(words_[next_])) found.push_back(words_[next_++]);
  return found;
}

std::string StyleArguments::written(const std::string &argument, const std::string &otherwise) const
{
  const auto found = written_.find(argument);
  return found == written_.end() ? otherwise : found->second;
}

void StyleArguments::fail(const Error &error) const
{ fail(error.argument(), written(error.argument(), error.value()), error.problem()); }

void StyleArguments::fail(const std::string &argument, const std::string &value, const std::string &problem) const
{ stop_all(lammps_, title_ + ": " + argument + " " + value + ": " + problem); }

void ElementMap::read(StyleArguments &arguments)
{
  const int types = atom_type_count(arguments.lammps());
  if (!names_.empty()) arguments.fail("elements", names_.front() + " ...", "is given twice");
  names_ = arguments.words();
  if (static_cast<int>(names_.size()) == types) return;
  std::string text;
  for (const std::string &name : names_) text += (text.empty() ? "" : " ") + name;
  arguments.fail("elements", names_.empty() ? "(none)" : text,
                 "needs one name per atom type, " + std::to_string(types) + " in all, not " +
                     std::to_string(names_.size()));
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
                                    : "is not among the names given by 'elements'";
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
  if (read.cutoff <= 0.0) arguments.fail(pair, arguments.written(pair, ""), "must be a positive distance");
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
          arguments.fail("cutoff " + entry.a + " " + entry.b, number_text(entry.cutoff), "the pair is given twice");
        cutoffs.set(a, b, entry.cutoff);
      }
  return cutoffs;
}

}  // namespace naglass
