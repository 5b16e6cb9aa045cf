"""Networks and estimators as C code: a source file of C99, its header, an interface for Fortran."""

from ffnn_fast._c_code.c_files import (
    CExportOptions,
    EncodersLike,
    export_c,
    export_columns,
    export_estimator,
    export_mean,
)
from ffnn_fast._c_code.c_text import identifier_of

__all__ = [
    "CExportOptions",
    "EncodersLike",
    "export_c",
    "export_columns",
    "export_estimator",
    "export_mean",
    "identifier_of",
]
