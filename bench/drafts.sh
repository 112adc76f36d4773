#!/bin/sh
# What drafts bring, and what they cost: the bounds of drafts (docs/spec/drafts.md), by pairs of runs. A line a measure, told as it ends:
#
#     code       an agent's file that comes again with small changes, --draft ngram against off, recorded routes where the model takes them
#     json       an answer under a schema, --draft ngram against off: what the schema forces is drafted
#     off        --draft auto against off, each text, each of BUDGETS budgets from the smallest to everything resident
#     k          --draft auto against --draft SOURCE with each --draft-max of KS, each text: the best fixed number beside the choice
#     mtp        --draft mtp with a coin that lets RATES per cent of the drafts hold, for each of LAYER_KS drafts: tokens a second relative to
#                off, and (1 + expected accepted) / relative step cost, whose cost is measured with drafts that never hold
#     model      --draft DRAFTER, a second model, against off, each text, and with a coin of RATES
#
#     sh bench/drafts.sh MODEL.gguf [MEASURE...]        without one all that the model can: mtp is of those with a layer that predicts, model
#                                                       where DRAFTER is set
#
# PAIRS (10, at least 5), RUNS (1) repetitions in each, N (128) tokens of an answer, FLAGS for both sides, BUDGETS (4; 20 are asked), KS (1 2 4 8),
# SOURCE (ngram; or mtp), LAYER_KS (1 2 3 4), RATES (50 70 90), DRAFTER (FILE.gguf), MEMORY (of all but off), ROUTES (a trace; the data's own
# for 48 layers of 128 experts), LOG (adds the pairs to this file), STOKER (build/stoker). A line is the median of the pairs' ratios of speeds,
# its interval, the pairs, and the verdict of bench. A run that fails is told, the others go on, and the status is 1. Models of random
# weights: tools/mkgguf.py --shape qwen3-30b-a3b, and --shape qwen35moe-35b-a3b --nextn 1; their answers are texts that are given, so what
# is measured is what drafts cost and bring, not how often a model would say what is drafted.
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
[ $# -gt 0 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit 2; }
model=$1
shift
stoker=${STOKER:-build/stoker} n=${N:-128} rates=${RATES:-50 70 90} ks=${KS:-1 2 4 8} layer_ks=${LAYER_KS:-1 2 3 4} source=${SOURCE:-ngram} budgets=${BUDGETS:-4}
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
field() { tr ',{}' '\n\n\n' | sed -n "s/^ *\"$1\": *\"\{0,1\}\([-A-Za-z0-9.+ ]*\)\"\{0,1\}\$/\1/p" | head -n 1; } # field NAME: of JSON at stdin

# ---- texts --------------------------------------------------------------------------------------------------------------------
# A file and the same with small changes: names, a number, a line that is new, one that is gone.
file=src/engine/draft/forced.c
sed -e 's/bytes_of/size_of/g' -e 's/FIRST = 8/FIRST = 16/' -e '/^enum { WORK_OF_BYTE/a\
enum { RECENT = 16 };' -e '/^#include <string.h>/d' "$file" >"$work/changed"
tokens() { "$stoker" tokenize "$model" --no-parse-special <"$1" 2>/dev/null | wc -w; }
cat "$file" "$work/changed" >"$work/code"
# A text that repeats little: this repository's own words.
cat docs/spec/drafts.md docs/spec/streaming.md >"$work/prose"
depth_of() { [ "$1" = code ] && echo "$before" || echo 64; } # depth_of TEXT: what is read before the answer
cat >"$work/schema" <<'END'
{"type": "array", "minItems": 12, "maxItems": 12, "items": {"type": "object", "additionalProperties": false,
 "properties": {"customer_identifier": {"type": "integer"}, "shipping_address_line": {"type": "string", "maxLength": 20},
  "is_returning_customer": {"type": "boolean"}, "preferred_payment_method": {"enum": ["invoice", "credit card", "bank transfer"]}},
 "required": ["customer_identifier", "shipping_address_line", "is_returning_customer", "preferred_payment_method"]}}
END
awk 'BEGIN {
    split("invoice,credit card,bank transfer", pay, ","); split("Elm Street,Harbour Road,Mill Lane,High Street", road, ",")
    printf "["
    for (i = 1; i <= 12; i++)
        printf "%s{\"customer_identifier\":%d,\"shipping_address_line\":\"%d %s\",\"is_returning_customer\":%s,\"preferred_payment_method\":\"%s\"}",
            (i > 1 ? "," : ""), 4000 + 37 * i, 3 * i, road[i % 4 + 1], (i % 3 ? "true" : "false"), pay[i % 3 + 1]
    printf "]"
}' >"$work/json"
before=$(tokens "$file")
[ "$before" -gt 0 ] || { echo "bench/drafts.sh: $model has no tokens for $file" >&2 && exit 1; }

routes=${ROUTES:-${BUILD:-build}/data/traces/syn-q3moe-128k8.strt}
"$stoker" bench "$model" --no-roofs --no-warmup -p 0 -n 1 -r 1 --routes "$routes" >/dev/null 2>&1 || routes=
memory=${MEMORY:+--memory $MEMORY}

