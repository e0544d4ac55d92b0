"""From tables of glasses to claims: what a property depends on, as far as the compositions at hand can tell."""
