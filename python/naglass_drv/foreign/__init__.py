"""Labels that others computed: extended XYZ, files of ASE and VASP, folders of CP2K; one gate for all."""
