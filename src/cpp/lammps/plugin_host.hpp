// What the thin plugins share: they depend on no LAMMPS symbol, so that they load into any LAMMPS, can say plainly
// why they do not fit, and only then open the library that holds the styles.
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

/// Whether the LAMMPS at hand is the version this plugin was built for; if not, warns what is at hand, what was
/// built for and what to do, so that the caller registers nothing.
bool version_matches(const PluginHost &host, const char *plugin);

/// Folder of the plugin that this function is linked into, with a trailing slash.
std::string plugin_folder();

/// Opens `library` (a file name in plugin_folder(), or an absolute path) and calls its
/// `extern "C" void naglass_register(void *lammps, void *handle, void *register_function)`.
/// Warns with the loader's own message and returns false if that fails.
bool register_styles_of(const PluginHost &host, const char *plugin, const std::string &library);

}  // namespace naglass
