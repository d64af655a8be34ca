{# Each neuron that spikes adds its column of weights to the target, and the rest costs nothing:    #}
{#   target[r, b] += w[r, i];  then, with a rule,  w[r, i] += (rate/B) post[r, b]                   #}
{# Weights are stored [r, i, j], so that the column of a presynaptic neuron i lies in one piece.    #}
{# USES_VARIABLES { w, t_in_timesteps, _spikes, _target } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    {% set T = c_data_type(variables['w'].dtype) %}
    {# Its body is run for each spike, of neuron _i in network _row of replicate _r, with weights _w. #}
    {% macro each_spike() %}
    for (int _n = 0; _n < _spikes[{{space}}]; _n++)
    {
        const int _row = _spikes[_n]/{{n_pre}}, _i = _spikes[_n]%{{n_pre}}, _r = _row/{{batch}};
        {{T}}* __restrict _w = {{get_array_name(variables['w'])}} + ((size_t)_r*{{n_pre}} + _i)*{{n_post}};
{{caller()}}
    }
    {% endmacro %}
    const int32_t* _spikes = {{get_array_name(variables['_spikes'])}};
    {% call each_spike() %}
        {{T}}* __restrict _y = {{get_array_name(variables['_target'])}} + (size_t)_row*{{n_post}};
        for (int _j = 0; _j < {{n_post}}; _j++)
            _y[_j] += _w[_j];
    {% endcall %}
    {% if plastic and not at_end %}
    {% if gated %}
    const int64_t _p = {{get_array_name(variables['_presentation'])}}[0];
    if (!{{get_array_name(variables['_learning'])}}[_p])
        return;
    {% endif %}
    {% if windowed %}
    const int64_t _since = {{get_array_name(variables['t_in_timesteps'])}}[0] - {{get_array_name(variables['_onset'])}}[_p];
    if (_since < {{get_array_name(variables['window_start'])}}[0] || _since >= {{get_array_name(variables['window_stop'])}}[0])
        return;
    {% endif %}
    {% call each_spike() %}
        const {{T}} _rate = {{get_array_name(variables['learning_rate'])}}[_r]{{'' if batch == 1 else '/%d' % batch}};
        const {{T}}* __restrict _e = {{get_array_name(variables['_post'])}} + (size_t)_row*{{n_post}};
        if (_rate != 0)
            for (int _j = 0; _j < {{n_post}}; _j++)
                _w[_j] += _rate*_e[_j];
    {% endcall %}
    {% if bounded %}
    const {{T}} _low = {{get_array_name(variables['w_min'])}}[0], _high = {{get_array_name(variables['w_max'])}}[0];
    {% call each_spike() %}
        if ({{get_array_name(variables['learning_rate'])}}[_r] != 0)
            for (int _j = 0; _j < {{n_post}}; _j++)
                _w[_j] = _w[_j] < _low ? _low : _w[_j] > _high ? _high : _w[_j];
    {% endcall %}
    {% endif %}
    {% endif %}
{% endblock %}
