#pragma once

#include <vector>

#include "core/ring_net.hpp"

namespace naglass {

/// Numbers the vertices of the cover (a point of the graph and one of its images) in the order they are found. Clearing
/// costs O(contents).
class CoverIndex {
 public:
  explicit CoverIndex(int points) : newest_(points, -1) {}

  int size() const { return static_cast<int>(point_.size()); }
  int point(int v) const { return point_[v]; }
  Cells cells(int v) const { return cells_[v]; }

  /// The vertex, or -1.
  int find(int point, Cells cells) const
  {
    int v = newest_[point];
    while (v >= 0 && cells_[v] != cells) v = older_[v];
    return v;
  }

  int add(int point, Cells cells)
  {
    const int v = size();
    older_.push_back(newest_[point]);
    newest_[point] = v;
    point_.push_back(point);
    cells_.push_back(cells);
    return v;
  }

  void clear()
  {
    for (const int point : point_) newest_[point] = -1;
    older_.clear();
    point_.clear();
    cells_.clear();
  }

 private:
  std::vector<int> newest_;  // per point: its vertex added last, or -1
  std::vector<int> older_;   // per vertex: the same point's vertex before
  std::vector<int> point_;
  std::vector<Cells> cells_;
};

}  // namespace naglass
