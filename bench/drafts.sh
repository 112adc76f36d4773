#!/bin/sh
# What drafts bring, and what they cost: the bounds of drafts (docs/spec/drafts.md), by pairs of runs. A line a measure, told as it ends:
#
#     code       an agent's file that comes again with small changes, --draft ngram against off, with the routes of a trace where the model takes them
#     json       an answer under a schema, --draft ngram and auto against off: what the schema forces is drafted; routes likewise
#     off        --draft auto against off, each of TEXTS, each of BUDGETS budgets from the smallest to everything resident: where it is sure by
#                the interval, the bound holds or fails, and a last line counts them; of six lines and more their median is told, by
#                which many lines of few pairs say more than each of them can. It is asked of every architecture: run it with a model
#                of experts, a dense one, one with recurrent states and one with a layer that predicts
#     k          --draft auto against --draft SOURCE with each --draft-max of KS, each text: the best fixed number beside the choice
#     mtp        --draft mtp with a coin that lets RATES per cent of the drafts hold, for each of LAYER_KS drafts: tokens a second relative to
#                off, and (1 + expected accepted) / relative step cost, whose cost is measured with drafts that never hold
#     model      --draft DRAFTER, a second model, against off, each text, and with a coin of RATES
#     table      without pairs, for MINUTES: each of TEXTS (code, chat, json, random ids) with off, auto, SOURCE of each of KS and off
#                again, by turns. A line a text: tokens a second without drafts; off to itself, which is how far figures of this machine
#                can be believed; auto to off; the best fixed number, and auto to that
#
#     sh bench/drafts.sh MODEL.gguf [MEASURE...]        without one all that the model can but table: mtp is of those with a layer that
#                                                       predicts, model where DRAFTER is set
#     LINES=16 ITEMS=1 N=48 KS=4 MINUTES=15 FLAGS='--reader buffered' sh bench/drafts.sh MODEL.gguf table      six rounds of 5 GB, at 30 tokens/s
#     TEXTS=random BUDGETS=1 N=256 PAIRS=12 BENCH='--effect 100' sh bench/drafts.sh MODEL.gguf off             one line of off, as long
#
# What a run takes is loading and 65 tokens of warming up, more where experts stream, beside its own: of 5 GB some 4 s, and tokens at their speed. Off
# has three runs a line and 4 to 6 of PAIRS (4 with --effect 100: its bound is decided by the interval alone), table a round of 3 and KS a text.
#
# PAIRS (10, at least 5), RUNS (1) repetitions in each, N (128) tokens of an answer, FLAGS for both sides, BENCH for both too, of bench alone
# (--effect, --steal, --no-warmup), BUDGETS (4; 20 are asked), TEXTS of off and of k (code chat prose random; code prose; also json: in random ids nothing repeats) and
# of table (code chat json random), KS (1 2 4 8 16),
# SOURCE (ngram; or mtp), LAYER_KS (1 2 3 4), RATES (50 70 90), DRAFTER (FILE.gguf), MEMORY (of all but off), ROUTES (a trace; the data's own
# for 48 layers of 128 experts), LINES (of the file; all), ITEMS (of the JSON; 12), MINUTES (10; of table, which ends with a whole round, and
# has one at least), LOG (adds the pairs to this file), STOKER (build/stoker). A line is the median of the pairs' ratios of speeds, its interval,
# the pairs, and the verdict of bench; of table the median of the rounds' ratios and the interval that holds it 95 times in 100, for which six
# rounds are needed. A run that fails is told, the others go on, and the status is 1. Models of random weights: tools/mkgguf.py --shape qwen3-30b-a3b, and --shape qwen35moe-35b-a3b --nextn 1;
# their answers are texts that are given, so what is measured is what drafts cost and bring, not how often a model would say what is drafted.
# Their own vocabulary has tokens of one or two letters, which repeat more often than words do, so that code goes on elsewhere than where it
# stood: --tokenizer build/data/tokenizers/vocab/qwen3.gguf gives them one of words.
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
. bench/median.sh
[ $# -gt 0 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit 2; }
model=$1
shift
stoker=${STOKER:-build/stoker} n=${N:-128} rates=${RATES:-50 70 90} ks=${KS:-1 2 4 8 16} layer_ks=${LAYER_KS:-1 2 3 4} source=${SOURCE:-ngram} budgets=${BUDGETS:-4}
minutes=${MINUTES:-10} items=${ITEMS:-12}
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
field() { tr ',{}' '\n\n\n' | sed -n "s/^ *\"$1\": *\"\{0,1\}\([-A-Za-z0-9.+ ]*\)\"\{0,1\}\$/\1/p" | head -n 1; } # field NAME: of JSON at stdin

# ---- texts --------------------------------------------------------------------------------------------------------------------
# A file and the same with small changes: names, a number, a line that is new, one that is gone.
file=$work/file
head -n "${LINES:-9999}" src/engine/draft/forced.c >"$file"
sed -e 's/bytes_of/size_of/g' -e 's/FIRST = 8/FIRST = 16/' -e '/^enum { WORK_OF_BYTE/a\
enum { RECENT = 16 };' -e '/^#include <string.h>/d' "$file" >"$work/changed"
tokens() { "$stoker" tokenize "$model" --no-parse-special <"$1" 2>/dev/null | wc -w; }
cat "$file" "$work/changed" >"$work/code"
# A text that repeats little: this repository's own words.
cat docs/spec/drafts.md docs/spec/streaming.md >"$work/prose"
# What people ask and are told.
cat >"$work/chat" <<'END'
User: I planted tomatoes in two pots on my balcony in April. The leaves of one of them have turned yellow from the bottom up. What did I do wrong?
Assistant: Probably nothing that cannot be mended. When old leaves turn yellow first, the plant moves nitrogen from them to new growth, which happens
when a pot is small, when rain has washed the soil out, or when roots stand in water. Lift the pot: if it is heavy two days after you watered it, let it
dry until the upper three centimetres are dry, and make sure that the hole at the bottom is free. If it is light, water in the morning until some
comes out below, and give a liquid fertiliser at half the strength that the label says, once a week.
User: It is heavy, and the saucer is full of water. The other one stands on bricks and looks fine.
Assistant: Then that is the cause: roots without air cannot take up what the soil holds. Empty the saucer, put this pot on bricks as well, and wait
with water and fertiliser until it feels light. Take off the yellow leaves, they will not become green again. New ones should look healthy within ten
days; if the youngest turn pale between their veins, ask again, for that would be a lack of iron and calls for something else. In August, when fruits
are large, both of them will need water every day, and a hot week may ask for it twice.
END
depth_of() { [ "$1" = code ] && echo "$before" || echo 64; } # depth_of TEXT: what is read before the answer
# what_of TEXT: how bench is told of it; random: ids by chance, of which no two places are alike
what_of() {
    case $1 in
    json) echo "-n $answer --text $work/json --schema $work/schema" ;;
    random) echo "-n $n -d 64" ;;
    *) echo "-n $n -d $(depth_of "$1") --text $work/$1 --in-order" ;;
    esac
}
cat >"$work/schema" <<END
{"type": "array", "minItems": $items, "maxItems": $items, "items": {"type": "object", "additionalProperties": false,
 "properties": {"customer_identifier": {"type": "integer"}, "shipping_address_line": {"type": "string", "maxLength": 20},
  "is_returning_customer": {"type": "boolean"}, "preferred_payment_method": {"enum": ["invoice", "credit card", "bank transfer"]}},
 "required": ["customer_identifier", "shipping_address_line", "is_returning_customer", "preferred_payment_method"]}}
