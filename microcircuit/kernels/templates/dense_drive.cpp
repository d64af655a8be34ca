{# target[r, b, j] (+)= sum_i w[r, j, i] signal[r, b, i]                       #}
{# USES_VARIABLES { w, _signal, _target } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    {% set T = c_data_type(variables['w'].dtype) %}
    for (int _r = 0; _r < {{replicates}}; _r++)
    {
        for (int _b = 0; _b < {{batch}}; _b++)
        {
            const size_t _row = (size_t)_r*{{batch}} + _b;
            const {{T}}* __restrict _x = {{get_array_name(variables['_signal'])}} + _row*{{n_pre}};
            {{T}}* __restrict _y = {{get_array_name(variables['_target'])}} + _row*{{n_post}};
            const {{T}}* __restrict _w = {{get_array_name(variables['w'])}} + (size_t)_r*{{n_post*n_pre}};
            for (int _j = 0; _j < {{n_post}}; _j++, _w += {{n_pre}})
            {
                {{T}} _sum = 0;
                for (int _i = 0; _i < {{n_pre}}; _i++)
                    _sum += _w[_i]*_x[_i];
                _y[_j] {{'+=' if accumulate else '='}} _sum;
            }
        }
    }
{% endblock %}
