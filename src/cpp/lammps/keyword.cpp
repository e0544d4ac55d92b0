#include "keyword.hpp"

#include <algorithm>

#include "access.hpp"
#include "core/number_text.hpp"
#include "style_arguments.hpp"

namespace naglass {
namespace {

std::string joined(const std::vector<std::string> &words, const char *separator)
{
  std::string text;
  for (const std::string &word : words) text += (text.empty() ? "" : separator) + word;
  return text;
}

}  // namespace

Argument Argument::otherwise(std::string text) &&
{
  fallback = std::move(text);
  return std::move(*this);
}

Argument Argument::known_as(std::string core_name) &&
{
  core_names.push_back(std::move(core_name));
  return std::move(*this);
}

Argument number_into(double &place, std::string form, Sign sign)
{
  const auto read = [&place, sign](StyleArguments &arguments, const std::string &keyword) {
    place = arguments.number(keyword);
    if (sign == Sign::not_negative && place < 0.0) arguments.fail(keyword, "must not be negative");
    if (sign == Sign::positive && place <= 0.0) arguments.fail(keyword, "must be positive");
  };
  return {std::move(form), number_text(place), read};
}

Argument number_into(std::optional<double> &place, std::string form)
{
  const auto read = [&place](StyleArguments &arguments, const std::string &keyword) {
    place = arguments.number(keyword);
  };
  return {std::move(form), "", read};
}

Argument whole_into(int &place, std::string form, int least, std::int64_t most)
{
  const auto read = [&place, least, most](StyleArguments &arguments, const std::string &keyword) {
    place = static_cast<int>(arguments.whole(keyword, least, most));
  };
  return {std::move(form), std::to_string(place), read};
}

Argument whole_into(std::int64_t &place, std::string form, std::int64_t least, std::int64_t most)
{
  const auto read = [&place, least, most](StyleArguments &arguments, const std::string &keyword) {
    place = arguments.whole(keyword, least, most);
  };
  return {std::move(form), std::to_string(place), read};
}

Argument whole_into(std::optional<std::int64_t> &place, std::string form, std::int64_t least)
{
  const auto read = [&place, least](StyleArguments &arguments, const std::string &keyword) {
    place = arguments.whole(keyword, least, largest_whole);
  };
  return {std::move(form), "", read};
}

Argument word_into(std::string &place, std::string form)
{
  const auto read = [&place](StyleArguments &arguments, const std::string &keyword) {
    place = arguments.word(keyword);
  };
  return {std::move(form), place, read};
}

Argument each_word_into(std::vector<std::string> &place, std::string form)
{
  const auto read = [&place, first = true](StyleArguments &arguments, const std::string &keyword) mutable {
    if (std::exchange(first, false)) place.clear();
    place.push_back(arguments.word(keyword));
  };
  return {.form = std::move(form), .fallback = joined(place, " "), .read = read, .repeats = true};
}

Argument each_whole_into(std::vector<int> &place, std::string form, int least)
{
  const auto read = [&place, least](StyleArguments &arguments, const std::string &keyword) {
    place.push_back(static_cast<int>(arguments.whole(keyword, least, largest_whole)));
  };
  return {.form = std::move(form), .fallback = "", .read = read, .repeats = true};
}

Argument numbers_per_type_into(std::vector<double> &place, std::string form)
{
  const auto read = [&place](StyleArguments &arguments, const std::string &keyword) {
    if (!place.empty()) arguments.fail(keyword, "is given twice");
    place.resize(static_cast<std::size_t>(atom_type_count(arguments.lammps())));
    for (double &value : place)
      if ((value = arguments.number(keyword)) <= 0.0) arguments.fail(keyword, "must be positive, one per atom type");
  };
  return {.form = std::move(form), .fallback = "", .read = read};
}

Argument in_sequence(std::vector<Argument> parts)
{
  std::vector<std::string> forms, defaults, names;
  for (const Argument &part : parts) {
    forms.push_back(part.form);
    defaults.push_back(part.fallback);
    names.insert(names.end(), part.core_names.begin(), part.core_names.end());
  }
  const auto read = [parts](StyleArguments &arguments, const std::string &keyword) {
    for (const Argument &part : parts) part.read(arguments, keyword);
  };
  return {joined(forms, " "), joined(defaults, " "), read, names};
}

Argument choice(const std::vector<std::string> &words, std::size_t chosen, std::function<void(std::size_t)> read)
{
  const auto find = [words, read](StyleArguments &arguments, const std::string &keyword) {
    const auto found = std::find(words.begin(), words.end(), arguments.word(keyword));
    if (found == words.end()) arguments.fail(keyword, "must be one of " + joined(words, ", "));
    read(static_cast<std::size_t>(found - words.begin()));
  };
  return {joined(words, "|"), chosen < words.size() ? words[chosen] : "", find};
}

}  // namespace naglass
