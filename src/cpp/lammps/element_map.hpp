// Names of atom types in a style's arguments, and the bond cutoffs between them.
#pragma once

#include <string>
#include <vector>

#include "core/bond_graph.hpp"
#include "style_arguments.hpp"

namespace naglass {

/// The LAMMPS types of an element name: from `elements`, one name per type (several types may share one, NULL means no
/// name), or from the label map if `elements` is not given. Types count from 0 here, as in the core.
class ElementMap {
 public:
  /// The row of `elements` in a style's table; `fallback` is what the names are without it.
  Keyword keyword(std::string fallback = "the label map");
  /// Fails if the name belongs to no type; `keyword` is where it was used.
  std::vector<int> types_of(const StyleArguments &arguments, const std::string &keyword, const std::string &name) const;
  /// One name per type; empty where `elements` is not given.
  const std::vector<std::string> &names() const { return names_; }

 private:
  void read(StyleArguments &arguments, const std::string &keyword);

  std::vector<std::string> names_;
};

/// What columns are named by: the distinct names in the order of the types, or type numbers where there are no names.
struct Species {
  std::vector<std::string> names;
  std::vector<int> of_type;  // place in `names`, -1 for NULL
};

/// Fails if no type has a name.
Species species_of(const StyleArguments &arguments, const ElementMap &elements);

/// One `cutoff A B distance` of an input script.
struct NamedCutoff {
  std::string a, b;
  double cutoff;
  std::string text;  // "A B distance" as written
};

/// The row of `cutoff` in a style's table.
Keyword cutoff_keyword(std::vector<NamedCutoff> &cutoffs,
                       std::string meaning = "bond cutoff (distance units) of a pair of names, once per pair");

/// The cutoffs per pair of types; fails for a pair that is given twice or a name that is unknown.
PairCutoffs pair_cutoffs(const StyleArguments &arguments, const ElementMap &elements,
                         const std::vector<NamedCutoff> &named);

}  // namespace naglass