END
awk -v n="$items" 'BEGIN {
    split("invoice,credit card,bank transfer", pay, ","); split("Elm Street,Harbour Road,Mill Lane,High Street", road, ",")
    printf "["
    for (i = 1; i <= n; i++)
        printf "%s{\"customer_identifier\":%d,\"shipping_address_line\":\"%d %s\",\"is_returning_customer\":%s,\"preferred_payment_method\":\"%s\"}",
            (i > 1 ? "," : ""), 4000 + 37 * i, 3 * i, road[i % 4 + 1], (i % 3 ? "true" : "false"), pay[i % 3 + 1]
    printf "]"
}' >"$work/json"
before=$(tokens "$file") answer=$(tokens "$work/json")
[ "$before" -gt 0 ] || { echo "bench/drafts.sh: $model has no tokens for $file" >&2 && exit 1; }

routes=${ROUTES:-${BUILD:-build}/data/traces/syn-q3moe-128k8.strt}
"$stoker" bench "$model" --no-roofs --no-warmup -p 0 -n 1 -r 1 --routes "$routes" >/dev/null 2>&1 || routes=
echo "routes: ${routes:-those that the model has by itself}" >&2
memory=${MEMORY:+--memory $MEMORY}

# ---- pairs --------------------------------------------------------------------------------------------------------------------
# pairs LABEL A B ARGUMENT...: B's flags against A's
pairs() {
    label=$1 a=$2 b=$3
    shift 3
    # shellcheck disable=SC2086
    "$stoker" bench "$model" --no-roofs -p 0 -r "${RUNS:-1}" --pairs "${PAIRS:-10}" --effect 2 ${LOG:+--log "$LOG"} ${FLAGS:-} ${BENCH:-} "$@" $a \
        --against "$b" -o jsonl >"$work/row" 2>"$work/err" || {
        sed "s|^|$label: |" "$work/err" >&2
        failed=1
        return 1
    }
    get() { field "$1" <"$work/row"; }
    inverse() { awk -v r="$(get "$1")" 'BEGIN { print 1 / r }'; } # the ratio is of seconds
    speed=$(inverse ratio) slowest=$(inverse high) fastest=$(inverse low)
    printf '%-44s %.3f [%.3f, %.3f] times as fast, %s pairs: %s\n' "$label" "$speed" "$slowest" "$fastest" "$(get pairs)" "$(get verdict)"
}

