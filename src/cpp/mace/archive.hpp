// The model archive: a zip file of stored (not compressed) entries, written by naglass_drv.engines.mace.export.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace naglass::mace {

/// A per-atom output of a model in addition to its energy, for example a spin moment.
struct ExtraOutput {
  std::string name, unit;
  int columns;
};

/// One read-out head. Several heads of a model share all that comes before their readouts.
struct Head {
  std::string name;
  std::vector<double> atomic_energies;  // per element, the head's energy shift included, always double precision
  std::string content;                  // hash that identifies the model and the head, whatever the precision
};

/// The properties of a model that the pair style needs. Energies in eV, lengths in Å.
struct Metadata {
  std::vector<std::string> elements;
  std::vector<Head> heads;              // at least one
  std::vector<int> states;              // per element, how many states it has: 0, 1, ...
  std::vector<int> up_widths;           // per layer, columns of the features that travel along edges
  std::vector<ExtraOutput> outputs;
  double r_max = 0;
  bool torchscript = false;  // it contains code, which only libtorch runs
  std::string dtype;

  bool has_states() const;  // an element has more than one
};

/// A model archive in memory. The constructor checks the zip structure, every CRC-32 and the format version, and
/// throws std::runtime_error with a one-sentence explanation.
class Archive {
 public:
  explicit Archive(std::string bytes);
  Archive(const Archive &) = delete;
  Archive &operator=(const Archive &) = delete;

  const Metadata &metadata() const { return metadata_; }

  /// Content of an entry, valid as long as the archive; throws if there is no such entry.
  std::string_view entry(std::string_view name) const;

 private:
  void read_directory();
  void read_metadata();

  std::string bytes_;
  std::map<std::string, std::string_view, std::less<>> entries_;
  Metadata metadata_;
};

}  // namespace naglass::mace
