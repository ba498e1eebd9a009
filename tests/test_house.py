"""The rules of the house, read from its sources: imports run one way, kernels allocate in one place, a file stays a room."""
import ast
import fnmatch
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = {"tensor", "device", "modes", "observers", "accumulate", "graph", "signatures", "anomaly", "promotion"}
FLOORS = [                      # a file imports from its own floor and from those below it
    {"kernels"},
    CORE,
    {"functional"},
    {"nn"},
    {"models", "optim", "data"},
    {"training", "checks", "inspect", "tracing", "io", "pytest_plugin", "bench"},
    {"classroom", "commands", "cli", "__main__"},
]
FRAMEWORKS = {"torch", "torchvision", "tensorflow", "keras", "jax", "mxnet", "paddle", "chainer", "autograd", "tinygrad", "theano"}
BESIDE = ("replay.py", "torch_worker.py", "torch_operations.py")        # of minicnn/bench: PyTorch, in a process of its own
LATE = {"numba", "cupy", "scipy", "matplotlib", "torch"}                # `import minicnn` waits for none of these
IMPORT_SECONDS = 0.3
LINES = 320
TOP = {"README.md", "LICENSE", "setup.cfg", "pyproject.toml", ".gitignore", ".gitattributes",
       ".ci", "minicnn", "kernels", "tests", "tutorials"}


@cache
def sources(*folders: str) -> tuple[Path, ...]:
    """The Python files of folders in the checkout; links are not followed, so each file once."""
    found = []
    for folder in folders:
        for parent, directories, names in os.walk(ROOT / folder):
            directories[:] = sorted(d for d in directories if d != "__pycache__" and not Path(parent, d).is_symlink())
            found += [Path(parent, name) for name in sorted(names) if name.endswith(".py")]
    return tuple(found)


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def module_name(file: Path) -> list[str]:
    """kernels/conv2d/cpu.py -> minicnn.kernels.conv2d.cpu; a package's own file counts as a module in it, as relative imports do."""
    parts = list(file.relative_to(ROOT).with_suffix("").parts)
    return parts if parts[0] == "minicnn" else ["minicnn", *parts]


def imports(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Every import of a file, in functions too, as (line, dotted name in full)."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.split(".")
        elif isinstance(node, ast.ImportFrom):
            base = module_name(file)[:-node.level] if node.level else []
            for alias in node.names:
                yield node.lineno, [*base, *(node.module or "").split("."), alias.name] if node.module else [*base, alias.name]


def floor(name: str) -> int:
    return next((i for i, rooms in enumerate(FLOORS) if name in rooms), -1)


def place(file: Path, line: int) -> str:
    return f"{file.relative_to(ROOT)}:{line}"


def test_imports_run_one_way():
    wrong, unknown = [], set()
    for file in sources("minicnn", "kernels"):
        own = module_name(file)[1]
        if own == "__init__":
            continue                                                    # minicnn/__init__.py shows every floor
        if floor(own) < 0:
            unknown.add(own)
            continue
        for line, name in imports(file):
            if name[0] == "minicnn" and len(name) > 1 and floor(name[1]) > floor(own):
                wrong.append(f"{place(file, line)} imports {'.'.join(name)}")
            elif name == ["minicnn"] and floor(own) < len(FLOORS) - 1:
                wrong.append(f"{place(file, line)} imports the whole of minicnn")
    assert not wrong, "\n".join(["imports that run back:", *wrong])
    assert not unknown, f"FLOORS should say where these stand: {', '.join(sorted(unknown))}"


def test_the_rule_of_imports_finds_an_import_that_runs_back():
    assert floor("kernels") < floor("tensor") < floor("functional") < floor("nn") < floor("models") < floor("training") < floor("cli")
    file = ROOT / "minicnn" / "functional" / "kernel_op.py"
    assert ["minicnn", "tensor", "Op"] in [name for _, name in imports(file)]
    assert ["minicnn", "kernels", "memory"] in [name for _, name in imports(file)]


COMPILERS = {"numpy", "scipy", "numba", "llvmlite", "cupy", "cupyx", "cupy_backends", "threadpoolctl"}


def test_kernels_know_nothing_of_the_engine_and_the_reference_nothing_of_numba():
    wrong = []
    for file in sources("kernels"):
        allowed = {"numpy", "scipy"} if file.name in ("reference.py", "cases.py", "__init__.py") else COMPILERS
        for line, name in imports(file):
            outside = name[0] == "minicnn" and name[1] != "kernels"
            if outside or name[0] != "minicnn" and name[0] not in allowed and name[0] not in sys.stdlib_module_names:
                wrong.append(f"{place(file, line)} imports {'.'.join(name)}")
            if file.name == "reference.py" and name[:2] == ["minicnn", "kernels"] and {"jit", "blas", "cpu"} & set(name):
                wrong.append(f"{place(file, line)}: the reference must work without Numba")
    assert not wrong, "\n".join(wrong)


def test_the_engine_imports_no_framework():
    beside = {ROOT / "minicnn" / "bench" / name for name in BESIDE}
    wrong = [f"{place(file, line)} imports {'.'.join(name)}" for file in sources("minicnn", "kernels") if file not in beside
             for line, name in imports(file)
             if name[0] in FRAMEWORKS or name[:2] == ["minicnn", "bench"] and f"{(name + [''])[2]}.py" in BESIDE]
    assert not wrong, "\n".join(wrong)


def run_python(program: str, **environment: str) -> str:
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=os.environ | environment,
                          capture_output=True, text=True, check=True).stdout.strip()