code() {
    # shellcheck disable=SC2086
    pairs "code, ngram to off" "--draft off" "--draft ngram" -n "$n" -d "$before" --text "$work/code" --in-order $memory ${routes:+--routes "$routes"}
}

json() {
    for draft in ngram auto; do
        # shellcheck disable=SC2086
        pairs "json, $draft to off" "--draft off" "--draft $draft" -n "$answer" --text "$work/json" --schema "$work/schema" $memory \
            ${routes:+--routes "$routes"}
    done
}

# Budgets are those without drafts: whoever has them has them with auto. The last one has memory for all drafts too.
off() {
    longest=$((before + n > answer ? before + n : answer))
    for draft in off auto; do
        # shellcheck disable=SC2086
        "$stoker" plan "$model" ${FLAGS:-} --ctx $((longest + 80)) --memory max --draft $draft --json >"$work/$draft.plan" || { failed=1 && return; }
    done
    least=$(field minimum <"$work/off.plan") all=$(field whole <"$work/auto.plan")
    : >"$work/off"
    for text in ${TEXTS:-code chat prose random}; do
        for i in $(seq 0 $((budgets - 1))); do
            more=$(awk -v a="$least" -v b="$all" -v i="$i" -v n="$budgets" 'BEGIN { printf "%.0f", 1.01 * (n > 1 ? a + (b - a) * i / (n - 1) : b) }')
            # shellcheck disable=SC2046,SC2086
            pairs "$text at $((more >> 20)) MiB, auto to off" "--draft off" "--draft auto" $(what_of "$text") --memory "$more" \
                ${routes:+--routes "$routes"} && echo "$speed $slowest $fastest $text at $((more >> 20)) MiB" >>"$work/off"
        done
    done
    awk -v bound=0.98 "$median_awk"'
        {
            all[NR] = $1
            holds += $2 >= bound
            fails += $3 < bound
            if (NR == 1 || $1 < least) {
                least = $1
                where = $0
                sub(/^[^ ]* [^ ]* [^ ]* /, "", where)
            }
        }
        END {
            if (!NR)
                exit
            printf "auto to off, %.2f at least: of %d %d hold, %d fail, %d are not decided; the least %.3f (%s)\n", bound, NR, holds, fails,
                NR - holds - fails, least, where
            m = median(all, NR)
            k = place(NR)
            if (k)
                printf "the median of the %d lines: %.3f [%.3f, %.3f]\n", NR, m, all[k], all[NR + 1 - k]
        }' "$work/off"
}

