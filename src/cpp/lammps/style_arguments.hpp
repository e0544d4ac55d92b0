// The part of argument reading that every naglass style shares.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "keyword.hpp"

namespace LAMMPS_NS {
class LAMMPS;
}

namespace naglass {

/// Reads a style's arguments by the table of its keywords. Every failure ends the run with style, keyword and value in
/// the message, the value in the user's own words.
class StyleArguments {
 public:
  /// `title` opens each message ("compute naglass/qn/atom"); the arguments begin after ID, group and style. Ends the run
  /// if there is no simulation box yet, since atom types are then unknown.
  StyleArguments(LAMMPS_NS::LAMMPS *lammps, std::string title, int narg, char **arg);

  /// Reads all arguments: keywords in any order; the last one holds where one is given twice. The single word `help`
  /// prints the table and ends the run.
  void read(std::vector<Keyword> keywords);
  /// The same after a value that stands first, without its name.
  void read(Keyword first, std::vector<Keyword> keywords);

  // For the readers of arguments: the next word, as it stands or as a number, or all words up to the next keyword.
  std::string word(const std::string &keyword);
  double number(const std::string &keyword);
  std::int64_t whole(const std::string &keyword, std::int64_t least, std::int64_t most);
  std::vector<std::string> words(const std::string &keyword);

  bool given(const std::string &keyword) const { return written_.contains(keyword); }
  /// What the user wrote after a keyword, "(none)" for nothing.
  std::string written(const std::string &keyword) const;
  [[noreturn]] void fail(const std::string &argument, const std::string &value, const std::string &problem) const;
  /// Quotes what the user wrote after the keyword.
  [[noreturn]] void fail(const std::string &keyword, const std::string &problem) const;
  /// Ends the run for a value that the core rejects, under the name of its keyword.
  [[noreturn]] void fail(const Error &error) const;

  LAMMPS_NS::LAMMPS *lammps() const { return lammps_; }

 private:
  const Keyword *find(const std::string &name) const;
  void read_keywords();
  [[noreturn]] void explain() const;

  LAMMPS_NS::LAMMPS *lammps_;
  std::string title_;
  std::vector<std::string> words_;
  std::optional<Keyword> first_;
  std::vector<Keyword> keywords_;
  std::map<std::string, std::string> written_;  // by keyword, as given last
  std::size_t next_ = 0;
};

}  // namespace naglass
