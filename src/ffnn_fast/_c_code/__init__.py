"""Networks as C code: one source file of C99, its header, and an interface for Fortran."""

from ffnn_fast._c_code.c_files import CExportOptions, EncodersLike, export_c
from ffnn_fast._c_code.c_text import identifier_of

__all__ = ["CExportOptions", "EncodersLike", "export_c", "identifier_of"]
