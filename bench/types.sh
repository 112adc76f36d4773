#!/bin/sh
# Speed of whole models by block type, beside other engines: for each type a model of random weights is made outside the checkout,
# measured, and removed. Prints a table in Markdown; what its cells mean, and the other settings, stand in bench/beside.sh.
#
#     sh bench/types.sh [--tier TIER] [NAME=]PEER_BENCH...       --tier: what `stoker bench --cpu-tier` gets
#
# TYPES (below), SHAPE (qwen3-30b-a3b), LAYERS (4). The largest takes 7 GB. TESTS (pp512 tg32): prompts ppN, answers tgN, each at a depth
# as ppN@DEPTH.
set -u
cd "$(dirname "$0")/.." || exit 1
. bench/beside.sh
types=${TYPES:-q4_k_m q8_0 q4_0 q5_0 q5_k q6_k q3_k q2_k iq4_xs iq4_nl iq3_xxs iq3_s iq2_xxs iq2_xs iq2_s iq1_s iq1_m tq1_0 tq2_0 mxfp4 nvfp4
    q4_1 q5_1 q1_0 bf16 f16 ud_q4_k_xl ud_q2_k_xl}
tests=${TESTS:-pp512 tg32}
for test in $tests; do
    size=${test#pp} size=${size#tg}
    case $size in
    "$test" | *[!0-9@]* | '' | *@*@* | @* | *@) echo "$0: TESTS: $test is neither ppN nor tgN, nor one of them with @DEPTH" >&2 && exit 2 ;;
    esac
done
engines "$@"
# shellcheck disable=SC2086 # words
begin_table type $tests
set --
depths=$(for test in $tests; do case $test in *@*) echo "${test#*@}" ;; *) echo 0 ;; esac done | sort -nu)
for depth in $depths; do
    prompts= answers=
    for test in $tests; do
        case $test in *@*) at=${test#*@} ;; *) at=0 ;; esac
        [ "$at" = "$depth" ] || continue
        size=${test%@*}
        case $size in pp*) prompts=$prompts,${size#pp} ;; *) answers=$answers,${size#tg} ;; esac
    done
    prompts=${prompts#,} answers=${answers#,}
    set -- "$@" "-p ${prompts:-0} -n ${answers:-0}$([ "$depth" = 0 ] || echo " -d $depth")"
done
for type in $types; do
    make_model "${SHAPE:-qwen3-30b-a3b}" --layers "${LAYERS:-4}" --type "$type"
    add_row "$type" "$@"
done
end_table "${SHAPE:-qwen3-30b-a3b}, ${LAYERS:-4} layers"
