"""Formulas as MathML, which browsers render without a script, a download or LaTeX."""

from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import ExtensionError

HAT = r"\hat y"  # docutils would put an index of it underneath


def _mathml(node, block):
    try:
        return tex2mathml(node.astext().replace(HAT, "ŷ"), as_block=block)
    except (MathError, ValueError) as error:
        raise ExtensionError(f"cannot draw {node.astext()!r}: {error}") from error


def visit_inline(self, node):
    from docutils import nodes

    self.body.append(_mathml(node, block=False))
    raise nodes.SkipNode


def visit_block(self, node):
    from docutils import nodes

    self.body.append(f'<div class="formula">{_mathml(node, block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
