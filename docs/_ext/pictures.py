"""Run the code of the pages in ``docs/_generated``, where it writes the pictures that they show."""

import sys
from pathlib import Path


def draw(app):
    import matplotlib

    matplotlib.use("Agg")
    here = Path(app.srcdir)
    sys.path.insert(0, str(here.parent / "tests"))
    from support.pages import run_python

    folder = here / "_generated"
    folder.mkdir(exist_ok=True)
    for page in sorted(here.rglob("*.md")):
        if "_generated/" in page.read_text("utf-8"):
            run_python(page, folder)


def setup(app):
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
