#include "archive.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>

#include "json.hpp"

namespace naglass::mace {
namespace {

// Layout of the records: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
constexpr std::uint32_t end_signature = 0x06054b50, central_signature = 0x02014b50, local_signature = 0x04034b50;
constexpr std::size_t end_size = 22, central_size = 46, local_size = 30, max_comment = 65535;
constexpr int format_version = 6;
// before that, every element had one state
constexpr int without_states = 5;
// all that is known of the oxidation states of an element, with room to spare
constexpr int most_states = 16;

[[noreturn]] void corrupt(const std::string &why)
{ throw std::runtime_error("not a naglass model, or damaged: " + why); }

std::string_view slice(std::string_view bytes, std::size_t offset, std::size_t size)
{
  if (offset > bytes.size() || size > bytes.size() - offset) corrupt("a record extends beyond the end of the file");
  return bytes.substr(offset, size);
}

std::uint32_t little_endian(std::string_view bytes, std::size_t offset, int width)
{
  const auto field = slice(bytes, offset, static_cast<std::size_t>(width));
  std::uint32_t value = 0;
  for (int k = width - 1; k >= 0; --k)
    value = value << 8 | static_cast<unsigned char>(field[static_cast<std::size_t>(k)]);
  return value;
}

std::array<std::uint32_t, 256> crc_table()
{
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t n = 0; n < 256; ++n) {
    std::uint32_t c = n;
    for (int k = 0; k < 8; ++k) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    table[n] = c;
  }
  return table;
}

std::uint32_t crc32(std::string_view data)
{
  static const auto table = crc_table();
  std::uint32_t c = 0xffffffffu;
  for (const char byte : data) c = table[(c ^ static_cast<unsigned char>(byte)) & 0xff] ^ (c >> 8);
  return c ^ 0xffffffffu;
}

std::size_t find_end_record(std::string_view bytes)
{
  if (bytes.size() < end_size) corrupt("the file has " + std::to_string(bytes.size()) + " bytes");
  const std::size_t last = bytes.size() - end_size, first = last - std::min(last, max_comment);
  for (std::size_t at = last + 1; at-- > first;)
    if (little_endian(bytes, at, 4) == end_signature) return at;
  corrupt("no zip directory; the file may be truncated");
}

std::vector<double> numbers(const Json &json)
{
  std::vector<double> out;
  for (const auto &item : json.array()) out.push_back(item.number());
  return out;
}

std::vector<int> read_states(const Json &counts, const std::vector<std::string> &elements)
{
  std::vector<int> out;
  for (const auto &item : counts.array()) out.push_back(item.integer());
  if (out.size() != elements.size() || std::any_of(out.begin(), out.end(), [](int count) { return count < 1; }))
    corrupt("its states are not a number for each element");
  for (std::size_t z = 0; z < out.size(); ++z)
    if (out[z] > most_states)
      throw std::runtime_error(elements[z] + " has " + std::to_string(out[z]) +
                               " states, but this pair style is built for at most " + std::to_string(most_states));
  return out;
}

}  // namespace

bool Metadata::has_states() const
{
  return std::any_of(states.begin(), states.end(), [](int count) { return count > 1; });
}

Archive::Archive(std::string bytes) : bytes_(std::move(bytes))
{
  read_directory();
  read_metadata();
}

std::string_view Archive::entry(std::string_view name) const
{
  const auto found = entries_.find(name);
  if (found == entries_.end()) corrupt("no entry " + std::string(name));
  return found->second;
}

void Archive::read_directory()
{
  const std::string_view all = bytes_;
  const std::size_t end = find_end_record(all);
  const std::uint32_t count = little_endian(all, end + 10, 2);
  std::size_t at = little_endian(all, end + 16, 4);
  for (std::uint32_t k = 0; k < count; ++k) {
    if (little_endian(all, at, 4) != central_signature) corrupt("bad zip directory");
    const std::size_t name_size = little_endian(all, at + 28, 2), size = little_endian(all, at + 20, 4);
    const std::string name(slice(all, at + central_size, name_size));
    const std::size_t local = little_endian(all, at + 42, 4);
    if (little_endian(all, at + 10, 2) != 0)
      corrupt(name + " is compressed; only stored (uncompressed) entries can be read");
    if (little_endian(all, local, 4) != local_signature) corrupt("bad header of " + name);
    const std::size_t skip = little_endian(all, local + 26, 2) + little_endian(all, local + 28, 2);
    const auto data = slice(all, local + local_size + skip, size);
    if (crc32(data) != little_endian(all, at + 16, 4)) corrupt("wrong checksum for " + name);
    entries_.insert_or_assign(name, data);
    at += central_size + name_size + little_endian(all, at + 30, 2) + little_endian(all, at + 32, 2);
  }
}

void Archive::read_metadata()
{
  const Json meta = Json::parse(entry("metadata.json"));
  if (meta.at("format").text() != "naglass-mace") corrupt("its format is '" + meta.at("format").text() + "'");
  const int version = meta.at("format_version").integer();
  if (version != format_version && version != without_states)
    throw std::runtime_error("archive format version " + std::to_string(version) +
                             ", but this pair style reads version " + std::to_string(format_version) +
                             ": export the model again with this naglass");
  for (const auto &item : meta.at("elements").array()) metadata_.elements.push_back(item.text());
  metadata_.states = version == without_states ? std::vector<int>(metadata_.elements.size(), 1)
                                               : read_states(meta.at("states"), metadata_.elements);
  for (const auto &head : meta.at("heads").array()) {
    metadata_.heads.push_back({head.at("name").text(), numbers(head.at("atomic_energies")), head.at("content").text()});
    for (double &energy : metadata_.heads.back().atomic_energies) energy += head.at("energy_shift").number();
  }
  for (const auto &layer : meta.at("layers").array()) metadata_.up_widths.push_back(layer.at("up_width").integer());
  for (const auto &output : meta.at("outputs").array())
    metadata_.outputs.push_back({output.at("name").text(), output.at("unit").text(), output.at("columns").integer()});
  metadata_.r_max = meta.at("r_max").number();
  // whatever the description says: such an entry is never skipped over
  metadata_.torchscript = std::any_of(entries_.begin(), entries_.end(), [](const auto &item) {
    return item.first != "metadata.json" && item.first != "model.json" && item.first != "weights.bin";
  });
  metadata_.dtype = meta.at("dtype").text();
  const bool complete = std::all_of(metadata_.heads.begin(), metadata_.heads.end(), [&](const Head &head) {
    return head.atomic_energies.size() == metadata_.elements.size();
  });
  if (metadata_.elements.empty() || metadata_.heads.empty() || !complete || metadata_.up_widths.empty() ||
      !(metadata_.r_max > 0))
    corrupt("metadata.json is inconsistent");
  if (metadata_.torchscript && metadata_.heads.size() > 1) corrupt("TorchScript with several heads");
  if (metadata_.torchscript && metadata_.has_states()) corrupt("TorchScript with states");
  for (const ExtraOutput &output : metadata_.outputs)
    if (output.columns < 1 || output.name == "energy" || output.name == "deviation" ||
        output.name == "energy_deviation")
      corrupt("its output '" + output.name + "' has a reserved name or no columns");
}

}  // namespace naglass::mace
