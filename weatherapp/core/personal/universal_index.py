"""The function `utci` of pythermalcomfort, from its own source, without the compiler that it is meant for.

`import pythermalcomfort.models` compiles every model of the package with numba: half a minute where
nothing is cached yet, 165 MB ever after. The one model that is needed here is a polynomial, which numpy works
out as well: the same numbers to the last bit, about 2 ms for 48 hours of 7 quantiles.
"""

import ast
from collections.abc import Callable
from functools import cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import CodeType
from typing import Any

PACKAGE = "pythermalcomfort"
COMPILER = "numba"


class _Uncompiled(SourceFileLoader):
    """Loads a module without its imports from numba, and its functions without their decorators."""

    def get_code(self, fullname: str) -> CodeType:
        """Read the source; byte code of it beside the file is that of the usual module."""
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        tree.body = [node for node in tree.body if not _needs_compiler(node)]
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                node.decorator_list = []
        code: CodeType = compile(tree, path, "exec", dont_inherit=True)
        return code


@cache
def universal_index() -> Callable[..., Any]:
    """Load pythermalcomfort's `utci`: a tenth of a second, once per process.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    package = find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError(
            f"Feels-like needs {PACKAGE}, which is not installed; it stands in requirements-web.txt.",
            name=PACKAGE,
        )
    path = Path(package.submodule_search_locations[0]) / "models" / "utci.py"
    # Under a name of its own: who imports the package's module gets the package's.
    name = f"{__name__}.uncompiled"
    loader = _Uncompiled(name, str(path))
    module = module_from_spec(ModuleSpec(name, loader, origin=str(path)))
    loader.exec_module(module)
    index: Callable[..., Any] = module.utci
    return index


def _needs_compiler(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == COMPILER
