#include "torch_loader.hpp"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace naglass::mace {
namespace {

namespace fs = std::filesystem;

// Set where naglass is built with libtorch.
#ifndef NAGLASS_TORCH_VERSION
#define NAGLASS_TORCH_VERSION ""
#define NAGLASS_TORCH_FOLDER ""
#endif

using Factory = Backend *(const ModelPieces *, const Placement *);
constexpr const char *torch_library = "libtorch_cpu.so", *backend_library = "libnaglass_mace_torch.so";
constexpr const char *built_for = NAGLASS_TORCH_VERSION;

fs::path own_folder()
{
  Dl_info info{};
  dladdr(reinterpret_cast<void *>(&own_folder), &info);
  return info.dli_fname ? fs::path(info.dli_fname).parent_path() : fs::path(".");
}

// A libtorch that is already loaded, for example by Python's torch.
fs::path loaded_torch()
{
  void *const handle = dlopen(torch_library, RTLD_NOW | RTLD_NOLOAD);
  if (!handle) return {};
  link_map *map = nullptr;
  dlinfo(handle, RTLD_DI_LINKMAP, &map);
  dlclose(handle);
  return map ? fs::path(map->l_name) : fs::path();
}

fs::path find_torch()
{
  if (const auto loaded = loaded_torch(); !loaded.empty()) return loaded;
  if (const char *folder = std::getenv("NAGLASS_TORCH_LIB")) {
    const fs::path chosen = fs::path(folder) / torch_library;
    if (fs::exists(chosen)) return chosen;
    throw std::runtime_error("NAGLASS_TORCH_LIB is '" + std::string(folder) + "', which does not contain " +
                             torch_library);
  }
  // site-packages/naglass_drv/plugins -> site-packages/torch/lib
  const fs::path beside = own_folder() / "../../torch/lib" / torch_library;
  if (fs::exists(beside)) return beside;
  const fs::path built_with = fs::path(NAGLASS_TORCH_FOLDER) / "lib" / torch_library;
  if (fs::exists(built_with)) return built_with;
  throw std::runtime_error("libtorch " + std::string(built_for) + " was not found: install it (pip install torch==" +
                           built_for + ") or set NAGLASS_TORCH_LIB to the folder that contains " + torch_library);
}

// "2.13.0" from torch/version.py next to torch/lib; empty if libtorch came without it.
std::string torch_version(const fs::path &library)
{
  std::ifstream file(library.parent_path().parent_path() / "version.py");
  const std::string key = "__version__ = '";
  for (std::string line; std::getline(file, line);)
    if (line.rfind(key, 0) == 0) return line.substr(key.size(), line.find_first_of("+'", key.size()) - key.size());
  return {};
}

void *open_or_throw(const fs::path &path, int flags)
{
  if (void *handle = dlopen(path.c_str(), flags)) return handle;
  throw std::runtime_error("cannot open " + path.string() + ": " + dlerror());
}

// The GPU part is next to libtorch_cpu and registers itself when opened; a missing driver must not stop a run on the
// CPU.
void open_gpu_part(const fs::path &torch, bool needed)
{
  for (const char *const name : {"libtorch_cuda.so", "libtorch_hip.so"}) {
    const fs::path part = torch.parent_path() / name;
    if (!fs::exists(part)) continue;
    if (dlopen(part.c_str(), RTLD_NOW | RTLD_GLOBAL)) return;
    if (needed) throw std::runtime_error("cannot open " + part.string() + ": " + dlerror());
  }
  if (needed)
    throw std::runtime_error("device gpu: libtorch at " + torch.parent_path().string() +
                             " was built without CUDA or HIP; install one that was, or set NAGLASS_TORCH_LIB");
}

// Opened once and kept: libtorch cannot be unloaded.
Factory *open_backend()
{
  if (built_for[0] == '\0')
    throw std::runtime_error("this pair style was built without libtorch, which an archive with TorchScript needs: "
                             "export the model again without --torch");
  const fs::path torch = find_torch();
  if (const auto found = torch_version(torch); !found.empty() && found != built_for)
    throw std::runtime_error("libtorch " + found + " at " + torch.parent_path().string() + " is not version " +
                             built_for +
                             ", which this pair style was built with: rebuild naglass, or set NAGLASS_TORCH_LIB");
  // DEEPBIND: liblammps exports BLAS routines of its own, which would otherwise replace torch's fast ones
  open_or_throw(torch, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  void *const backend = open_or_throw(own_folder() / backend_library, RTLD_NOW | RTLD_LOCAL);
  if (void *const entry = dlsym(backend, "naglass_mace_torch_backend")) return reinterpret_cast<Factory *>(entry);
  throw std::runtime_error(std::string(backend_library) + " has no entry point: reinstall naglass");
}

}  // namespace

std::unique_ptr<Backend> make_torch_backend(const ModelPieces &pieces, const Placement &placement)
{
  static Factory *const factory = open_backend();
  if (placement.device != Device::cpu) open_gpu_part(find_torch(), placement.device == Device::gpu);
  return std::unique_ptr<Backend>(factory(&pieces, &placement));
}

bool inside_package(const std::string &path)
{
  std::error_code problem;
  const fs::path package = fs::canonical(own_folder(), problem).parent_path();
  const fs::path file = fs::canonical(path, problem);
  // plugins installed elsewhere are not in a package
  if (problem || package.filename() != "naglass_drv") return false;
  return std::mismatch(package.begin(), package.end(), file.begin(), file.end()).first == package.end();
}

}  // namespace naglass::mace
