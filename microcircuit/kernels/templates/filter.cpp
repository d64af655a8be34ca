{# What arrived in the step before goes through a kernel, a difference of two exponentials that     #}
{# ends after K steps:  target = sum over k = 1..K of kernel(k dt) arrived(now - k dt).             #}
{# Each exponential e^(-k dt/tau) = d^k is a recursion that takes back what it forgets:             #}
{#   slow = d (slow + arrived) - d^(K+1) arrived_K_steps_earlier                                    #}
{# USES_VARIABLES { t_in_timesteps, _arrived, _target, _slow, _fast, _past, _decay, _forgotten, _scale } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    {% set T = c_data_type(variables['_slow'].dtype) %}
    const {{T}}* _decay = {{get_array_name(variables['_decay'])}};
    const {{T}}* _forgotten = {{get_array_name(variables['_forgotten'])}};
    const {{T}} _scale = {{get_array_name(variables['_scale'])}}[0];
    const {{T}} _slow_decay = _decay[0], _fast_decay = _decay[1];
    const {{T}} _slow_forgotten = _forgotten[0], _fast_forgotten = _forgotten[1];
    const size_t _slot = {{get_array_name(variables['t_in_timesteps'])}}[0] % {{memory}};
    for (int _r = 0; _r < {{replicates}}; _r++)
    {
        {{T}}* __restrict _now = {{get_array_name(variables['_arrived'])}} + _r*{{neurons}};
        {{T}}* __restrict _then = {{get_array_name(variables['_past'])}} + (_r*{{memory}} + _slot)*{{neurons}};
        {{T}}* __restrict _slow = {{get_array_name(variables['_slow'])}} + _r*{{neurons}};
        {{T}}* __restrict _fast = {{get_array_name(variables['_fast'])}} + _r*{{neurons}};
        {{T}}* __restrict _driven = {{get_array_name(variables['_target'])}} + _r*{{neurons}};
        for (int _i = 0; _i < {{neurons}}; _i++)
        {
            const {{T}} _s = _slow_decay*(_slow[_i] + _now[_i]) - _slow_forgotten*_then[_i];
            const {{T}} _f = _fast_decay*(_fast[_i] + _now[_i]) - _fast_forgotten*_then[_i];
            {# What rounding leaves would become denormal, and slow. #}
            _slow[_i] = std::abs(_s) <= {{T}}(1e-30) ? 0 : _s;
            _fast[_i] = std::abs(_f) <= {{T}}(1e-30) ? 0 : _f;
            _then[_i] = _now[_i];
            _now[_i] = 0;
            _driven[_i] {{'+=' if accumulate else '='}} _scale*(_slow[_i] - _fast[_i]);
        }
    }
{% endblock %}
