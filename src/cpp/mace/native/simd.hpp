// Vectors of one instruction set, for the sources that are compiled once for each (NAGLASS_VECTOR_BYTES).
#pragma once

#include <cstddef>

namespace naglass::mace::NAGLASS_KERNELS {

template <typename Real> struct VectorOf;
template <> struct VectorOf<double> {
  using type __attribute__((vector_size(NAGLASS_VECTOR_BYTES), may_alias, aligned(8))) = double;
};
template <> struct VectorOf<float> {
  using type __attribute__((vector_size(NAGLASS_VECTOR_BYTES), may_alias, aligned(4))) = float;
};
template <typename Real> using Vector = typename VectorOf<Real>::type;

template <typename Real> inline constexpr int vector_size = NAGLASS_VECTOR_BYTES / static_cast<int>(sizeof(Real));
/// Vectors in one group of channels (see native_kernels.hpp, lanes).
inline constexpr int vectors_per_group = 64 / NAGLASS_VECTOR_BYTES;

template <typename Real> inline Vector<Real> load(const Real *from)
{ return *reinterpret_cast<const Vector<Real> *>(from); }
template <typename Real> inline void store(Real *to, Vector<Real> value)
{ *reinterpret_cast<Vector<Real> *>(to) = value; }
template <typename Real> inline Vector<Real> all(Real value) { return value - Vector<Real>{}; }

template <typename Real> inline Real sum(Vector<Real> v)
{
  Real total = 0;
  for (int l = 0; l < vector_size<Real>; ++l) total += v[l];
  return total;
}

}  // namespace naglass::mace::NAGLASS_KERNELS
