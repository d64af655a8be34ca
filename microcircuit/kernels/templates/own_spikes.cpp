{# Each spike arrives at the neuron that it comes from. #}
{# USES_VARIABLES { _space, _arrived } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    const int32_t* _spikes = {{get_array_name(variables['_space'])}};
    for (int _n = 0; _n < _spikes[{{room}}]; _n++)
        {{get_array_name(variables['_arrived'])}}[_spikes[_n]] += 1;
{% endblock %}
