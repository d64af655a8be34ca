{# What the files of drive and learning share: the matrices of all replicates, one object each. #}
{# These files may reorder and fuse operations, as every function that does is compiled by itself. #}
#pragma GCC optimize ("associative-math", "no-signed-zeros", "fp-contract=fast")
{% set T = c_data_type(variables['w'].dtype) %}
{% if batch > 1 %}
#include <cblas.h>
namespace microcircuit {
// c = alpha a b + beta c, row-major; a and b as they are or transposed.
inline void gemm(bool turn_a, bool turn_b, int m, int n, int k, {{T}} alpha, const {{T}}* a, const {{T}}* b, {{T}} beta, {{T}}* c)
{
    scipy_cblas_{{'d' if T == 'double' else 's'}}gemm(
        CblasRowMajor, turn_a ? CblasTrans : CblasNoTrans, turn_b ? CblasTrans : CblasNoTrans, m, n, k,
        alpha, a, turn_a ? m : k, b, turn_b ? k : n, beta, c, n);
}
}
{% endif %}
{% include 'dense_matrix.hpp' %}

inline microcircuit::DenseMatrix<{{T}}, {{n_post}}, {{n_pre}}, {{batch}}, {{'true' if filtered else 'false'}}, {{bounded|lower}}, {{shared|lower}}> {{matrices}}[{{replicates}}];
