"""A Fortran module of interfaces to the exported C functions."""

from __future__ import annotations

from ffnn_fast._c_code.c_columns import Columns

MOST, BREAK = 132, " &\n        bind"  # characters in a line of Fortran 2008
MODULE = """! Interfaces of the C functions in @header.
module @name_interface
  use, intrinsic :: iso_c_binding, only: @used
  implicit none
  integer, parameter :: @name_n_inputs = @n_0
  integer, parameter :: @name_n_outputs = @n_L
  interface
    subroutine @name_forward(x, y) bind(c, name="@name_forward")
      import :: @kind
      real(@kind), intent(in) :: x(@n_0)
      real(@kind), intent(out) :: y(@n_L)
    end subroutine
    ! one sample a column
    subroutine @name_batch(n, x, y) bind(c, name="@name_batch")
      import :: @kind, c_size_t
      integer(c_size_t), value :: n
      real(@kind), intent(in) :: x(@n_0, n)
      real(@kind), intent(out) :: y(@n_L, n)
    end subroutine
@jacobian@classes  end interface
end module
"""
JACOBIAN = """    ! jac(c, i) = dy_i / dx_c
    subroutine @name_jacobian(x, y, jac) bind(c, name="@name_jacobian")
      import :: @kind
      real(@kind), intent(in) :: x(@n_0)
      real(@kind), intent(out) :: y(@n_L), jac(@n_0, @n_L)
    end subroutine
"""
CLASS = """    ! the place of the most probable class, from 0
    function @name_class@suffix(y) bind(c, name="@name_class@suffix") result(place)
      import :: @kind, c_int
      real(@kind), intent(in) :: y(@n_L)
      integer(c_int) :: place
    end function
"""


def fortran_module(name: str, header: str, real: str, columns: Columns, jacobian: bool) -> str:
    """The module <name>_interface."""
    classes = columns.outputs.classes
    text = MODULE.replace("@jacobian", JACOBIAN if jacobian else "")
    text = text.replace("@classes", "".join(CLASS.replace("@suffix", c.suffix) for c in classes))
    text = text.replace("@used", "@kind, c_size_t" + (", c_int" if classes else ""))
    n_0, n_L = columns.n_inputs, columns.outputs.n
    kind = {"float": "c_float", "double": "c_double"}[real]
    filled = {"@header": header, "@name": name, "@kind": kind, "@n_0": str(n_0), "@n_L": str(n_L)}
    for mark, given in filled.items():
        text = text.replace(mark, given)
    lines = text.split("\n")
    return "\n".join(one if len(one) <= MOST else one.replace(" bind", BREAK) for one in lines)
