#pragma once

#include <array>
#include <span>
#include <vector>

#include "core/box.hpp"

namespace naglass {

/// Atoms sorted into a grid of bins over the cell; along a non-periodic direction the grid spans the atoms.
class Bins {
 public:
  /// Bins at least as wide as `cutoff` (Å), but not many more bins than atoms. Throws Error for a cutoff that is not
  /// positive and finite, positions that are not finite or too far outside, or more atoms than an int can hold.
  Bins(std::span<const Vec3> positions, const Box &box, double cutoff);

  /// The bin of a point, and the lattice shift that brings it into the cell.
  struct Place {
    Shift bin;
    Shift wrapping;
  };
  Place place(const Vec3 &position) const;
  const Place &of(std::size_t atom) const { return places_[atom]; }

  /// Approximate number of pairs that visit_near() visits over all atoms, to bound the cost in advance.
  double candidates() const;

  /// Calls visit(j, cells) for every atom that may be closer than the cutoff to a point in this bin: `cells` is the
  /// offset, in cells, of the atom's image relative to the wrapped point.
  template <typename Visit> void visit_near(const Shift &bin, Visit &&visit) const
  {
    std::array<std::vector<Image>, 3> images;
    for (int k = 0; k < 3; ++k) images[k] = images_along(k, bin[k]);
    for (const Image &a : images[0])
      for (const Image &b : images[1])
        for (const Image &c : images[2]) {
          const int at = index({a.bin, b.bin, c.bin});
          for (int entry = first_[at]; entry < first_[at + 1]; ++entry)
            visit(atoms_[entry], Shift{a.cells, b.cells, c.cells});
        }
  }

 private:
  // A bin along one direction seen from a neighboring one: its index in the grid, and how many cells away.
  struct Image {
    int bin;
    int cells;
  };

  void choose_grid(const std::array<double, 3> &width, double cutoff, std::size_t atoms);
  int index(const Shift &bin) const { return (bin[0] * count_[1] + bin[1]) * count_[2] + bin[2]; }
  std::vector<Image> images_along(int k, int center) const;
  Place place_fraction(Vec3 fraction, const Vec3 &position, std::size_t i) const;

  Box box_;
  std::array<int, 3> count_;
  std::array<int, 3> reach_;  // how many bins away a neighbor can be
  Vec3 low_{0.0, 0.0, 0.0}, high_{1.0, 1.0, 1.0};
  std::vector<int> first_;  // atoms_[first_[b]] ... atoms_[first_[b+1]-1] are in bin b
  std::vector<int> atoms_;
  std::vector<Place> places_;  // per atom
};

}  // namespace naglass
