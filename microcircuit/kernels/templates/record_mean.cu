{# Average an expression over the last steps of each presentation, and over blocks of neurons. #}
{# USES_VARIABLES { N, t_in_timesteps, _presentation, _onset, _last, _sum, _table } #}
{% extends 'own_kernel.cu' %}
{% block kernel %}
{% set T = c_data_type(variables['_sum'].dtype) %}
// {{'A thread' if block == 1 else 'A block of threads'}} for each row.
__global__ void _run_kernel_{{codeobj_name}}(
    const int64_t _p,
    const double _count, // of what a row's sum holds once it is whole; zero before
    %KERNEL_PARAMETERS%
    )
{
    using namespace brian;
    %KERNEL_CONSTANTS%
    {{kernel_lines|autoindent}}
    const int _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {{T}} _own = 0;
    {% if block == 1 %}
    const int _row = blockIdx.x*blockDim.x + threadIdx.x;
    if (_row >= {{rows}})
        return;
    {
        const int _idx = _row;
    {% else %}
    const int _row = blockIdx.x;
    for (int _i = threadIdx.x; _i < {{block}}; _i += {{_threads}})
    {
        const int _idx = _row*{{block}} + _i;
    {% endif %}
        const int _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        _own += _value;
    }
    {% if block != 1 %}
    __shared__ {{T}} _partial[{{_threads}}];
    _partial[threadIdx.x] = _own;
    for (int _half = {{_threads//2}}; _half > 0; _half /= 2)
    {
        __syncthreads();
        if (threadIdx.x < _half)
            _partial[threadIdx.x] += _partial[threadIdx.x + _half];
    }
    if (threadIdx.x != 0)
        return;
    _own = _partial[0];
    {% endif %}
    {{T}}& _total = {{get_array_name(variables['_sum'])}}[_row];
    _total += _own;
    if (_count > 0)
    {
        {{get_array_name(variables['_table'])}}[_p*{{rows}} + _row] = _total/_count;
        _total = 0;
    }
}
{% endblock %}
{% block launch %}
    const int64_t _step = {{_host('t_in_timesteps')}}[0];
    const int64_t _p = {{_host('_presentation')}}[0];
    const int64_t _whole = {{_host('_onset')}}[_p], _end = {{_host('_onset')}}[_p + 1];
    const int64_t _tail = _end - {{_host('_last')}}[0];
    const int64_t _begin = _tail > _whole ? _tail : _whole;
    if (_step >= _begin)
        _run_kernel_{{codeobj_name}}<<<{{_blocks(rows) if block == 1 else rows}}, {{_threads}}>>>(
            _p,
            _step == _end - 1 ? (_end - _begin)*{{block}} : 0,
            %HOST_PARAMETERS%
        );
{% endblock %}
