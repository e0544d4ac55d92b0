#include "json.hpp"

#include <charconv>
#include <cmath>
#include <stdexcept>

namespace naglass::mace {
namespace {

constexpr int max_depth = 32;  // metadata nests four deep; a hostile file must not exhaust the stack

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Json document()
  {
    Json value = any(0);
    skip_space();
    if (pos_ != text_.size()) fail("unexpected text after the end");
    return value;
  }

 private:
  [[noreturn]] void fail(const char *what) const
  { throw std::runtime_error("JSON of the model: " + std::string(what) + " at byte " + std::to_string(pos_)); }

  void skip_space()
  {
    while (pos_ < text_.size() && std::string_view(" \t\r\n").find(text_[pos_]) != std::string_view::npos) ++pos_;
  }

  char peek()
  {
    skip_space();
    if (pos_ == text_.size()) fail("unexpected end");
    return text_[pos_];
  }

  void expect(char c)
  {
    if (peek() != c) fail("unexpected character");
    ++pos_;
  }

  bool accept(char c)
  {
    if (peek() != c) return false;
    ++pos_;
    return true;
  }

  bool accept_word(std::string_view word)
  {
    if (text_.substr(pos_, word.size()) != word) return false;
    pos_ += word.size();
    return true;
  }

  Json any(int depth)
  {
    if (depth > max_depth) fail("nested too deeply");
    Json out;
    const char c = peek();
    if (c == '{') out.value = object(depth);
    else if (c == '[') out.value = list(depth);
    else if (c == '"') out.value = string();
    else if (accept_word("true")) out.value = true;
    else if (accept_word("false")) out.value = false;
    else if (!accept_word("null")) out.value = real();
    return out;
  }

  Json::Object object(int depth)
  {
    Json::Object out;
    expect('{');
    if (accept('}')) return out;
    do {
      if (peek() != '"') fail("expected a key");
      std::string key = string();
      expect(':');
      out.insert_or_assign(std::move(key), any(depth + 1));
    } while (accept(','));
    expect('}');
    return out;
  }

  Json::Array list(int depth)
  {
    Json::Array out;
    expect('[');
    if (accept(']')) return out;
    do out.push_back(any(depth + 1));
    while (accept(','));
    expect(']');
    return out;
  }

  std::string string()
  {
    std::string out;
    expect('"');
    while (pos_ < text_.size() && text_[pos_] != '"') {
      if (text_[pos_] == '\\') out += escape();
      else out += text_[pos_++];
    }
    if (pos_ == text_.size()) fail("unterminated string");
    ++pos_;
    return out;
  }

  char escape()
  {
    constexpr std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
    const char c = ++pos_ < text_.size() ? text_[pos_++] : '\0';
    if (const auto k = names.find(c); k != std::string_view::npos) return values[k];
    // file names with other characters appear only in messages: a placeholder is enough
    if (c != 'u' || text_.size() - pos_ < 4) fail("bad escape");
    pos_ += 4;
    return '?';
  }

  double real()
  {
    double out = 0;
    const auto [end, error] = std::from_chars(text_.data() + pos_, text_.data() + text_.size(), out);
    if (error != std::errc()) fail("expected a value");
    pos_ = static_cast<std::size_t>(end - text_.data());
    return out;
  }

  std::string_view text_;
  std::size_t pos_ = 0;
};

template <typename T>
const T &as(const Json &json, const char *kind)
{
  if (const T *value = std::get_if<T>(&json.value)) return *value;
  throw std::runtime_error("JSON of the model: expected " + std::string(kind));
}

}  // namespace

Json Json::parse(std::string_view text) { return Parser(text).document(); }

const Json &Json::at(std::string_view key) const
{
  const auto &object = as<Object>(*this, "an object");
  const auto found = object.find(key);
  if (found == object.end()) throw std::runtime_error("JSON of the model: no entry '" + std::string(key) + "'");
  return found->second;
}

double Json::number() const { return as<double>(*this, "a number"); }

int Json::integer() const
{
  const double value = number();
  if (std::floor(value) != value || std::abs(value) > 1e9)
    throw std::runtime_error("JSON of the model: expected an integer");
  return static_cast<int>(value);
}

const std::string &Json::text() const { return as<std::string>(*this, "a string"); }

const Json::Array &Json::array() const { return as<Array>(*this, "a list"); }

}  // namespace naglass::mace
