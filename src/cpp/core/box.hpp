#pragma once

#include <array>

namespace naglass {

using Vec3 = std::array<double, 3>;
using Shift = std::array<int, 3>;

inline Vec3 operator+(const Vec3 &a, const Vec3 &b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }
inline Vec3 operator-(const Vec3 &a, const Vec3 &b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
inline Vec3 operator*(double factor, const Vec3 &a) { return {a[0] * factor, a[1] * factor, a[2] * factor}; }
inline double dot(const Vec3 &a, const Vec3 &b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
inline Vec3 cross(const Vec3 &a, const Vec3 &b)
{ return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]}; }

/// A simulation cell of any shape, periodic along any of its three vectors.
class Box {
 public:
  /// `cell` has the cell vectors as rows (Å). A zero row is allowed along a non-periodic direction; it is replaced by a
  /// unit vector normal to the others. Throws Error for NaN, or rows that do not span a volume.
  Box(const std::array<Vec3, 3> &cell, const std::array<bool, 3> &periodic);

  const std::array<Vec3, 3> &cell() const { return cell_; }
  bool periodic(int k) const { return periodic_[k]; }
  double volume() const { return volume_; }
  /// Distance between the two faces that cell vector k connects (Å).
  double height(int k) const { return height_[k]; }
  Vec3 to_fractional(const Vec3 &position) const;
  /// The lattice vector of an integer image shift (Å).
  Vec3 lattice_vector(const Shift &shift) const;

 private:
  std::array<Vec3, 3> cell_;
  std::array<Vec3, 3> reciprocal_;  // fractional coordinate k = position · reciprocal_[k]
  std::array<bool, 3> periodic_;
  std::array<double, 3> height_;
  double volume_;
};

}  // namespace naglass
