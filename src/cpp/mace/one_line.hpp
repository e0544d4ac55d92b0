#pragma once

#include <string>

namespace naglass {

/// libtorch's messages have many lines; returns the one that says what went wrong.
inline std::string one_line(const std::string &text)
{
  const std::string mark = "RuntimeError: ";
  const auto at = text.find(mark);
  const auto start = at == std::string::npos ? 0 : at + mark.size();
  return text.substr(start, text.find('\n', start) - start);
}

}  // namespace naglass
