{# What our kernels have in common: they are launched for sizes that are known here, on the default #}
{# stream, so all of them run in the order in which the host calls them. A child defines the blocks #}
{# `kernel` and `launch`. Decisions are the host's, from its arrays; what it changes there it also  #}
{# copies to the device, since brian2cuda copies all arrays back at the end of a run.               #}
{% set _threads = 256 %}
{% macro _host(key) %}{{get_array_name(variables[key], prefix='')}}{% endmacro %}
{% macro _device(key) %}{{get_array_name(variables[key], prefix='dev')}}{% endmacro %}
{% macro _blocks(count) %}{{(count + _threads - 1)//_threads}}{% endmacro %}
{% extends 'common_group.cu' %}
{% block define_N %}
{% endblock %}
{% block prepare_kernel %}
{% endblock %}
{% block kernel_call %}
    {% block launch %}
    {% endblock %}
    CUDA_CHECK_ERROR("_run_kernel_{{codeobj_name}}");
{% endblock %}
