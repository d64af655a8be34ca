"""The engine's own functions, in CUDA."""

from brian2.codegen.codeobject import CodeObject

from microcircuit import elementary

# Of whole numbers in the program's precision, for which brian2cuda has this name.
_ELEMENTARY = """
static __device__ inline double _elementary_{name}(double x) {{ return {result}; }}
static __device__ inline float _elementary_{name}(float x) {{ return {result}; }}
template <typename T> static __device__ inline randomNumber_t _elementary_{name}(T x)
{{
    return _elementary_{name}((randomNumber_t)x);
}}
"""

_RESULTS = {name: f"{name}(x)" for name in elementary.NAMES} | {
    "softplus": "(x > 0 ? x : 0) + log1p(exp(-fabs(x)))",
    "decay": "exp(-fabs(x))",
    "log1p_of_fraction": "log1p(x)",
    "positive": "x > 0 ? x : 0",
}


def register(target: type[CodeObject]) -> None:
    """Add the functions' implementations for brian2cuda's code objects."""
    for name, function in elementary.FUNCTIONS.items():
        function.implementations.add_implementation(
            target,
            code=_ELEMENTARY.format(name=name, result=_RESULTS[name]),
            name=f"_elementary_{name}",
        )
