"""Plots of the records, in one style; matplotlib is imported when the first is drawn."""

import math

COLOURS = {
    "ffnn_fast": "#d62728", "reference": "#bcbd22", "numpy": "#1f77b4", "scikit-learn": "#ff7f0e",
    "torch": "#9467bd", "torch.compile": "#8c564b", "jax": "#2ca02c", "onnxruntime": "#17becf",
}  # fmt: skip


def canvas(width, height):
    """An empty figure of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def panel(drawn, lines=1, columns=1, at=1, title=""):
    """Axes at a place of the figure's grid."""
    axes = drawn.add_subplot(lines, columns, at)
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def times(ratio):
    """A ratio in three digits."""
    return f"{ratio:,.0f}×" if ratio >= 100 else f"{ratio:.3g}×"


def save(drawn, path):
    """Write an SVG file, of the same bytes for the same records."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": path.stem}):
        drawn.savefig(path, metadata={"Date": None})


def colour(name):
    """The colour of the library that a label starts with."""
    return COLOURS.get(name.split(":")[0].split(",")[0], "#7f7f7f")


def bars(labelled, title, path):
    """Ratios of (group, label, record): a panel for each group, bars from 1, logarithmic."""
    groups = list(dict.fromkeys(group for group, _, _ in labelled))
    columns = min(3, len(groups))
    lines = math.ceil(len(groups) / columns)
    most = max(sum(g == group for g, _, _ in labelled) for group in groups)
    drawn = canvas(5 * columns, (0.28 * most + 0.7) * lines)
    for at, group in enumerate(groups, start=1):
        axes = panel(drawn, lines, columns, at, group)
        here = [(label, r["ratio"]) for g, label, r in labelled if g == group][::-1]
        names, ratios = zip(*here, strict=True)
        axes.set_xscale("log")
        drawn_bars = axes.barh(
            names, [r - 1 for r in ratios], left=1, color=[colour(name) for name in names]
        )
        axes.bar_label(drawn_bars, [times(ratio) for ratio in ratios], padding=3, fontsize=8)
        axes.axvline(1, color="black", linewidth=0.8)
        axes.margins(x=0.3)
        axes.tick_params(axis="x", which="both", bottom=False, labelbottom=False)
    drawn.supxlabel(f"{title}: to the right is slower (logarithmic)", fontsize=9)
    save(drawn, path)


def curves(points, title, path):
    """Seconds of (label, value, seconds) over the value, both logarithmic."""
    drawn = canvas(6, 4)
    axes = panel(drawn)
    for label in dict.fromkeys(label for label, _, _ in points):
        here = [(value, seconds) for name, value, seconds in points if name == label]
        axes.plot(*zip(*here, strict=True), "o-", label=label, color=colour(label))
    axes.set(xscale="log", yscale="log", xlabel=title, ylabel="seconds per step")
    axes.legend(frameon=False)
    save(drawn, path)


def shares(labelled, path):
    """Shares of a bound of (label, whole step, BLAS's products alone)."""
    drawn = canvas(8, 0.5 * len(labelled) + 1)
    axes = panel(drawn)
    at = range(len(labelled))
    names, steps, products = zip(*labelled[::-1], strict=True)
    axes.barh(
        [y - 0.2 for y in at],
        steps,
        0.4,
        label="whole step of ffnn_fast",
        color=colour("ffnn_fast"),
    )
    axes.barh([y + 0.2 for y in at], products, 0.4, label="matrix products alone, NumPy's BLAS",
              color=colour("numpy"))  # fmt: skip
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(yticks=list(at), yticklabels=names, xlabel="share of the machine's bound")
    drawn.legend(frameon=False, loc="outside lower right", ncols=2, fontsize=8)
    save(drawn, path)


def footprint(records, path):
    """Import time, files and memory of a fit, each in its panel."""
    shown = [
        ("import_seconds", 1, "import, s"),
        ("all_bytes", 1e6, "files with requirements, MB"),
        ("fit_bytes", 1e6, "a fit's peak beyond the data, MB"),
    ]
    drawn = canvas(11, 3)
    for at, (key, unit, title) in enumerate(shown, start=1):
        axes = panel(drawn, 1, len(shown), at, title)
        here = [(r["library"], r[key] / unit) for r in records if r.get(key) is not None][::-1]
        names, values = zip(*here, strict=True)
        drawn_bars = axes.barh(names, values, color=[colour(name) for name in names])
        axes.bar_label(drawn_bars, [f"{value:.3g}" for value in values], padding=3, fontsize=8)
        axes.margins(x=0.2)
    save(drawn, path)
