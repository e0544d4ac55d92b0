// Records sent from every rank to every other one.
#pragma once

#include <mpi.h>

#include <climits>
#include <cstddef>
#include <stdexcept>
#include <type_traits>
#include <vector>

namespace naglass {

/// What arrived, ordered by sending rank: rank r's records are [offsets[r], offsets[r + 1]).
template <typename Record> struct Received {
  std::vector<Record> records;
  std::vector<int> offsets;
};

/// Sends outgoing[r] to rank r. Collective. Throws std::length_error for more than 2^31 bytes in one rank's mail.
template <typename Record>
Received<Record> exchange_records(MPI_Comm comm, const std::vector<std::vector<Record>> &outgoing)
{
  static_assert(std::is_trivially_copyable_v<Record>);
  const int ranks = static_cast<int>(outgoing.size());
  std::vector<int> send_counts(ranks), receive_counts(ranks), send_at(ranks + 1, 0), receive_at(ranks + 1, 0);
  for (int r = 0; r < ranks; ++r) send_counts[r] = static_cast<int>(outgoing[r].size());
  MPI_Alltoall(send_counts.data(), 1, MPI_INT, receive_counts.data(), 1, MPI_INT, comm);

  std::vector<Record> mail;
  std::size_t total = 0;
  for (int r = 0; r < ranks; ++r) {
    total += static_cast<std::size_t>(receive_counts[r]);
    mail.insert(mail.end(), outgoing[r].begin(), outgoing[r].end());
    send_at[r + 1] = static_cast<int>(mail.size());
    receive_at[r + 1] = static_cast<int>(total);
  }
  int too_long = mail.size() > INT_MAX / sizeof(Record) || total > INT_MAX / sizeof(Record);
  MPI_Allreduce(MPI_IN_PLACE, &too_long, 1, MPI_INT, MPI_MAX, comm);
  if (too_long) throw std::length_error("more than 2 GiB to exchange between ranks; use more ranks");

  MPI_Datatype type;
  MPI_Type_contiguous(static_cast<int>(sizeof(Record)), MPI_BYTE, &type);
  MPI_Type_commit(&type);
  Received<Record> received{std::vector<Record>(total), receive_at};
  MPI_Alltoallv(mail.data(), send_counts.data(), send_at.data(), type, received.records.data(), receive_counts.data(),
                receive_at.data(), type, comm);
  MPI_Type_free(&type);
  return received;
}

}  // namespace naglass
