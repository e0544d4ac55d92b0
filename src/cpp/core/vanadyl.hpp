#pragma once

namespace naglass {

/// Å; a terminal V–O bond below it is a vanadyl bond V=O.
/// Schindler, Hawthorne & Baur, Chem. Mater. 12, 1248 (2000).
inline constexpr double vanadyl_limit = 1.74;

}  // namespace naglass
