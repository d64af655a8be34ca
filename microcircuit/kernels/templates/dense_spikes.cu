{# Each neuron that spikes adds its column of weights to the target:                               #}
{#   target[r, b] += w[r, i];  then, with a rule,  w[r, i] += (rate/B) post[r, b]                   #}
{# Weights are stored [r, i, j]: neighbouring threads read neighbours. The list of spikes is in     #}
{# whatever order threads found them; blocks make sets of it, for sums in always the same order.    #}
{# USES_VARIABLES { w, t_in_timesteps, _spikes, _target } #}
{% extends 'own_kernel.cu' %}
{% block kernel %}
{% set T = c_data_type(variables['w'].dtype) %}
// A block of threads for each network and {{_threads}} of its postsynaptic neurons.
__global__ void _run_kernel_{{codeobj_name}}(
    const int32_t* __restrict__ _spikes, const {{T}}* __restrict__ _w, {{T}}* __restrict__ _target)
{
    __shared__ unsigned _spiked[{{(n_pre + 31)//32}}];
    for (int _k = threadIdx.x; _k < {{(n_pre + 31)//32}}; _k += {{_threads}})
        _spiked[_k] = 0;
    __syncthreads();
    const int _row = blockIdx.x, _first = _row*{{n_pre}};
    for (int _n = threadIdx.x; _n < _spikes[{{space}}]; _n += {{_threads}})
    {
        const int _i = _spikes[_n] - _first;
        if (_i >= 0 && _i < {{n_pre}})
            atomicOr(&_spiked[_i/32], 1u << (_i%32));
    }
    __syncthreads();
    const int _j = blockIdx.y*{{_threads}} + threadIdx.x;
    if (_j >= {{n_post}})
        return;
    const {{T}}* _weights = _w + (size_t)(_row/{{batch}})*{{n_pre*n_post}} + _j;
    {{T}} _sum = 0;
    for (int _k = 0; _k < {{(n_pre + 31)//32}}; _k++)
        for (unsigned _left = _spiked[_k]; _left; _left &= _left - 1)
            _sum += _weights[(size_t)(32*_k + __ffs(_left) - 1)*{{n_post}}];
    _target[(size_t)_row*{{n_post}} + _j] += _sum;
}
{% if plastic %}

// A block of threads for each replicate, 32 presynaptic and {{_threads}} postsynaptic neurons.
__global__ void _run_learning_{{codeobj_name}}(
    const int32_t* __restrict__ _spikes, {{T}}* __restrict__ _w, const {{T}}* __restrict__ _post,
    const {{T}}* __restrict__ _rates
    {%- if bounded %}, const {{T}} _low, const {{T}} _high{% endif %})
{
    __shared__ unsigned _spiked[{{batch}}];
    for (int _b = threadIdx.x; _b < {{batch}}; _b += {{_threads}})
        _spiked[_b] = 0;
    __syncthreads();
    const int _r = blockIdx.z, _first = 32*blockIdx.y;
    for (int _n = threadIdx.x; _n < _spikes[{{space}}]; _n += {{_threads}})
    {
        const int _b = _spikes[_n]/{{n_pre}} - _r*{{batch}}, _i = _spikes[_n]%{{n_pre}} - _first;
        if (_b >= 0 && _b < {{batch}} && _i >= 0 && _i < 32)
            atomicOr(&_spiked[_b], 1u << _i);
    }
    __syncthreads();
    const int _j = blockIdx.x*{{_threads}} + threadIdx.x;
    const {{T}} _rate = _rates[_r]/{{batch}};
    if (_j >= {{n_post}} || _rate == 0)
        return;
    const {{T}}* _factor = _post + (size_t)_r*{{batch*n_post}} + _j;
    for (int _i = 0; _i < 32; _i++)
    {
        {{T}} _sum = 0;
        bool _any = false;
        for (int _b = 0; _b < {{batch}}; _b++)
            if (_spiked[_b] >> _i & 1)
            {
                _sum += _factor[(size_t)_b*{{n_post}}];
                _any = true;
            }
        if (!_any)
            continue;
        {{T}}& _weight = _w[((size_t)_r*{{n_pre}} + _first + _i)*{{n_post}} + _j];
        const {{T}} _new = _weight + _rate*_sum;
        _weight = {{'_new < _low ? _low : _new > _high ? _high : _new' if bounded else '_new'}};
    }
}
{% endif %}
{% endblock %}
{% block launch %}
    const int32_t* _spikes = {{_device('_spikes')}}[current_idx{{_host('_spikes')}}];
    const dim3 _grid({{replicates*batch}}, {{_blocks(n_post)}});
    _run_kernel_{{codeobj_name}}<<<_grid, {{_threads}}>>>(
        _spikes, {{_device('w')}}, {{_device('_target')}});
    {% if plastic %}
    bool _on = true;
    {% if gated %}
    const int64_t _p = {{_host('_presentation')}}[0];
    _on = {{_host('_learning')}}[_p];
    {% endif %}
    {% if windowed %}
    const int64_t _since = {{_host('t_in_timesteps')}}[0] - {{_host('_onset')}}[_p];
    _on = _on && _since >= {{_host('window_start')}}[0] && _since < {{_host('window_stop')}}[0];
    {% endif %}
    if (_on)
    {
        const dim3 _tiles({{_blocks(n_post)}}, {{(n_pre + 31)//32}}, {{replicates}});
        _run_learning_{{codeobj_name}}<<<_tiles, {{_threads}}>>>(
            _spikes, {{_device('w')}}, {{_device('_post')}}, {{_device('learning_rate')}}
            {%- if bounded %}, {{_host('w_min')}}[0], {{_host('w_max')}}[0]{% endif %});
    }
    {% endif %}
{% endblock %}
