{# Poisson spikes: neuron i is listed as often as it spikes in this step.                         #}
{# Its number is the smallest k with uniform <= P(spikes <= k), so 0 where uniform <= exp(-mean).  #}
{# With a refractory period neurons spike once, and then rest.                                     #}
{# USES_VARIABLES { t_in_timesteps, dt, _rate, _space, _first_step, _key, _uniform, _silent, _known, _found } #}
{% extends 'common_group.cpp' %}
{% block extra_headers %}
{% include 'elementary.hpp' %}
{% include 'philox.hpp' %}
{% include 'noise.hpp' %}
{% endblock %}
{% block maincode %}
    {% set T = c_data_type(variables['_silent'].dtype) %}
    const int64_t _step = {{get_array_name(variables['t_in_timesteps'])}}[0];
    const {{T}} _dt = {{get_array_name(variables['dt'])}}[0];
    const {{T}}* __restrict _rates = {{get_array_name(variables['_rate'])}};
    {{T}}* __restrict _silent = {{get_array_name(variables['_silent'])}};
    {{T}}* __restrict _known = {{get_array_name(variables['_known'])}};
    {# The rates of inputs are constant in a presentation. #}
    if (_step == {{get_array_name(variables['_first_step'])}}[0] || memcmp(_rates, _known, {{replicates*neurons}}*sizeof({{T}})))
        for (int _i = 0; _i < {{replicates*neurons}}; _i++)
        {
            _known[_i] = _rates[_i];
            _silent[_i] = elementary::exp<{{T}}>(-_rates[_i]*_dt);
        }
    {# Keys are read once: they stay the same for as long as a program runs. #}
    static noise::Source<noise::Uniform, {{T}}, {{replicates}}, {{neurons}}> _source({{get_array_name(variables['_key'])}});
    _source.fill(_step, {{stream}}, {{get_array_name(variables['_uniform'])}});
    int32_t* _spikes = {{get_array_name(variables['_space'])}};
    int _count = 0;
    for (int _r = 0; _r < {{replicates}}; _r++)
    {
        const {{T}}* __restrict _uniform = {{get_array_name(variables['_uniform'])}} + _r*{{neurons}};
        const {{T}}* __restrict _quiet = _silent + _r*{{neurons}};
        int32_t* __restrict _found = {{get_array_name(variables['_found'])}};
        {# Who spikes at all is collected without a branch, which could not be predicted. #}
        int _spiking = 0;
        {% if refractory %}
        {{T}}* __restrict _rest = {{get_array_name(variables['_rest'])}} + _r*{{neurons}};
        for (int _i = 0; _i < {{neurons}}; _i++)
        {
            _found[_spiking] = _i;
            _spiking += _uniform[_i] > _quiet[_i] && _rest[_i] == 0;
            _rest[_i] = _rest[_i] > 0 ? _rest[_i] - 1 : 0;
        }
        for (int _n = 0; _n < _spiking; _n++)
        {
            _spikes[_count++] = _r*{{neurons}} + _found[_n];
            _rest[_found[_n]] = {{refractory}};
        }
        {% else %}
        for (int _i = 0; _i < {{neurons}}; _i++)
        {
            _found[_spiking] = _i;
            _spiking += _uniform[_i] > _quiet[_i];
        }
        for (int _n = 0; _n < _spiking; _n++)
        {
            const int _i = _found[_n];
            const double _mean = (double)_rates[_r*{{neurons}} + _i]*_dt;
            double _term = _quiet[_i], _below = _term;
            {# Rounded to single precision a number may be 1, which no sum reaches: the rest of the   #}
            {# series, less than the distance of numbers from each other, is left out.                #}
            for (int _k = 1; _uniform[_i] > _below && _count < {{room}}; _k++)
            {
                _spikes[_count++] = _r*{{neurons}} + _i;
                _term *= _mean/_k;
                _below += _term;
                if (_term < {{negligible}} && _k > _mean)
                    break;
            }
        }
        {% endif %}
    }
    _spikes[{{room}}] = _count;
{% endblock %}
