{# A normal number for each neuron: see noise.hpp. #}
{# USES_VARIABLES { t_in_timesteps, _key, _normal } #}
{% extends 'common_group.cpp' %}
{% block extra_headers %}
{% include 'elementary.hpp' %}
{% include 'philox.hpp' %}
{% include 'noise.hpp' %}
{% endblock %}
{% block maincode %}
    {% set T = c_data_type(variables['_normal'].dtype) %}
    {# Keys are read once: they stay the same for as long as a program runs. #}
    static noise::Source<noise::Normal, {{T}}, {{replicates}}, {{neurons}}> _source({{get_array_name(variables['_key'])}});
    _source.fill({{get_array_name(variables['t_in_timesteps'])}}[0], {{stream}}, {{get_array_name(variables['_normal'])}});
{% endblock %}
