// Shared by the thin plugins: they depend on no LAMMPS symbol, so they load into any LAMMPS, can explain why they do
// not match it, and only then open the library with the styles.
#pragma once

#include <string>

namespace naglass {

/// The three pointers LAMMPS hands to lammpsplugin_init().
struct PluginHost {
  void *lammps;
  void *handle;
  void *register_function;
};

/// Prints a warning through LAMMPS, once per world.
void warn(const PluginHost &host, const std::string &text);

/// Whether the running LAMMPS is the version this plugin was built for; if not, warns with both versions and what to
/// do, and the caller registers nothing.
bool version_matches(const PluginHost &host, const char *plugin);

/// Folder of the plugin that this function is linked into, with a trailing slash.
std::string plugin_folder();

/// Opens `library` (a file name in plugin_folder(), or an absolute path) and calls its
/// `extern "C" void naglass_register(void *lammps, void *handle, void *register_function)`.
/// Warns with the loader's own message and returns false if that fails.
bool register_styles_of(const PluginHost &host, const char *plugin, const std::string &library);

}  // namespace naglass
