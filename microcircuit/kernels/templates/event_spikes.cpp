{# Each neuron that spikes adds its weights, as they are after this step, to the target. #}
{# USES_VARIABLES { w, dt, t_in_timesteps, learning_rate, decay, current, held, origin, scale, sums, before, _spikes, _target, _presentation, _learning } #}
{% extends 'common_group.cpp' %}
{% from 'event_shared.cpp' import columns with context %}
{% block extra_headers %}
{% include 'event_columns.hpp' %}
{% endblock %}
{% block maincode %}
    const int64_t _step = {{get_array_name(variables['t_in_timesteps'])}}[0];
    const bool _learns = {{get_array_name(variables['_learning'])}}[{{get_array_name(variables['_presentation'])}}[0]];
    const int32_t* _list = {{get_array_name(variables['_spikes'])}};
    for (int _n = 0; _n < _list[{{space}}]; _n++)
    {
        const int _row = _list[_n]/{{n_pre}}, _i = _list[_n]%{{n_pre}}, _r = _row/{{batch}};
        auto _columns = {{columns('_r')}};
        if (_learns && {{get_array_name(variables['learning_rate'])}}[_r] != 0)
            _columns.advance(_i, _step + 1);
        const auto* __restrict _w = _columns.w + (size_t)_i*{{n_post}};
        auto* __restrict _y = {{get_array_name(variables['_target'])}} + (size_t)_row*{{n_post}};
        for (int _j = 0; _j < {{n_post}}; _j++)
            _y[_j] += _w[_j];
    }
{% endblock %}
