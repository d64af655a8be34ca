{# A normal number for each neuron: see microcircuit/noise.py. The words are the same; the normal   #}
{# numbers made of them differ in their last bits, as log, sin and cos are CUDA's.                  #}
{# USES_VARIABLES { t_in_timesteps, _key, _normal } #}
{% extends 'own_kernel.cu' %}
{% block extra_device_helper %}
{% include 'philox.hpp' %}
{% endblock %}
{% block kernel %}
{% set T = c_data_type(variables['_normal'].dtype) %}
// A thread for each counter, which fills in four neurons.
__global__ void _run_kernel_{{codeobj_name}}(
    const int64_t* __restrict__ _keys, {{T}}* __restrict__ _normal, const int64_t _step)
{
    const int _counter = blockIdx.x*blockDim.x + threadIdx.x;
    if (_counter >= {{replicates*quarter}})
        return;
    const int _r = _counter/{{quarter}}, _first = _counter%{{quarter}};
    uint32_t _c0 = (uint32_t)_step, _c1 = (uint32_t)(_step >> 32), _c2 = _first, _c3 = {{stream}};
    philox::scramble(_c0, _c1, _c2, _c3, (uint32_t)_keys[_r], (uint32_t)(_keys[_r] >> 32));
    const double _lengths[2] = {
        sqrt(-2*log(philox::uniform<double>(_c0))), sqrt(-2*log(philox::uniform<double>(_c2)))};
    {# Where a circuit is in single precision, brian2cuda makes decimal numbers so as well. #}
    const double _half_turns[2] = {_c1*0x1p-31, _c3*0x1p-31};
    for (int _k = 0; _k < 4; _k++)
    {
        const int _neuron = _k*{{quarter}} + _first;
        const double _angle = _half_turns[_k/2];
        if (_neuron < {{neurons}})
            _normal[_r*{{neurons}} + _neuron] = _lengths[_k/2]*(_k%2 ? sinpi(_angle) : cospi(_angle));
    }
}
{% endblock %}
{% block launch %}
    _run_kernel_{{codeobj_name}}<<<{{_blocks(replicates*quarter)}}, {{_threads}}>>>(
        {{_device('_key')}}, {{_device('_normal')}}, {{_host('t_in_timesteps')}}[0]);
{% endblock %}
