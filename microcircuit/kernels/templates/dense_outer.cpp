{# The rule of a projection that carries spikes, in the last step of a presentation:               #}
{#   w += rate <post pre^T>,  with < > the average over the batch.                                 #}
{# Weights are stored [r, i, j]; presynaptic neurons that did nothing change none of theirs.       #}
{# USES_VARIABLES { w, t_in_timesteps, learning_rate, _post, _pre } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    {% set T = c_data_type(variables['w'].dtype) %}
    const int64_t _p = {{get_array_name(variables['_presentation'])}}[0];
    if (!{{get_array_name(variables['_learning'])}}[_p] || {{get_array_name(variables['t_in_timesteps'])}}[0] != {{get_array_name(variables['_onset'])}}[_p + 1] - 1)
        return;
    for (int _r = 0; _r < {{replicates}}; _r++)
    {
        const {{T}} _rate = {{get_array_name(variables['learning_rate'])}}[_r]{{'' if batch == 1 else '/%d' % batch}};
        if (_rate == 0)
            continue;
        for (int _i = 0; _i < {{n_pre}}; _i++)
        {
            {{T}}* __restrict _w = {{get_array_name(variables['w'])}} + ((size_t)_r*{{n_pre}} + _i)*{{n_post}};
            for (int _row = _r*{{batch}}; _row < (_r + 1)*{{batch}}; _row++)
            {
                const {{T}} _change = _rate*{{get_array_name(variables['_pre'])}}[_row*{{n_pre}} + _i];
                const {{T}}* __restrict _e = {{get_array_name(variables['_post'])}} + (size_t)_row*{{n_post}};
                if (_change != 0)
                    for (int _j = 0; _j < {{n_post}}; _j++)
                        _w[_j] += _change*_e[_j];
            }
            {% if bounded %}
            const {{T}} _low = {{get_array_name(variables['w_min'])}}[0], _high = {{get_array_name(variables['w_max'])}}[0];
            for (int _j = 0; _j < {{n_post}}; _j++)
                _w[_j] = _w[_j] < _low ? _low : _w[_j] > _high ? _high : _w[_j];
            {% endif %}
        }
    }
{% endblock %}
