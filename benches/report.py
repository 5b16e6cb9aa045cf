"""The report: JSON of the records, Markdown tables, plots, and figures beside their targets."""

import importlib
import json
from pathlib import Path

QUESTIONS = [
    "step", "latency", "scaling", "roofline", "shares", "aims", "fit", "solvers", "estimators",
    "footprint", "initializers", "derivatives", "many",
]  # fmt: skip
RELATIVE = "relative to ffnn_fast"
RESULTS = Path(__file__).with_name("results")
UNITS = [(1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")]


def in_units(seconds):
    """Three digits and a unit."""
    size, unit = next((u for u in UNITS if abs(seconds) >= u[0]), UNITS[-1])
    value = seconds / size
    return f"{value:.{max(0, 2 - (value >= 10) - (value >= 100))}f} {unit}"


def in_megabytes(count):
    """MB of 10⁶ bytes, or nothing for None."""
    return "" if count is None else f"{count / 1e6:.1f} MB"


def per(count, noun):
    """A count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def at_least(what, got, least):
    """The outcome of a figure that must not be smaller."""
    return {"what": what, "got": got, "bound": f"≥ {least:g}", "met": bool(got >= least)}


def at_most(what, got, most):
    """The outcome of a figure that must not be larger."""
    return {"what": what, "got": got, "bound": f"≤ {most:g}", "met": bool(got <= most)}


def question(name):
    """The module of a question."""
    return importlib.import_module(f"benches.questions.{name}")


def headline(name):
    """The question in words."""
    return question(name).__doc__.splitlines()[0]


def table(header, rows):
    """Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def outcome_table(outcomes):
    """Targets beside what was measured."""
    rows = [
        [v["what"], f"{v['got']:.3g}", v["bound"], "yes" if v["met"] else "**no**"]
        for v in outcomes
    ]
    return table(["target", "measured", "bound", "met"], rows)


def machine_lines(machine, form):
    """The machine in a list, and the form of the run."""
    facts = {
        "form": form,
        "processor": f"{machine['cpu']}, {per(machine['cores'], 'core')} in use, "
        f"{machine['architecture']}, engine level {machine['isa_level']}",
        "caches": ", ".join(f"{name} {size}" for name, size in machine["caches"].items()),
        "system": f"{machine['os']}, Python {machine['python']}",
        "libraries": ", ".join(f"{name} {v}" for name, v in machine["libraries"].items()),
        "BLAS": ", ".join(machine["blas"]),
        "date": f"{machine['date']}, load average before {machine['load'][0]}",
    }
    return "\n".join(f"- {name}: {fact}" for name, fact in facts.items()) + "\n"


def save(name, machine, form, records, folder=RESULTS):
    """The records of a question with the machine, as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"question": name, "form": form, "machine": machine, "records": records}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write(folder=RESULTS):
    """Markdown and plots of every JSON file in the folder and in those of other machines below it,
    and its README; returns the outcomes of this one."""
    outcomes, pages = write_questions(folder)
    others = {below.name: below for below in sorted(folder.iterdir()) if sources(below)}
    beside = {name: write(below) for name, below in others.items()}
    for name, below in others.items():
        pages.append(f"- [{name}]({name}/README.md): the same on {processor(below)}\n")
    lines = ["# Results\n", "".join(pages), "## Targets\n", outcome_table(outcomes)]
    for name, found in beside.items():
        lines += [f"## Targets on {processor(others[name])}\n", side_by_side(found, outcomes)]
    (folder / "README.md").write_text("\n".join(lines))
    return outcomes


def sources(folder):
    """The JSON files of a folder, by their questions."""
    files = {name: folder / f"{name}.json" for name in QUESTIONS}
    return {name: file for name, file in files.items() if file.exists()}


def write_questions(folder):
    """Markdown and plots of every JSON file in the folder; returns the outcomes and a line each."""
    outcomes, pages = [], []
    for name, source in sources(folder).items():
        content = json.loads(source.read_text())
        if content["records"]:
            outcomes += write_question(name, content, folder)
            when = f"{content['form']} form, {content['machine']['date']}"
            pages.append(f"- [{name}]({name}.md): {headline(name)} ({when})\n")
    return outcomes, pages


def processor(folder):
    """The processor of the first JSON file in a folder, its level and second-level cache."""
    machine = json.loads(next(iter(sources(folder).values())).read_text())["machine"]
    cache = next((size for name, size in machine["caches"].items() if name.startswith("L2")), "")
    return f"{machine['cpu']}, engine level {machine['isa_level']}, L2 {cache}"


def side_by_side(found, outcomes):
    """Targets with the figures of another machine beside those of this one where it has them."""
    here = {outcome["what"]: f"{outcome['got']:.3g}" for outcome in outcomes}
    rows = [
        [v["what"], f"{v['got']:.3g}", here.get(v["what"], ""), v["bound"],
         "yes" if v["met"] else "**no**"]
        for v in found
    ]  # fmt: skip
    return table(["target", "measured", "in the table above", "bound", "met"], rows)


def write_question(name, content, folder):
    """<name>.md with its plots; returns its outcomes."""
    module, records = question(name), content["records"]
    lines = [f"# {headline(name)}\n"]
    lines.append(machine_lines(content["machine"], content["form"]))
    outcomes = module.compare_with_targets(records)
    if outcomes:
        lines += ["## Targets\n", outcome_table(outcomes)]
    for title, header, rows in module.tables(records):
        lines += [f"## {title}\n", table(header, rows)]
    for stem, draw in module.plots(records).items():
        try:
            draw(folder / f"{stem}.svg")
        except ImportError:
            print("no plots: matplotlib is not installed")
            break
        lines.append(f"![{stem}]({stem}.svg)\n")
    (folder / f"{name}.md").write_text("\n".join(lines))
    return outcomes
