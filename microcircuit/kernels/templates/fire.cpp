{# Integrate-and-fire: who is above a threshold spikes, is reset, and stays there for a while.     #}
{# USES_VARIABLES { _potential, _above, _reset, _space } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    {% set T = c_data_type(variables['_potential'].dtype) %}
    {% set which = '_i' if each else '0' %}
    {{T}}* __restrict _now = {{get_array_name(variables['_potential'])}};
    const {{T}}* __restrict _high = {{get_array_name(variables['_above'])}};
    const {{T}}* __restrict _low = {{get_array_name(variables['_reset'])}};
    int32_t* __restrict _spikes = {{get_array_name(variables['_space'])}};
    int _count = 0;
    {% if refractory %}
    {{T}}* __restrict _left = {{get_array_name(variables['_rest'])}};
    {% endif %}
    for (int _i = 0; _i < {{neurons}}; _i++)
    {
        {% if refractory %}
        const bool _resting = _left[_i] > 0;
        const bool _spiking = !_resting && _now[_i] > _high[{{which}}];
        _left[_i] = _spiking ? {{refractory}} : _resting ? _left[_i] - 1 : 0;
        _now[_i] = _resting || _spiking ? _low[{{which}}] : _now[_i];
        {% else %}
        const bool _spiking = _now[_i] > _high[{{which}}];
        _now[_i] = _spiking ? _low[{{which}}] : _now[_i];
        {% endif %}
        {# Without a branch, which could not be predicted; the entry after the last is overwritten. #}
        _spikes[_count] = _i;
        _count += _spiking;
    }
    _spikes[{{neurons}}] = _count;
{% endblock %}
