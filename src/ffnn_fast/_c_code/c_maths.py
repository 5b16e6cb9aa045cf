"""The functions of the engine's own C headers (engine/maths) that an exported network needs.

The text of a function and of everything that it uses is copied, so that the exported file needs no
mathematical library and gives the activations that the engine gives.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

HEADERS = Path(__file__).resolve().parents[1] / "engine" / "maths"
SUFFIXES = {"float": "f32", "double": "f64"}
FMA = """
/* a b + c, with one rounding where the target has FMA, else with two */
#if defined(__GNUC__) && (defined(__FMA__) || defined(__ARM_FEATURE_FMA))
static inline {real} {name}({real} a, {real} b, {real} c) {{ return {builtin}(a, b, c); }}
#else
static inline {real} {name}({real} a, {real} b, {real} c) {{ return a * b + c; }}
#endif
""".strip()
OWN = {  # in the place of those of the headers, which use built-in functions of GCC and Clang
    "vm_abs_f32": "static inline float vm_abs_f32(float x)\n"
    "{\n    return vm_float_f32(vm_bits_f32(x) & 0x7fffffffu);\n}",
    "vm_abs_f64": "static inline double vm_abs_f64(double x)\n"
    "{\n    return vm_float_f64(vm_bits_f64(x) & 0x7fffffffffffffffu);\n}",
    "vm_fma_f32": FMA.format(real="float", name="vm_fma_f32", builtin="__builtin_fmaf"),
    "vm_fma_f64": FMA.format(real="double", name="vm_fma_f64", builtin="__builtin_fma"),
    "VM_INF": "#define VM_INF INFINITY",
    "VM_NAN": "#define VM_NAN NAN",
}
ITEM = re.compile(
    r"""
    (?P<comment>/\*(?:(?!\*/).)*\*/\n)?            # the comment directly above
    (?:
        \#define[ ](?P<macro>(?:VM|vm)_\w+)(?:[^\n]*\\\n)*[^\n]*\n
      | VM_INLINE[ ]\w+[ ](?P<function>vm(?:_\w+|\(\w+\)))\([^{]*?\)
        (?:\s*\{[^\n]*\}\n|\n\{\n.*?\n\}\n)            # on one line, or up to the closing brace
    )
    """,
    re.VERBOSE | re.DOTALL,
)


def maths_source(names: set[str], real: str) -> str:
    """C functions vm_<name> of one type, after all that they use.

    Parameters
    ----------
    names : set of str
        Such as ``tanh``, without prefix and suffix.
    real : {"float", "double"}
    """
    known = _items(real)
    needed: dict[str, str] = {}

    def visit(name: str) -> None:
        if name in known and name not in needed:
            for used in re.findall(r"\b(?:vm|VM)_\w+", known[name]):
                if used != name:
                    visit(used)
            needed[name] = known[name]

    for name in sorted(names):
        visit(f"vm_{name}_{SUFFIXES[real]}")
    return "\n".join(needed.values()) + "\n"


@cache
def _items(real: str) -> dict[str, str]:
    """Functions and macros of all headers by name; what is written for both types, for this one."""
    found: dict[str, str] = {}
    for header in sorted(HEADERS.glob("*.h")):
        found |= _parsed(header.read_text("utf-8"), real)
    return found


def _parsed(text: str, real: str) -> dict[str, str]:
    """Functions and macros of one header; vm(name) and `real` stand for those of the type."""
    if "vm(" in text:
        text = re.sub(r"\bvm\((\w+)\)", rf"vm_\1_{SUFFIXES[real]}", text)
        text = re.sub(r"\breal\b", real, text)
    found = {}
    for item in ITEM.finditer(text):
        name = item["macro"] or item["function"]
        comment = "" if name in OWN else item["comment"] or ""
        body = OWN.get(name) or item[0].removeprefix(comment).rstrip("\n")
        found[name] = comment + body.replace("VM_INLINE", "static inline")
    return found


def has_maths(name: str) -> bool:
    """Whether the headers have a function vm_<name> of both types."""
    return f"vm_{name}_f32" in _items("float")
