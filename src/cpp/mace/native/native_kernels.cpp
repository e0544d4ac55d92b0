#include "native_kernels.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace naglass::mace {
namespace {

// The environment may select a smaller instruction set than the processor's, for comparison; never another one silently.
template <typename Real> NativeKernels<Real> choose()
{
  const char *const variable = std::getenv("NAGLASS_MACE_KERNELS");
  const std::string asked = variable ? variable : "";
#ifdef NAGLASS_X86_KERNELS
  const bool fma = __builtin_cpu_supports("fma");
  const bool v4 = fma && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  const bool v3 = fma && __builtin_cpu_supports("avx2");
  if (v4 && (asked.empty() || asked == "avx512")) return avx512::native_table<Real>();
  if (v3 && (asked.empty() || asked == "avx2")) return avx2::native_table<Real>();
#endif
  if (asked.empty() || asked == "baseline") return baseline::native_table<Real>();
  if (asked == "avx2" || asked == "avx512")
    throw std::runtime_error("NAGLASS_MACE_KERNELS=" + asked + ": not of this processor; leave it unset");
  throw std::runtime_error("NAGLASS_MACE_KERNELS=" + asked + ": must be baseline, avx2 or avx512");
}

}  // namespace

template <typename Real> const NativeKernels<Real> &native_kernels()
{
  static const NativeKernels<Real> found = choose<Real>();
  return found;
}

template const NativeKernels<double> &native_kernels<double>();
template const NativeKernels<float> &native_kernels<float>();

}  // namespace naglass::mace
