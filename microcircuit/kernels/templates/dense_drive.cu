{# target[r, b, j] (+)= sum_i w[r, j, i] signal[r, b, i]. Sums are always in the same order. #}
{# USES_VARIABLES { w, _signal, _target } #}
{% extends 'own_kernel.cu' %}
{% block extra_device_helper %}
{% if batch > 1 %}
{% include 'dense_product.cu' %}
{% endif %}
{% endblock %}
{% block kernel %}
{% set T = c_data_type(variables['w'].dtype) %}
__global__ void _run_kernel_{{codeobj_name}}(
    const {{T}}* __restrict__ _w, const {{T}}* __restrict__ _signal, {{T}}* __restrict__ _target)
{
    {% if batch == 1 %}
    // A warp for each row of the matrices.
    const int _row = blockIdx.x*{{_threads//32}} + threadIdx.x/32;
    const int _lane = threadIdx.x % 32;
    if (_row >= {{replicates*n_post}})
        return;
    const {{T}}* __restrict__ _weights = _w + (size_t)_row*{{n_pre}};
    const {{T}}* __restrict__ _x = _signal + (size_t)(_row/{{n_post}})*{{n_pre}};
    {{T}} _sum = 0;
    for (int _i = _lane; _i < {{n_pre}}; _i += 32)
        _sum += _weights[_i]*_x[_i];
    for (int _distance = 16; _distance > 0; _distance /= 2)
        _sum += __shfl_down_sync(0xffffffffu, _sum, _distance);
    if (_lane == 0)
        _target[_row] {{'+=' if accumulate else '='}} _sum;
    {% else %}
    // A block of threads for each tile of a replicate's batch by its neurons.
    const size_t _r = blockIdx.z;
    Product<{{T}}, true> _product({{batch}}, {{n_post}}, {{n_pre}});
    _product.compute(_signal + _r*{{batch*n_pre}}, _w + _r*{{n_post*n_pre}});
    #pragma unroll
    for (int _k = 0; _k < _product.SIZE; _k++)
        if (_product.inside(_k))
            _target[(_r*{{batch}} + _product.row(_k))*{{n_post}} + _product.column(_k)] {{'+=' if accumulate else '='}} _product.value[_k];
    {% endif %}
}
{% endblock %}
{% block launch %}
    {% if batch == 1 %}
    const dim3 _grid({{_blocks(replicates*n_post*32)}});
    {% else %}
    const dim3 _grid({{(n_post + 31)//32}}, {{(batch + 31)//32}}, {{replicates}});
    {% endif %}
    _run_kernel_{{codeobj_name}}<<<_grid, {{_threads}}>>>(
        {{_device('w')}}, {{_device('_signal')}}, {{_device('_target')}});
{% endblock %}
