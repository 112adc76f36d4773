#!/bin/sh
# Does stoker tune choose well? For each MODEL.gguf:BUDGET the profile that tune writes, then a run of every combination of threads, how
# long these stay awake, chunk and, where experts stream, reader and its depth; the BEST (2) fastest are compared with tune's choice by
# pairs. A line for each of them: its time, of that of tune's choice. What is being measured, and the HEAD (3) fastest of each
# case before they are compared, are told on stderr. A case that fails is named there, the others go on, and the exit status is 1.
#
#     sh bench/tune_sweep.sh MODEL.gguf:BUDGET [MODEL.gguf:BUDGET ...]
#     sh bench/tune_sweep.sh - <LINES         as "MODEL.gguf BUDGET FLAGS", of what a sweep before has found best: nothing is swept, and
#                                             a row of a table tells the choice, its own pairs, and 20 pairs of it and of FLAGS
#
# TEST (512,32) tokens are a prompt and an answer in a CONTEXT of 1024, which tune has too, with a cold cache where experts stream; PAIRS
# (5; 20 of LINES) are measured; THREADS, SPINS, CHUNKS, READERS and DEPTHS are what is combined; STOKER is the program. One thread waits
# for no other, so that it has the first of SPINS alone; "usual" is that of who sets none. No other variable of stoker has any part.
set -u
cd "$(dirname "$0")/.." || exit 1
stoker=${STOKER:-build/stoker} context=${CONTEXT:-1024} test=${TEST:-512,32} best=${BEST:-2} head=${HEAD:-3} pairs=${PAIRS:-5}
threads=${THREADS:-$(seq "$(nproc)")} spins=${SPINS:-usual 0.02 50} chunks=${CHUNKS:-128 256 512} readers=${READERS:-uring threads buffered} depths=${DEPTHS:-8 32 128}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
export XDG_CONFIG_HOME="$work/config" # neither settings nor profiles of whoever runs this
for name in $(env | sed -n 's/^\(STOKER_[A-Za-z0-9_]*\)=.*/\1/p'); do unset "$name"; done

# words PROFILE: the flags that it stands for
words() { sed -n '/^\[settings\]/,/^\[end\]/s/^\([a-z-]*\) = "*\([^"]*\)"*$/--\1 \2/p' "$1" | tr '\n' ' '; }

# spins_of THREADS
spins_of() { if [ "$1" -eq 1 ]; then echo "${spins%% *}"; else echo "$spins"; fi; }

combinations() {
    for t in $threads; do
        for s in $(spins_of "$t"); do
            spin="--spin $s "
            [ "$s" = usual ] && spin=''
            for c in $chunks; do
                [ -n "$streams" ] || echo "--threads $t $spin--chunk $c"
                for r in ${streams:+$readers}; do
                    for d in $depths; do echo "--threads $t $spin--chunk $c --reader $r --reader-depth $d"; done
                done
            done
        done
    done
}

# rate FLAGS...: tokens a second of one warmed run
rate() {
    "$stoker" bench "$model" --memory "$budget" --ctx "$context" --no-profile --no-roofs -p 0 -n 0 -pg "$test" -r 1 \
        ${streams:+--no-warmup} "$@" -o jsonl 2>"$work/err" </dev/null |
        sed -n 's/.*"avg_ts":\([0-9.]*\).*/\1/p'
}

# against FLAGS: the ratio of B's time to A's, its interval, and the pairs. A has the profile, B only its flags: what they leave out is the
# default, whatever the profile sets.
against() {
    "$stoker" bench "$model" --memory "$budget" --ctx "$context" --no-roofs -p 0 -n 0 -pg "$test" ${streams:+--no-warmup} \
        --against "--no-profile $1" --pairs "$pairs" --effect 100 -o jsonl 2>"$work/err" </dev/null |
        sed -n '1s/.*"ratio":\([0-9]*\.[0-9]\{0,3\}\)[0-9]*,"low":\([0-9]*\.[0-9]\{0,3\}\)[0-9]*,"high":\([0-9]*\.[0-9]\{0,3\}\)[0-9]*,"pairs":\([0-9]*\).*/\1 [\2, \3] of \4 pairs/p'
}

tell() { printf '%s in %s: %s\n' "$(basename "$model")" "$budget" "$*" >&2; }

# rank: lines of /all as "RATE FLAGS" into /ranked, the fastest first. 1: some have no rate, and are left out.
rank() {
    n=$(wc -l <"$work/all")
    i=0 failed=0
    : >"$work/unranked"
    while read -r flags; do
        i=$((i + 1))
        # shellcheck disable=SC2086
        got=$(rate $flags)
        tell "$i of $n: ${got:-$(tail -n 1 "$work/err")}${got:+ tokens/s} with $flags"
        [ -n "$got" ] && echo "$got $flags" >>"$work/unranked" || failed=1
    done <"$work/all"
    sort -rn "$work/unranked" >"$work/ranked"
    head -n "$head" "$work/ranked" | while read -r got flags; do tell "among the fastest: $got tokens/s with $flags"; done
    return $failed
}

# choose: what tune chooses for $model in $budget, of a folder without profiles
choose() {
    rm -rf "$work/config"
    tell "stoker tune"
    if ! "$stoker" tune "$model" --memory "$budget" >"$work/tune" 2>&1 </dev/null; then
        tell "$(tail -n 1 "$work/tune")"
        return 1
    fi
    profile=$(find "$work/config" -name '*.toml')
    choice=$(words "$profile") streams=yes
    grep -q 'the whole model fits' "$profile" && streams=''
    return 0
}

# beside FLAGS: the row of the choice and of what a sweep has found best
beside() {
    choose || return 1
    own=$(sed -n 's/^# .*: faster, \(.*\) of the time \(.*\) pairs$/\1 \2/p' "$profile" | tail -n 1)
    chosen='the defaults'
    [ -n "$choice" ] && chosen="\`${choice% }\`"
    line=$(against "$1")
    [ -n "$line" ] || tell "$(tail -n 1 "$work/err")"
    [ -n "$line" ] && echo "| $(basename "$model") | $budget | $chosen | $own | \`$1\`: $line |"
}

# sweep: of $model in $budget
sweep() {
    choose || return 1
    combinations >"$work/all"
    rank
    wrong=$?
    [ -s "$work/ranked" ] || return 1
    echo "$(basename "$model") in $budget: tune chose ${choice:-the defaults}; $(wc -l <"$work/ranked") combinations from $(head -n 1 "$work/ranked" |
        cut -d ' ' -f 1) to $(tail -n 1 "$work/ranked" | cut -d ' ' -f 1) tokens/s"
    head -n "$best" "$work/ranked" >"$work/best"
    while read -r _ flags; do
        line=$(against "$flags")
        echo "    $flags: ${line:-$(tail -n 1 "$work/err")}"
        [ -n "$line" ] || wrong=1
    done <"$work/best"
    return $wrong
}

status=0
if [ "$*" = - ]; then
    pairs=${PAIRS:-20}
    echo "| model | budget | tune's choice | by its own pairs | best of the sweeps, its time of that of the choice |"
    echo "|---|---|---|---|---|"
    while read -r model budget flags; do
        beside "$flags" || status=1
    done
    exit $status
fi
for case in "$@"; do
    model=${case%:*} budget=${case##*:}
    sweep || status=1
done
exit $status
