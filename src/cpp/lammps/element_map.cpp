#include "access.hpp"
#include "element_map.hpp"

namespace naglass {

Keyword ElementMap::keyword(std::string fallback)
{
  const auto read_names = [this](StyleArguments &arguments, const std::string &keyword) { read(arguments, keyword); };
  return {"elements",
          {"E1 ... EN", std::move(fallback), read_names},
          "one name per atom type; several types may share a name, NULL means no name"};
}

void ElementMap::read(StyleArguments &arguments, const std::string &keyword)
{
  const int types = atom_type_count(arguments.lammps());
  if (!names_.empty()) arguments.fail(keyword, names_.front() + " ...", "is given twice");
  names_ = arguments.words(keyword);
  if (static_cast<int>(names_.size()) != types)
    arguments.fail(keyword, "needs one name per atom type, " + std::to_string(types) + " in all, not " +
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

Species species_of(const StyleArguments &arguments, const ElementMap &elements)
{
  Species found;
  for (int type = 0; type < atom_type_count(arguments.lammps()); ++type) {
    const std::string name = elements.names().empty() ? std::to_string(type + 1) : elements.names()[type];
    int species = 0;
    while (species < static_cast<int>(found.names.size()) && found.names[species] != name) ++species;
    if (name == "NULL") species = -1;
    else if (species == static_cast<int>(found.names.size())) found.names.push_back(name);
    found.of_type.push_back(species);
  }
  if (found.names.empty()) arguments.fail("elements", "NULL", "no atom type has a name");
  return found;
}

Keyword cutoff_keyword(std::vector<NamedCutoff> &cutoffs, std::string meaning)
{
  const auto read = [&cutoffs](StyleArguments &arguments, const std::string &keyword) {
    NamedCutoff named;
    named.a = arguments.word(keyword);
    named.b = arguments.word(keyword);
    named.cutoff = arguments.number(keyword);
    named.text = arguments.written(keyword);
    if (named.cutoff <= 0.0) arguments.fail(keyword, "must be a positive distance");
    cutoffs.push_back(std::move(named));
  };
  return {"cutoff", {.form = "A B distance", .fallback = "", .read = read, .repeats = true}, std::move(meaning)};
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
          arguments.fail("cutoff", entry.text, "the pair is given twice");
        cutoffs.set(a, b, entry.cutoff);
      }
  return cutoffs;
}

}  // namespace naglass
