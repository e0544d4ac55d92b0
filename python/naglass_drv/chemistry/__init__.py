"""What an ion is: charges, spin states, masses, and the cells that a composition makes."""
