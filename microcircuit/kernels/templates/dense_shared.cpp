{# What the files of drive and learning share: the matrices of all replicates, one object each. #}
{# In these files compilers may fuse multiplications and additions, but not reorder them.      #}
#ifdef __clang__
#pragma clang fp contract(on)
#else
#pragma GCC optimize ("fp-contract=fast")
#endif
{% set T = c_data_type(variables['w'].dtype) %}
{% include 'dense_matrix.hpp' %}

inline microcircuit::DenseMatrix<{{T}}, {{n_post}}, {{n_pre}}, {{batch}}, {{'true' if filtered else 'false'}}, {{bounded|lower}}, {{shared|lower}}> {{matrices}}[{{replicates}}];