def test_import_loads_nothing_heavy():
    loaded = set(run_python("import sys, minicnn; print(*{name.partition('.')[0] for name in sys.modules})").split())
    assert "numpy" in loaded
    assert not loaded & LATE, f"`import minicnn` loads {', '.join(sorted(loaded & LATE))}; import it where it is first used"


def test_import_is_quick(tmp_path):
    """The best of five, in processor time: what other tests take of the machine meanwhile is not the import's.

    With bytecode at hand, as after any installation: the first of the five writes it, whatever the settings of this run.
    """
    program = "from time import process_time as now; start = now(); import minicnn; print(now() - start)"
    seconds = min(float(run_python(program, PYTHONDONTWRITEBYTECODE="", PYTHONPYCACHEPREFIX=str(tmp_path))) for _ in range(5))
    assert seconds <= IMPORT_SECONDS, f"`import minicnn` takes {seconds:.2f} s, not {IMPORT_SECONDS}; python -X importtime shows where"


MAKERS = {f"{kind}{like}" for kind in ("empty", "zeros", "ones", "full") for like in ("", "_like")} | {
    "copy", "array", "ascontiguousarray", "concatenate", "stack", "pad", "repeat", "tile"}

COMPILED = {"jit", "task", "njit", "vectorize", "overload", "intrinsic", "register_jitable"}


def compiled(node: ast.AST, names_jitted: set[str]) -> bool:
    """Whether a function becomes machine code: decorated with jit (or a Numba relative), or handed to jit by name."""
    if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
        return False
    decorators = [d.func if isinstance(d, ast.Call) else d for d in getattr(node, "decorator_list", [])]
    named = {d.attr if isinstance(d, ast.Attribute) else getattr(d, "id", "") for d in decorators}
    return bool(named & COMPILED) or getattr(node, "name", "") in names_jitted


def allocations(module: ast.AST) -> Iterator[tuple[int, str]]:
    """Calls in Python-level code that take memory from NumPy (or CuPy) instead of kernels.memory: (line, call)."""
    calls = [n for n in ast.walk(module) if isinstance(n, ast.Call)]
    jitted = {a.id for call in calls if getattr(call.func, "id", "") in ("jit", "njit") for a in call.args if isinstance(a, ast.Name)}

    def visit(node):
        if compiled(node, jitted):
            return
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, name = getattr(node.func.value, "id", ""), node.func.attr
            if owner in ("np", "numpy", "cp", "cupy") and name in MAKERS or name == "copy" and not node.args and owner not in ("copy",):
                yield node.lineno, ast.unparse(node.func)
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    yield from visit(module)


def test_kernels_allocate_through_memory_alone():
    """Module level is exempt: a table made once, when the file is loaded."""
    wrong = [f"{place(file, line)} calls {call}; use kernels.memory.empty"
             for file in sources("kernels") if file.name in ("cpu.py", "gpu.py")
             for node in tree(file).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))
             for line, call in allocations(node)]
    assert not wrong, "\n".join(wrong)


def test_the_rule_of_allocation_tells_python_from_machine_code():
    text = """
@jit(parallel=True)
def fast(x):
    tile = np.empty(9, x.dtype)
def inner(x):
    return np.zeros_like(x)
kernel = jit(inner)
def forward(x):
    y = np.empty(x.shape, x.dtype)
    return y, x.copy()
"""
    assert [call for _, call in allocations(ast.parse(text))] == ["np.empty", "x.copy"]


def test_a_file_is_a_room():
    long = []
    for file in sources("minicnn", "kernels", "tests", "tutorials") + tuple(
            p for folder in ("minicnn", "kernels") for kind in ("cu", "js", "html", "css") for p in (ROOT / folder).rglob(f"*.{kind}")):
        count = len(file.read_text(encoding="utf-8").splitlines())
        if count > LINES:
            long.append(f"{file.relative_to(ROOT)}: {count} lines")
    assert not long, "\n".join([f"longer than {LINES} lines:", *long])


def test_nothing_names_a_place_outside_the_checkout():
    """Neither the folder that the project grew beside nor a path of somebody's machine."""
    forbidden = [".." + "/shared", "/work" + "/", "/root" + "/", "/home" + "/"]
    texts = [*sources("minicnn", "kernels", "tests", "tutorials"), ROOT / "setup.cfg", ROOT / "pyproject.toml", ROOT / "README.md",
             *(p for p in (ROOT / ".ci").iterdir() if p.is_file())]
    wrong = [f"{file.relative_to(ROOT)}:{number} names {place_}" for file in texts if file.exists()
             for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1) for place_ in forbidden if place_ in line]
    assert not wrong, "\n".join(wrong)


def test_every_folder_of_tests_is_a_package():
    """So that two of them may have a test_cases.py, and each finds oracle/compare.py."""
    folders = {file.parent for file in (ROOT / "tests").rglob("test_*.py")}
    bare = sorted(str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists())
    assert not bare, f"__init__.py is missing in {', '.join(bare)}"


def test_pyproject_holds_the_build_system_alone():
    assert set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))) == {"build-system"}


def test_the_top_of_the_tree_stays_as_it_is():
    """What git tracks; in a copy without git, what is there apart from what git would ignore."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    else:
        ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()]
        listed = [p.name for p in ROOT.iterdir() if not any(fnmatch.fnmatch(p.name, pattern) for pattern in ignored)]
    top = {name.split("/")[0] for name in listed if name}
    assert top <= TOP, f"the top level of the tree should not have {', '.join(sorted(top - TOP))}"
