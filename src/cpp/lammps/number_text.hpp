#pragma once

#include <charconv>
#include <string>

namespace naglass {

/// A number as a person would write it: the fewest digits that reproduce it.
inline std::string number_text(double value)
{
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace naglass