# ---- pairs --------------------------------------------------------------------------------------------------------------------
# pairs LABEL A B ARGUMENT...: B's flags against A's
pairs() {
    label=$1 a=$2 b=$3
    shift 3
    # shellcheck disable=SC2086
    "$stoker" bench "$model" --no-roofs -p 0 -r "${RUNS:-1}" --pairs "${PAIRS:-10}" --effect 2 ${LOG:+--log "$LOG"} ${FLAGS:-} "$@" $a \
        --against "$b" -o jsonl >"$work/row" 2>"$work/err" || {
        sed "s|^|$label: |" "$work/err" >&2
        failed=1
        return 1
    }
    get() { field "$1" <"$work/row"; }
    speed=$(awk -v r="$(get ratio)" 'BEGIN { print 1 / r }') # the ratio is of seconds
    printf '%-44s %.3f [%.3f, %.3f] times as fast, %s pairs: %s\n' "$label" "$speed" "$(awk -v r="$(get high)" 'BEGIN { print 1 / r }')" \
        "$(awk -v r="$(get low)" 'BEGIN { print 1 / r }')" "$(get pairs)" "$(get verdict)"
}

code() {
    # shellcheck disable=SC2086
    pairs "code, ngram to off" "--draft off" "--draft ngram" -n "$n" -d "$before" --text "$work/code" --in-order $memory ${routes:+--routes "$routes"}
}

json() {
    # shellcheck disable=SC2086
    pairs "json, forced to off" "--draft off" "--draft ngram" -n "$(tokens "$work/json")" --text "$work/json" --schema "$work/schema" $memory
}

off() {
    "$stoker" plan "$model" --ctx $((before + n + 16)) --draft auto --json >"$work/plan" || { failed=1 && return; }
    least=$(field minimum <"$work/plan") all=$(field whole <"$work/plan")
    for text in code prose; do
        for i in $(seq 0 $((budgets - 1))); do
            more=$(awk -v a="$least" -v b="$all" -v i="$i" -v n="$budgets" 'BEGIN { printf "%.0f", 1.02 * (n > 1 ? a + (b - a) * i / (n - 1) : b) }')
            # shellcheck disable=SC2046
            pairs "$text at $((more >> 20)) MiB, auto to off" "--draft off" "--draft auto" -n "$n" -d $(depth_of $text) --text "$work/$text" \
                --in-order --memory "$more"
        done
    done
}

k() {
    for text in code prose; do
        for most in $ks; do
            # shellcheck disable=SC2046,SC2086
            pairs "$text, auto to $source of $most" "--draft $source --draft-max $most" "--draft auto --draft-max 8" -n "$n" -d $(depth_of $text) \
                --text "$work/$text" --in-order $memory
        done
        # shellcheck disable=SC2046,SC2086
        pairs "$text, auto to off" "--draft off" "--draft auto --draft-max 8" -n "$n" -d $(depth_of $text) --text "$work/$text" --in-order $memory
    done
}

# The same share of a k drafts holds: a + a^2 + ... + a^k are accepted.
mtp() {
    for most in $layer_ks; do
        # shellcheck disable=SC2086
        pairs "mtp of $most, none hold: cost of a step" "--draft mtp --draft-max $most --draft-coin 0" "--draft off" -n "$n" $memory || return
        cost=$speed
        for rate in $rates; do
            # shellcheck disable=SC2086
            pairs "mtp of $most, $rate % hold, to off" "--draft off" "--draft mtp --draft-max $most --draft-coin $rate" -n "$n" $memory || return
            awk -v a="$rate" -v k="$most" -v cost="$cost" -v speed="$speed" 'BEGIN {
                for (i = 1; i <= k; i++) accepted += (a / 100) ^ i
                printf "    (1 + %.3f) / %.3f = %.3f: measured %.2f of it\n", accepted, cost, (1 + accepted) / cost, speed * cost / (1 + accepted)
            }'
        done
    done
}

# Texts, and answers of which so many hold; a text's own drafts are the model's, as far as it would say them.
model() {
    [ -n "${DRAFTER:-}" ] || { echo "bench/drafts.sh: model needs DRAFTER=FILE.gguf, a second model" >&2 && exit 2; }
    for text in code prose; do
        # shellcheck disable=SC2046,SC2086
        pairs "$text, a second model to off" "--draft off" "--draft $DRAFTER" -n "$n" -d $(depth_of $text) --text "$work/$text" --in-order $memory
    done
    for rate in $rates; do
        # shellcheck disable=SC2086
        pairs "a second model, $rate % hold, to off" "--draft off" "--draft $DRAFTER --draft-coin $rate" -n "$n" $memory
    done
}

has_layer() { "$stoker" plan "$model" --draft mtp --json 2>/dev/null | grep -q '"draft_layer"'; }

for measure in "${@:-}"; do
    case $measure in
    '')
        code
        json
        off
        k
        if has_layer; then mtp; fi
        if [ -n "${DRAFTER:-}" ]; then model; fi
        ;;
    code | json | off | k | mtp | model) "$measure" ;;
    *) echo "bench/drafts.sh: $measure: code, json, off, k, mtp and model are measured" >&2 && exit 2 ;;
    esac
done
exit $failed
