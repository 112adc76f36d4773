#!/bin/sh
# How far files of few bits are from the embedded model, beside llama-quantize's of the same bytes (docs/spec/quantize.md 8): each of the 16
# recipes of table B in BARS is written out of the model itself, with the importance that the peer collected, once with the gain and once
# without; `eval kld` over 72 chunks of the text tells the mean KL divergence. A table in Markdown on stdout, and the bars:
#
#     every file's tensors have the bytes of the peer's; the geometric mean of ours/theirs is at most 0.92, and no line is above 1.10
#
#     sh bench/kld_bars.sh [RECIPE...]      all by default
#
# STOKER (build/stoker), BUILD (build: its data), BARS (../shared/quantize/ember_bars.jsonl), THREADS (nproc), EFFORT (normal), GAINS ("on off").
# Grid types take minutes. Exit status 1: a bar is missed.
set -u
export STOKER_NO_CONFIG=1
cd "$(dirname "$0")/.." || exit 1
stoker=${STOKER:-build/stoker} data=${BUILD:-build}/data threads=${THREADS:-$(nproc)} effort=${EFFORT:-normal} gains=${GAINS:-on off}
bars=${BARS:-../shared/quantize/ember_bars.jsonl} model=models/ember/ember.gguf
rest=135040 # bytes of the peer's files that are no tensors
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# rules ATTENTION EMBEDDING GATE_AND_UP DOWN: of a mix
rules() { printf '_(gate|up)_exps\\.weight=%s\n_down_exps\\.weight=%s\n^token_embd\\.weight=%s\n=%s\n' "$3" "$4" "$2" "$1" >"$work/rules"; }
flags() { # flags RECIPE: how it is asked for
    case $1 in
    smol_q8_iq3s) rules q8_0 q6_k iq3_s iq3_s ;;
    smol_q8_q2k) rules q8_0 q6_k q2_k q3_k ;;
    smol_q8_iq2xs) rules q8_0 q6_k iq2_xs iq2_xs ;;
    smol_q4_iq2xs) rules q4_k q4_k iq2_xs iq2_xs ;;
    smol_*) echo "$1: a mix that is not known here" >&2 && exit 1 ;;
    *) echo "--type $1" && return ;;
    esac
    echo "--recipe $work/rules"
}
ours() { # ours RECIPE GAIN: tensor bytes, mean KL divergence, its standard error, share of equal likeliest tokens
    set -- "$1" "$2" $(flags "$1")
    [ $# -gt 2 ] || exit 1
    gain=$2
    shift 2
    set -- quantize $model "$work/o.gguf" "$@" --requantize --imatrix "$data/quantize/imatrix_ember.gguf" --effort "$effort" --gain "$gain"
    "$stoker" "$@" --dry-run --json >"$work/plan" && "$stoker" "$@" --threads "$threads" --force >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        exit 1
    }
    "$stoker" eval kld "$work/o.gguf" --base "$work/base" -t "$threads" --json >"$work/kld" || exit 1
    sed -n 's/.*"tensor_bytes":\([0-9]*\).*/\1/p' "$work/plan"
    sed -n 's/.*"kld":\[\([^],]*\),\([^]]*\)\].*"same_top":\[\([^],]*\).*/\1 \2 \3/p' "$work/kld"
}

"$stoker" eval kld $model -f "$data/eval/eval.txt" --parse-special --chunks 72 --save "$work/base" -t "$threads" --json >"$work/kld" || exit 1
echo "| recipe | tensor bytes | theirs | ours | ours / theirs | \`--gain off\` | / theirs | same top %, theirs | ours |"
echo "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
sed -n 's/^{"table":"B","recipe":"\([^"]*\)".*"bytes":\([0-9]*\),.*"kld":\([^,]*\),.*"same_top":\([^}]*\)}$/\1 \2 \3 \4/p' "$bars" >"$work/bars"
[ "$(wc -l <"$work/bars")" -eq 16 ] || { echo "$bars: 16 lines of table B were expected" >&2 && exit 1; }
while read -r recipe bytes kld top; do
    [ $# -eq 0 ] || case " $* " in *" $recipe "*) ;; *) continue ;; esac
    line="$recipe $((bytes - rest)) $kld $top"
    for gain in on off; do
        case " $gains " in *" $gain "*) got=$(ours "$recipe" $gain) || exit 1 ;; *) got="0 0 0 0" ;; esac
        line="$line $(echo $got)"
    done
    echo "$line" >>"$work/lines"
    echo "$line" | awk '{ printf "| %s | %d%s | %.4f | %.4f ± %.4f | %.3f | %.4f | %.3f | %.2f | %.2f |\n", $1, $2,
        ($5 && $5 != $2) || ($9 && $9 != $2) ? " (ours: " $5 ")" : "", $3, $6, $7, $6 / $3, $10, $10 / $3, $4, 100 * $8 }'
done <"$work/bars"
awk '{ n++; on += log($6 ? $6 / $3 : 1); off += log($10 ? $10 / $3 : 1); worst = $6 / $3 > worst ? $6 / $3 : worst; bytes += $5 != $2 }
    END { printf "\ngeometric mean of ours / theirs over %d lines: %.3f, the largest %.3f; with --gain off %.3f; lines with other bytes: %d\n", n,
        exp(on / n), worst, exp(off / n), bytes
        exit exp(on / n) > 0.92 || worst > 1.1 || bytes > 0 }' "$work/lines"
