{# What arrived in the step before is added to a response that decays; the target is given that. #}
{# USES_VARIABLES { _arrived, _target, _value, _decay, _gain } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    {% set T = c_data_type(variables['_value'].dtype) %}
    const {{T}} _left = {{get_array_name(variables['_decay'])}}[0];
    for (int _r = 0; _r < {{replicates}}; _r++)
    {
        const {{T}} _jump = {{get_array_name(variables['_gain'])}}[_r];
        {{T}}* __restrict _now = {{get_array_name(variables['_arrived'])}} + _r*{{neurons}};
        {{T}}* __restrict _response = {{get_array_name(variables['_value'])}} + _r*{{neurons}};
        {{T}}* __restrict _driven = {{get_array_name(variables['_target'])}} + _r*{{neurons}};
        for (int _i = 0; _i < {{neurons}}; _i++)
        {
            const {{T}} _new = _left*_response[_i] + _jump*_now[_i];
            {# Else it would become denormal, and slow. What is not a number stays so. #}
            _response[_i] = std::abs(_new) <= {{T}}(1e-30) ? 0 : _new;
            _now[_i] = 0;
            _driven[_i] {{'+=' if accumulate else '='}} _response[_i];
        }
    }
{% endblock %}
