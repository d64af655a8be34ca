{# Each neuron that spikes adds its column of weights to the target, and the rest costs nothing:    #}
{#   target[r, b] += w[r, i];  then, with a rule,  w[r, i] += (rate/B) post[r, b]                   #}
{# Weights are stored [r, i, j], so that the column of a presynaptic neuron i lies in one piece.    #}
{# USES_VARIABLES { w, t_in_timesteps, _spikes, _target } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    {% set T = c_data_type(variables['w'].dtype) %}
    const int32_t* _space = {{get_array_name(variables['_spikes'])}};
    {% if plastic %}
    bool _on = true;
    {% if gated %}
    const int64_t _p = {{get_array_name(variables['_presentation'])}}[0];
    _on = {{get_array_name(variables['_learning'])}}[_p];
    {% endif %}
    {% if windowed %}
    const int64_t _since = {{get_array_name(variables['t_in_timesteps'])}}[0] - {{get_array_name(variables['_onset'])}}[_p];
    _on = _on && _since >= {{get_array_name(variables['window_start'])}}[0] && _since < {{get_array_name(variables['window_stop'])}}[0];
    {% endif %}
    {% endif %}
    for (int _n = 0; _n < _space[{{replicates*batch*n_pre}}]; _n++)
    {
        const int _row = _space[_n]/{{n_pre}}, _i = _space[_n]%{{n_pre}}, _r = _row/{{batch}};
        const {{T}}* __restrict _w = {{get_array_name(variables['w'])}} + ((size_t)_r*{{n_pre}} + _i)*{{n_post}};
        {{T}}* __restrict _y = {{get_array_name(variables['_target'])}} + (size_t)_row*{{n_post}};
        for (int _j = 0; _j < {{n_post}}; _j++)
            _y[_j] += _w[_j];
    }
    {% if plastic %}
    for (int _n = 0; _on && _n < _space[{{replicates*batch*n_pre}}]; _n++)
    {
        const int _row = _space[_n]/{{n_pre}}, _i = _space[_n]%{{n_pre}}, _r = _row/{{batch}};
        const {{T}} _rate = {{get_array_name(variables['learning_rate'])}}[_r]{{'' if batch == 1 else '/%d' % batch}};
        const {{T}}* __restrict _e = {{get_array_name(variables['_post'])}} + (size_t)_row*{{n_post}};
        {{T}}* __restrict _w = {{get_array_name(variables['w'])}} + ((size_t)_r*{{n_pre}} + _i)*{{n_post}};
        if (_rate == 0)
            continue;
        for (int _j = 0; _j < {{n_post}}; _j++)
            _w[_j] += _rate*_e[_j];
    }
    {% if bounded %}
    const {{T}} _low = {{get_array_name(variables['w_min'])}}[0], _high = {{get_array_name(variables['w_max'])}}[0];
    for (int _n = 0; _on && _n < _space[{{replicates*batch*n_pre}}]; _n++)
    {
        const int _row = _space[_n]/{{n_pre}}, _i = _space[_n]%{{n_pre}}, _r = _row/{{batch}};
        {{T}}* __restrict _w = {{get_array_name(variables['w'])}} + ((size_t)_r*{{n_pre}} + _i)*{{n_post}};
        if ({{get_array_name(variables['learning_rate'])}}[_r] != 0)
            for (int _j = 0; _j < {{n_post}}; _j++)
                _w[_j] = _w[_j] < _low ? _low : _w[_j] > _high ? _high : _w[_j];
    }
    {% endif %}
    {% endif %}
{% endblock %}
