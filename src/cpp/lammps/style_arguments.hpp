// The part of argument reading that every naglass style shares.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/bond_graph.hpp"
#include "core/error.hpp"

namespace LAMMPS_NS {
class LAMMPS;
}

namespace naglass {

/// Walks through a style's arguments. Every failure ends the run with style, argument and value in the message, the
/// value as the user wrote it.
class StyleArguments {
 public:
  /// `title` opens each message ("compute naglass/qn/atom"); reading starts at arg[first]. Ends the run if there is
  /// no simulation box yet, since atom types are then unknown.
  StyleArguments(LAMMPS_NS::LAMMPS *lammps, std::string title, int narg, char **arg, int first,
                 std::vector<std::string> keywords);

  bool more() const { return next_ < words_.size(); }
  /// The next argument, which must be one of the style's keywords.
  std::string keyword();
  /// The next argument; `keyword` is what it belongs to.
  std::string word(const std::string &keyword);
  /// `name` is what the core calls the number where that is not the keyword.
  double number(const std::string &keyword, const std::string &name = "");
  std::int64_t whole(const std::string &keyword, std::int64_t least);
  /// All arguments up to the next keyword.
  std::vector<std::string> words();

  [[noreturn]] void fail(const std::string &argument, const std::string &value, const std::string &problem) const;
  /// The user's text for an argument, or `otherwise`.
  std::string written(const std::string &argument, const std::string &otherwise) const;
  /// Ends the run for a value that the core rejects.
  [[noreturn]] void fail(const Error &error) const;

  LAMMPS_NS::LAMMPS *lammps() const { return lammps_; }

 private:
  bool is_keyword(const std::string &word) const;

  LAMMPS_NS::LAMMPS *lammps_;
  std::string title_;
  std::vector<std::string> words_, keywords_;
  std::map<std::string, std::string> written_;
  std::size_t next_ = 0;
};

/// The LAMMPS types of an element name: from `elements`, one name per type (several types may share one, NULL means no
/// name), or from the label map if `elements` is not given. Types count from 0 here, as in the core.
class ElementMap {
 public:
  /// Reads one name per atom type after the keyword `elements`.
  void read(StyleArguments &arguments);
  /// Fails if the name belongs to no type; `keyword` is where it was used.
  std::vector<int> types_of(const StyleArguments &arguments, const std::string &keyword, const std::string &name) const;
  /// One name per type; empty where `elements` is not given.
  const std::vector<std::string> &names() const { return names_; }

 private:
  std::vector<std::string> names_;
};

/// One `cutoff A B distance` of an input script.
struct NamedCutoff {
  std::string a, b;
  double cutoff;
};

NamedCutoff read_cutoff(StyleArguments &arguments);

/// The cutoffs per pair of types; fails for a pair that is given twice or a name that is unknown.
PairCutoffs pair_cutoffs(const StyleArguments &arguments, const ElementMap &elements,
                         const std::vector<NamedCutoff> &named);

}  // namespace naglass
