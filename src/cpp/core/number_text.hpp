#pragma once

#include <charconv>
#include <cmath>
#include <string>

namespace naglass {

/// A number as a person would write it: the fewest digits that reproduce it, without an exponent unless it is very
/// large or small.
inline std::string number_text(double value)
{
  const double size = std::abs(value);
  const bool plain = size == 0.0 || (size >= 1e-4 && size < 1e15);
  char text[32];
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  return {text, std::to_chars(text, text + sizeof text, value, format).ptr};
}

}  // namespace naglass