k() {
    for text in ${TEXTS:-code prose}; do
        for most in $ks; do
            # shellcheck disable=SC2046,SC2086
            pairs "$text, auto to $source of $most" "--draft $source --draft-max $most" "--draft auto" $(what_of "$text") $memory
        done
        # shellcheck disable=SC2046,SC2086
        pairs "$text, auto to off" "--draft off" "--draft auto" $(what_of "$text") $memory
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

# ---- all settings by turns -----------------------------------------------------------------------------------------------------
# rate_of TEXT SETTING: a line of it in $work/rates; ROUND TEXT SETTING TOKENS-A-SECOND DRAFTED HELD
rate_of() {
    case $2 in
    off | again) draft="--draft off" ;;
    auto) draft="--draft auto --draft-max ${ks##* }" ;;
    *) draft="--draft $source --draft-max $2" ;;
    esac
    label="$1 $2"
    # shellcheck disable=SC2046,SC2086
    "$stoker" bench "$model" --no-roofs -p 0 -r "${RUNS:-1}" ${FLAGS:-} ${BENCH:-} $memory ${routes:+--routes "$routes"} $(what_of "$1") $draft -o jsonl \
        >"$work/row" 2>"$work/err" || {
        sed "s|^|$label: |" "$work/err" >&2
        failed=1
        return
    }
    echo "$round $label $(field median_ts <"$work/row") $(field drafted_tokens <"$work/row") $(field accepted_tokens <"$work/row")" >>"$work/rates"
}

table() {
    begun=$(date +%s) round=0 settings="off auto $ks again" texts=${TEXTS:-code chat json random}
    : >"$work/rates"
    while
        round=$((round + 1))
        for text in $texts; do
            for setting in $settings; do
                rate_of "$text" "$setting"
            done
        done
        spent=$(($(date +%s) - begun))
        echo "round $round: $spent s" >&2
        [ $((spent + spent / round)) -le $((60 * minutes)) ]
    do
        settings=$(echo "$settings" | awk '{ for (i = NF; i > 0; i--) printf "%s ", $i }') # there and back again
    done
    awk -v source="$source" -v ks="$ks" -v texts="$texts" "$median_awk"'
        # of the rounds that have both: sets low and high
        function ratio(text, x, y,   r, n, a, m, k) {
            for (r = 1; r <= rounds; r++)
                if ((r, text, x) in rate && (r, text, y) in rate)
                    a[++n] = rate[r, text, x] / rate[r, text, y]
            if (!n)
                return 0
            m = median(a, n)
            k = place(n)
            low = k ? a[k] : 0
            high = k ? a[n + 1 - k] : 9.999
            return m
        }
        function span() { return high > 9 ? "(?)" : sprintf("(%.3f-%.3f)", low, high) }
        function verdict(bound) { return low >= bound ? "holds" : high < bound ? "FAILS" : "open" }
        {
            rounds = $1
            rate[$1, $2, $3] = $4
            sum[$2, $3] += $4
            seen[$2, $3]++
            drafted[$2, $3] += $5
            held[$2, $3] += $6
        }
        END {
            n = split(texts, name, " ")
            n_k = split(ks, k, " ")
            printf "%-7s %9s  %-20s %-26s %-22s %-26s %s\n", "text", "off, t/s", "off to itself", "auto to off", "best fixed to off",
                "auto to the best", "auto: held of drafted"
            for (i = 1; i <= n; i++) {
                text = name[i]
                best = "off"
                most = 1
                for (j = 1; j <= n_k; j++)
                    if ((now = ratio(text, k[j], "off")) > most) {
                        most = now
                        best = k[j]
                    }
                if (!seen[text, "off"] || !seen[text, "auto"]) {
                    printf "%-7s not measured\n", text
                    continue
                }
                same = ratio(text, "again", "off")
                itself = sprintf("%.3f %s", same, span())
                of_off = ratio(text, "auto", "off")
                first = sprintf("%.3f %s %s", of_off, span(), verdict(0.98))
                second = sprintf("%.3f, %s", most, best == "off" ? "off" : source " of " best)
                of_best = ratio(text, "auto", best)
                third = sprintf("%.3f %s %s", of_best, span(), verdict(0.95))
                printf "%-7s %9.2f  %-20s %-26s %-22s %-26s %d of %d\n", text, sum[text, "off"] / seen[text, "off"], itself, first, second,
                    third, held[text, "auto"], drafted[text, "auto"]
            }
            printf "%d rounds; bounds: auto to off 0.98 at least, auto to the best fixed number (none is one of them) 0.95; ", rounds
            print "open: the interval has the bound in it" (place(rounds) ? "" : ", for which there are too few rounds, six at least")
        }' "$work/rates"
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
    code | json | off | k | mtp | model | table) "$measure" ;;
    *) echo "bench/drafts.sh: $measure: code, json, off, k, mtp, model and table are measured" >&2 && exit 2 ;;
    esac
done
exit $failed
