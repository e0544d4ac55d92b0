// The keywords of a style: what follows them, what they mean, and where their values go.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace naglass {

class StyleArguments;

/// What follows a keyword, and how it is read.
struct Argument {
  std::string form;     // as the documentation writes it, "A B distance"
  std::string fallback;  // what holds without the keyword, as shown to users; empty if there is nothing to show
  std::function<void(StyleArguments &, const std::string &keyword)> read;
  std::vector<std::string> core_names = {};  // what the core's messages call the values
  bool repeats = false;

  /// The same, with the default in words.
  Argument otherwise(std::string text) &&;
  /// The same, found under this name in a message of the core.
  Argument known_as(std::string core_name) &&;
};

/// One row of a style's table, from which its arguments are read, `help` is printed and the documentation is tested.
struct Keyword {
  std::string name;
  Argument argument;
  std::string meaning;
};

enum class Sign { any, not_negative, positive };
constexpr std::int64_t largest_whole = 1'000'000'000;

// Each reads into its place, whose present value is the default.
Argument number_into(double &place, std::string form, Sign sign = Sign::any);
Argument number_into(std::optional<double> &place, std::string form);
Argument whole_into(int &place, std::string form, int least, std::int64_t most = largest_whole);
Argument whole_into(std::int64_t &place, std::string form, std::int64_t least, std::int64_t most = largest_whole);
Argument whole_into(std::optional<std::int64_t> &place, std::string form, std::int64_t least);
Argument word_into(std::string &place, std::string form);
/// One value each time that the keyword is given; the first replaces the defaults.
Argument each_word_into(std::vector<std::string> &place, std::string form);
Argument each_whole_into(std::vector<int> &place, std::string form, int least);
/// Positive numbers, one for each atom type.
Argument numbers_per_type_into(std::vector<double> &place, std::string form);
/// Several values, one after the other.
Argument in_sequence(std::vector<Argument> parts);
/// One of some words; `read` receives its index.
Argument choice(const std::vector<std::string> &words, std::size_t chosen, std::function<void(std::size_t)> read);

/// One of some words, each of which stands for a value.
template <typename Value>
Argument choice_into(Value &place, const std::vector<std::pair<std::string, Value>> &known)
{
  std::vector<std::string> words;
  std::vector<Value> values;
  std::size_t chosen = known.size();
  for (const auto &[word, value] : known) {
    if (value == place) chosen = words.size();
    words.push_back(word);
    values.push_back(value);
  }
  return choice(words, chosen, [&place, values](std::size_t k) { place = values[k]; });
}

}  // namespace naglass
