#pragma once

#include <array>

namespace naglass {

/// A sum that is identical to the last bit for any order of its terms, and so for any number of threads and ranks: each
/// term is split into integer multiples of fixed units, and sums of these are exact in double precision. Valid for up
/// to 2^24 terms with a total below 2^57; beyond that it is still accurate to rounding. Terms are resolved to 2^-56.
/// J. Demmel, H. D. Nguyen, doi:10.1109/ARITH.2013.9 (pre-rounding).
class ExactSum {
 public:
  static constexpr int parts = 3;
  static constexpr int lanes = 4;  // terms that the compiler adds in parallel (SIMD)

  void add(std::array<double, lanes> terms)
  {
    for (int k = 0; k < parts; ++k)
      for (int l = 0; l < lanes; ++l) {
        const double whole = (terms[l] + rounders[k]) - rounders[k];
        sums_[k][l] += whole;
        terms[l] -= whole;
      }
  }
  /// Adds one term to the parts of a sum in a buffer.
  static void add_term(double term, double *buffer)
  {
    for (int k = 0; k < parts; ++k) {
      const double whole = (term + rounders[k]) - rounders[k];
      buffer[k] += whole;
      term -= whole;
    }
  }
  /// Adds the parts to a buffer; buffers of several threads or ranks may be added up before value() reads them.
  void add_to(double *buffer) const
  {
    for (int k = 0; k < parts; ++k)
      for (const double lane : sums_[k]) buffer[k] += lane;
  }
  static double value(const double *buffer) { return (buffer[2] + buffer[1]) + buffer[0]; }

 private:
  // 1.5 · 2^52 units: adding it rounds to a whole number of units of 2^4, 2^-26 and 2^-56.
  static constexpr std::array<double, parts> rounders{0x1.8p56, 0x1.8p26, 0x1.8p-4};
  std::array<std::array<double, lanes>, parts> sums_{};
};

}  // namespace naglass
