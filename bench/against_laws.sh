#!/bin/sh
# Are the verdicts of bench --against right? RUNS (20) experiments of a build with itself, which must show no difference in 19 of 20, and
# as many of it with a build that is slowed by DELAY (5) per cent, which must be found slower in 19 of 20; BUSY (2) processes compute
# beside them. A line an experiment, told as it ends, and the counts; status 1 where more than one of 20 was not so.
#
#     sh bench/against_laws.sh [MODEL.gguf]
#
# The slow build computes, after each step of the model, for that share of the processor time that the step took: no less, and more by the
# reading of a clock. It notes both sums, so that the last line tells what was planted, whatever the verdicts make of it: what `bench`
# counts is time without waits for a core, and longer runs lose more to their neighbours' caches. FLAGS (-t 1 -p 1000 -n 0) are of both
# builds.
set -u
export STOKER_NO_CONFIG=1 # neither settings nor profiles of whoever runs this
cd "$(dirname "$0")/.." || exit 1
model=${1:-models/ember/ember.gguf} runs=${RUNS:-20} delay=${DELAY:-5} busy=${BUSY:-2} flags=${FLAGS:--t 1 -p 1000 -n 0}
case $model in /*) ;; *) model=$PWD/$model ;; esac
work=$(mktemp -d) || exit 1
beside=''
# shellcheck disable=SC2064,SC2086
trap '[ -z "$beside" ] || kill $beside; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

git archive HEAD | tar -xf - -C "$work" || exit 1
cat >"$work/ran" <<END

static double ran(void) /* planted: seconds of this thread; what it waited for a core is no part of a step */
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double in_steps, in_delays;

__attribute__((destructor)) static void note(void)
{
    FILE *f = in_steps > 0 ? fopen("$work/planted", "a") : NULL;
    if (f) {
        fprintf(f, "%.6f %.6f\\n", in_steps, in_delays);
        fclose(f);
    }
}
END
cat >"$work/delay" <<END
    double now = ran(), until = now + (now - before) * $delay / 100.0;
    while (ran() < until)
        ;
    in_steps += now - before;
    in_delays += ran() - now;
END
make -s -C "$work" BUILD=plain plain/stoker >"$work/log" 2>&1 || { tail "$work/log" && exit 1; }
step=$work/src/engine/step/schedule.c
sed -i -e "/^    model_forward(s->session->model, &p.batch);/{
s/^/    double before = ran();\n/
r $work/delay
}" -e "/^#include <string.h>/r $work/ran" -e "s/^#include <string.h>/#include <stdio.h>\n&/" "$step"
make -s -C "$work" BUILD=slow slow/stoker >"$work/log" 2>&1 || { tail "$work/log" && exit 1; }
cmp -s "$work/plain/stoker" "$work/slow/stoker" && echo "the delay was not planted" >&2 && exit 1

for _ in $(seq "$busy"); do
    sh -c 'while :; do :; done' &
    beside="$beside $!"
done
failed=0
# experiments NAME VERDICT PROGRAM: those whose first test has the verdict
experiments() {
    right=0
    for i in $(seq "$runs"); do
        # shellcheck disable=SC2086
        "$work/plain/stoker" bench "$model" $flags --no-roofs --against-binary "$3" -o jsonl >"$work/out" 2>"$work/err" ||
            { tail -n 1 "$work/err" >&2 && exit 1; }
        sed -n '1s/.*"verdict":"\([a-z ]*\)".*"ratio":\([0-9.]*\),"low":\([0-9.]*\),"high":\([0-9.]*\),"pairs":\([0-9]*\).*/\1: \2 [\3, \4], \5 pairs/p' \
            "$work/out" >"$work/line"
        grep -q "^$2:" "$work/line" && right=$((right + 1))
        echo "$1, $i: $(cat "$work/line")"
    done
    echo "$1: $right of $runs are \"$2\""
    [ $((runs - right)) -le $((runs / 20)) ] || failed=1
}
experiments "A with itself" "no difference shown" "$work/plain/stoker"
experiments "slower by $delay %" slower "$work/slow/stoker"
awk '{ steps += $1; delays += $2 } END { printf "planted: %.2f %% of the processor time of %.1f s of steps\n", 100 * delays / steps, steps }' "$work/planted"
exit $failed
