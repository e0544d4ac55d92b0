// Communication of pair_style mace: columns of any width in passes of fixed width.
#include <algorithm>

#include "comm.h"
#include "pair_mace.hpp"

namespace naglass {

void PairMace::forward(double *rows, int width)
{
  if (single_rank_) return;
  rows_ = rows;
  width_ = width;
  for (first_column_ = 0; first_column_ < width; first_column_ += columns_per_pass) {
    // older versions of LAMMPS take the size from here alone
    comm_forward = columns_ = std::min(columns_per_pass, width - first_column_);
    comm->forward_comm(this);
  }
  comm_forward = columns_per_pass;
}

void PairMace::reverse(double *rows, int width)
{
  if (single_rank_) return;
  rows_ = rows;
  width_ = width;
  for (first_column_ = 0; first_column_ < width; first_column_ += columns_per_pass) {
    comm_reverse = comm_reverse_off = columns_ = std::min(columns_per_pass, width - first_column_);
    comm->reverse_comm(this);
  }
  comm_reverse = comm_reverse_off = columns_per_pass;
}

int PairMace::pack_forward_comm(int n, int *list, double *buffer, int, int *)
{
  for (int k = 0; k < n; ++k)
    buffer = std::copy_n(rows_ + static_cast<std::int64_t>(list[k]) * width_ + first_column_, columns_, buffer);
  return n * columns_;
}

void PairMace::unpack_forward_comm(int n, int first, double *buffer)
{
  for (int k = 0; k < n; ++k)
    std::copy_n(buffer + static_cast<std::int64_t>(k) * columns_, columns_,
                rows_ + static_cast<std::int64_t>(first + k) * width_ + first_column_);
}

int PairMace::pack_reverse_comm(int n, int first, double *buffer)
{
  for (int k = 0; k < n; ++k)
    buffer = std::copy_n(rows_ + static_cast<std::int64_t>(first + k) * width_ + first_column_, columns_, buffer);
  return n * columns_;
}

void PairMace::unpack_reverse_comm(int n, int *list, double *buffer)
{
  for (int k = 0; k < n; ++k) {
    double *const row = rows_ + static_cast<std::int64_t>(list[k]) * width_ + first_column_;
    for (int c = 0; c < columns_; ++c) row[c] += *buffer++;
  }
}

}  // namespace naglass
