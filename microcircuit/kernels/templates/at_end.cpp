{# Evaluate an expression for each neuron in the last step of presentations that are learnt from. #}
{# USES_VARIABLES { N, t_in_timesteps, _presentation, _onset, _learning, _result } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    const int64_t _p = {{get_array_name(variables['_presentation'])}}[0];
    if (!{{get_array_name(variables['_learning'])}}[_p] || {{get_array_name(variables['t_in_timesteps'])}}[0] != {{get_array_name(variables['_onset'])}}[_p + 1] - 1)
        return;
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    for (int _idx = 0; _idx < N; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        {{get_array_name(variables['_result'])}}[_idx] = _value;
    }
{% endblock %}
