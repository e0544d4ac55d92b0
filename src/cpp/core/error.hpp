#pragma once

#include <stdexcept>
#include <string>

#include "core/number_text.hpp"

namespace naglass {

/// The one exception of the core: bad input, with the argument's name and its value in the message.
class Error : public std::invalid_argument {
 public:
  Error(const std::string &argument, const std::string &value, const std::string &problem)
      : std::invalid_argument(argument + " = " + value + ": " + problem), argument_(argument), value_(value),
        problem_(problem)
  {
  }

  Error(const std::string &argument, double value, const std::string &problem)
      : Error(argument, number_text(value), problem)
  {
  }

  const std::string &argument() const { return argument_; }
  const std::string &value() const { return value_; }
  const std::string &problem() const { return problem_; }

 private:
  std::string argument_, value_, problem_;
};

}  // namespace naglass
