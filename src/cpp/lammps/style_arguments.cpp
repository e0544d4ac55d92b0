#include "access.hpp"
#include "messages.hpp"
#include "style_arguments.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace naglass {
namespace {

constexpr int before_arguments = 3;  // ID, group, style

std::string row(const Keyword &keyword)
{
  const Argument &argument = keyword.argument;
  std::string text = "  " + keyword.name;
  if (!argument.form.empty()) text += " " + argument.form;
  if (!argument.fallback.empty()) text += " (default " + argument.fallback + ")";
  return text + ": " + keyword.meaning + (argument.repeats ? "; may be repeated" : "") + "\n";
}

}  // namespace

StyleArguments::StyleArguments(LAMMPS_NS::LAMMPS *lammps, std::string title, int narg, char **arg)
    : lammps_(lammps), title_(std::move(title)), words_(arg + std::min(before_arguments, narg), arg + narg)
{
  if (!has_box(lammps_))
    stop_all(lammps_, title_ + ": there is no simulation box yet, so atom types are unknown; " +
                          "move this command after read_data, read_restart or create_box");
}

void StyleArguments::read(std::vector<Keyword> keywords)
{
  keywords_ = std::move(keywords);
  if (words_ == std::vector<std::string>{"help"}) explain();
  read_keywords();
}

void StyleArguments::read(Keyword first, std::vector<Keyword> keywords)
{
  keywords_ = std::move(keywords);
  first_ = std::move(first);
  first_->argument.fallback.clear();
  if (words_ == std::vector<std::string>{"help"}) explain();
  first_->argument.read(*this, first_->name);
  read_keywords();
}

void StyleArguments::read_keywords()
{
  while (next_ < words_.size()) {
    const std::string name = words_[next_++];
    const Keyword *const keyword = find(name);
    if (!keyword) {
      std::string known;
      for (const Keyword &each : keywords_) known += each.name + ", ";
      fail("keyword", name, "known are " + known + "and 'help' in place of all arguments, which explains them");
    }
    written_[name].clear();
    keyword->argument.read(*this, name);
  }
}

const Keyword *StyleArguments::find(const std::string &name) const
{
  const auto found = std::find_if(keywords_.begin(), keywords_.end(), [&](const Keyword &k) { return k.name == name; });
  return found == keywords_.end() ? nullptr : &*found;
}

void StyleArguments::explain() const
{
  std::string text = title_ + (first_ ? " " + first_->name : "") + " keyword value ...\n";
  if (first_) text += row(*first_);
  for (const Keyword &keyword : keywords_) text += row(keyword);
  say(lammps_, text);
  stop_all(lammps_, title_ + ": help: the keywords are listed above");
}

std::string StyleArguments::word(const std::string &keyword)
{
  std::string &written = written_[keyword];
  const bool missing = next_ == words_.size();
  if (!written.empty()) written += ' ';
  written += missing ? "(end of line)" : words_[next_];
  if (missing) fail(keyword, "an argument is missing");
  return words_[next_++];
}

double StyleArguments::number(const std::string &keyword)
{
  const std::string text = word(keyword);
  char *end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value)) fail(keyword, "must be a number");
  return value;
}

std::int64_t StyleArguments::whole(const std::string &keyword, std::int64_t least, std::int64_t most)
{
  const double value = number(keyword);
  if (value != std::floor(value) || value < static_cast<double>(least))
    fail(keyword, "must be a whole number of at least " + std::to_string(least));
  if (value > static_cast<double>(most)) fail(keyword, "must be at most " + std::to_string(most));
  return static_cast<std::int64_t>(value);
}

std::vector<std::string> StyleArguments::words(const std::string &keyword)
{
  std::vector<std::string> found;
  while (next_ < words_.size() && !find(words_[next_])) found.push_back(word(keyword));
  return found;
}

void StyleArguments::fail(const Error &error) const
{
  for (const Keyword &keyword : keywords_) {
    const std::vector<std::string> &names = keyword.argument.core_names;
    if (keyword.name != error.argument() && std::find(names.begin(), names.end(), error.argument()) == names.end())
      continue;
    const bool quoted = given(keyword.name) && !keyword.argument.repeats;
    fail(keyword.name, quoted ? written(keyword.name) : error.value(), error.problem());
  }
  fail(error.argument(), error.value(), error.problem());
}

std::string StyleArguments::written(const std::string &keyword) const
{
  const auto found = written_.find(keyword);
  return found == written_.end() || found->second.empty() ? "(none)" : found->second;
}

void StyleArguments::fail(const std::string &keyword, const std::string &problem) const
{ fail(keyword, written(keyword), problem); }

void StyleArguments::fail(const std::string &argument, const std::string &value, const std::string &problem) const
{ stop_all(lammps_, title_ + ": " + argument + " " + value + ": " + problem); }

}  // namespace naglass
