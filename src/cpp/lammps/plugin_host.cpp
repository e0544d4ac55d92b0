#include "plugin_host.hpp"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <iterator>

namespace naglass {
namespace {

// LAMMPS's C interface is stable between versions, unlike its classes; it is looked up at run time.
template <typename Function> Function *lammps_function(const char *name)
{ return reinterpret_cast<Function *>(dlsym(RTLD_DEFAULT, name)); }

std::string version_text(int number)
{
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const int month = number / 100 % 100;
  if (month < 1 || month > static_cast<int>(std::size(months))) return std::to_string(number);
  return std::to_string(number % 100) + months[month - 1] + std::to_string(number / 10000);
}

}  // namespace

void warn(const PluginHost &host, const std::string &text)
{
  const auto setting = lammps_function<int(void *, const char *)>("lammps_extract_setting");
  if (setting && setting(host.lammps, "world_rank") != 0) return;
  if (const auto report = lammps_function<void(void *, int, const char *)>("lammps_error"))
    report(host.lammps, 0, text.c_str());
  else std::fprintf(stderr, "WARNING: %s\n", text.c_str());
}

bool version_matches(const PluginHost &host, const char *plugin)
{
  const auto version = lammps_function<int(void *)>("lammps_version");
  const int found = version ? version(host.lammps) : 0;
  if (found == NAGLASS_LAMMPS_VERSION) return true;
  warn(host,
       std::string(plugin) + " was built for LAMMPS " + version_text(NAGLASS_LAMMPS_VERSION) + ", but this is LAMMPS " +
           (found ? version_text(found) : "of an unknown version") +
           ": its styles were not registered. Rebuild naglass for this LAMMPS (cmake -DLAMMPS_DIR=<its prefix>) or "
           "run the LAMMPS it was built for");
  return false;
}

std::string plugin_folder()
{
  Dl_info info{};
  if (!dladdr(reinterpret_cast<void *>(&plugin_folder), &info) || !info.dli_fname) return "./";
  const std::string file = info.dli_fname;
  const auto slash = file.rfind('/');
  return slash == std::string::npos ? "./" : file.substr(0, slash + 1);
}

bool register_styles_of(const PluginHost &host, const char *plugin, const std::string &library)
{
  const std::string path = library.front() == '/' ? library : plugin_folder() + library;
  void *const opened = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void *const entry = opened ? dlsym(opened, "naglass_register") : nullptr;
  if (!entry) {
    const char *const why = dlerror();
    warn(host, std::string(plugin) + ": its styles were not registered: " + (why ? why : path.c_str()));
    return false;
  }
  reinterpret_cast<void (*)(void *, void *, void *)>(entry)(host.lammps, host.handle, host.register_function);
  return true;
}

}  // namespace naglass
